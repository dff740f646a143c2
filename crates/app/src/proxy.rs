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
use tokio::sync::watch;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::copy;
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

async fn connect(client: Stream, guest: Option<Guest>) -> io::Result<()> {
    let Some(guest) = guest else {
        return refuse(client, NOT_RUNNING.to_owned()).await;
    };
    match guest.dial().await {
        Ok(engine) => copy::client_to_server(client, engine).await,
        Err(error) => {
            let cause = naru_error::chain(&error);
            refuse(client, format!("the engine does not answer: {cause}")).await
        }
    }
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
