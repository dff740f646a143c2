//! The Docker API on this host: a local socket whose connections go on to the engine.
//!
//! Bytes are copied as they are, so whatever a client and the engine agree upon
//! (upgrades, hijacked streams, half-close) works. While there is no engine, each
//! request is answered at once with 503 and a message in Docker's shape.

use std::convert::Infallible;
use std::io;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::header::CONTENT_TYPE;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Response, StatusCode};
use hyper_util::rt::TokioIo;
use serde_json::json;
use tokio::io::{AsyncWriteExt, copy, sink};
use tokio::sync::watch;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::guest::Guest;
use crate::local::{Listener, Stream};

/// What is said to clients while the machine is off.
pub(crate) const NOT_RUNNING: &str =
    "the Naru machine is not running: start it with `naru start` or in the window";
/// How long to leave a listener alone that cannot accept (out of descriptors, mostly).
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// How long a client that is refused may take to send its request.
const REFUSAL_DEADLINE: Duration = Duration::from_secs(10);

/// Serves `listener` until `cancel`; connections live on `tasks` and end with it too.
pub(crate) async fn serve(
    mut listener: Listener,
    engine: watch::Receiver<Option<Guest>>,
    tasks: TaskTracker,
    cancel: CancellationToken,
) {
    loop {
        let accepted = tokio::select! {
            () = cancel.cancelled() => return,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok(client) => {
                let guest = engine.borrow().clone();
                let cancel = cancel.clone();
                tasks.spawn(async move {
                    let ended = cancel.run_until_cancelled(connect(client, guest)).await;
                    if let Some(Err(error)) = ended {
                        tracing::debug!(%error, "docker connection ended early");
                    }
                });
            }
            Err(error) => {
                tracing::warn!(%error, "docker connection not accepted");
                // A timer is all there is to wait for: nobody says when descriptors are free.
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

async fn connect(mut client: Stream, guest: Option<Guest>) -> io::Result<()> {
    let Some(guest) = guest else {
        return refuse(client, NOT_RUNNING.to_owned()).await;
    };
    let engine = match guest.dial().await {
        Ok(engine) => engine,
        Err(error) => {
            let cause = naru_error::chain(&error);
            return refuse(client, format!("the engine does not answer: {cause}")).await;
        }
    };
    match crate::copy::client_to_server(&mut client, engine).await {
        // On the multiplexed carrier the first read says that nobody listens. How much of
        // the request was read by then is not known, so the answer is written as it is.
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
            client.write_all(&restarting()).await?;
            client.shutdown().await?;
            // A socket closed with bytes unread takes the answer away from the client.
            match timeout(REFUSAL_DEADLINE, copy(&mut client, &mut sink())).await {
                Ok(drained) => drained.map(drop),
                Err(_) => Err(io::ErrorKind::TimedOut.into()),
            }
        }
        ended => ended,
    }
}

/// The whole answer while the machine runs without its engine.
fn restarting() -> Vec<u8> {
    let body = json!({ "message": "the engine is being restarted: try again" }).to_string();
    let length = body.len();
    format!(
        "HTTP/1.1 503 Service Unavailable\r\nContent-Type: application/json\r\n\
         Content-Length: {length}\r\nConnection: close\r\n\r\n{body}"
    )
    .into_bytes()
}

/// Answers whatever is asked with 503.
async fn refuse(client: Stream, message: String) -> io::Result<()> {
    let body = Bytes::from(json!({ "message": message }).to_string());
    let service = service_fn(move |_request| {
        let mut response = Response::new(Full::new(body.clone()));
        *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
        response
            .headers_mut()
            .insert(CONTENT_TYPE, hyper::header::HeaderValue::from_static("application/json"));
        async move { Ok::<_, Infallible>(response) }
    });
    let connection =
        http1::Builder::new().keep_alive(false).serve_connection(TokioIo::new(client), service);
    match timeout(REFUSAL_DEADLINE, connection).await {
        Ok(served) => served.map_err(io::Error::other),
        Err(_) => Err(io::ErrorKind::TimedOut.into()),
    }
}

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use std::sync::atomic::Ordering;
    use tokio::io::AsyncReadExt;

    use tokio::net::UnixStream;

    use super::*;
    use crate::fake_engine::{COUNT_PATH, FakeEngine};
    use crate::local::Address;

    /// A proxy to `guest`, and the directory with its socket.
    fn proxy(guest: Option<Guest>) -> (tempfile::TempDir, watch::Sender<Option<Guest>>, Address) {
        let directory = tempfile::tempdir().unwrap();
        let address = Address::socket(directory.path().join("docker.sock"));
        let listener = Listener::bind(&address).unwrap();
        let (sender, receiver) = watch::channel(guest);
        let tasks = TaskTracker::new();
        tasks.spawn(serve(listener, receiver, tasks.clone(), CancellationToken::new()));
        (directory, sender, address)
    }

    async fn ask(address: &Address, request: &str) -> String {
        let mut client = UnixStream::connect(address.path()).await.unwrap();
        client.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        client.read_to_string(&mut answer).await.unwrap();
        answer
    }

    #[tokio::test]
    async fn the_end_of_a_clients_input_reaches_the_engine_and_its_answer_the_client() {
        let (engine, _ports) = FakeEngine::new();
        let (_directory, _guest, address) = proxy(Some(engine.guest()));
        let mut client = UnixStream::connect(address.path()).await.unwrap();
        let head = format!(
            "POST {COUNT_PATH} HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n"
        );
        client.write_all(head.as_bytes()).await.unwrap();
        client.write_all(&vec![7; 100_000]).await.unwrap();
        client.shutdown().await.unwrap();
        let mut answer = String::new();
        client.read_to_string(&mut answer).await.unwrap();
        assert!(answer.ends_with("100000 bytes"), "{answer}");
    }

    #[tokio::test]
    async fn a_stopped_machine_is_answered_for_in_dockers_shape() {
        let (_directory, _guest, address) = proxy(None);
        let answer = ask(&address, "GET /v1.51/containers/json HTTP/1.1\r\nHost: x\r\n\r\n").await;
        assert!(answer.starts_with("HTTP/1.1 503 "), "{answer}");
        let body = answer.split("\r\n\r\n").nth(1).unwrap();
        let body: serde_json::Value = serde_json::from_str(body).unwrap();
        assert_eq!(body["message"], NOT_RUNNING);
    }

    #[tokio::test]
    async fn the_engine_is_reached_as_soon_as_the_machine_runs() {
        let (engine, _ports) = FakeEngine::new();
        let (_directory, guest, address) = proxy(None);
        guest.send_replace(Some(engine.guest()));
        let request = "GET /naru/handshake HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
        let answer = ask(&address, request).await;
        assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    }

    #[tokio::test]
    async fn an_engine_that_is_being_restarted_is_answered_for() {
        let (engine, _ports) = FakeEngine::new();
        engine.away.store(true, Ordering::Relaxed);
        let (_directory, _guest, address) = proxy(Some(engine.guest()));
        let answer = ask(&address, "GET /info HTTP/1.1\r\nHost: x\r\n\r\n").await;
        assert!(answer.starts_with("HTTP/1.1 503 "), "{answer}");
        assert!(answer.contains("restarted"), "{answer}");
    }

    #[tokio::test]
    async fn the_socket_is_the_users_alone_and_goes_with_the_listener() {
        use std::os::unix::fs::PermissionsExt;
        let directory = tempfile::tempdir().unwrap();
        let address = Address::socket(directory.path().join("docker.sock"));
        let listener = Listener::bind(&address).unwrap();
        let mode = std::fs::metadata(address.path()).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        drop(listener);
        assert!(!address.path().exists());
    }
}
