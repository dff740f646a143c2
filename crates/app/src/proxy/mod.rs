//! The Docker API on this host: a local socket whose connections go on to the engine.
//!
//! Bytes are copied as they are, so whatever a client and the engine agree upon
//! (upgrades, hijacked streams, half-close) works. While the machine starts, clients wait
//! for the engine ([`starting`]); while it is off, each request is answered at once with
//! 503 and a message in Docker's shape.

mod client;
mod head;
mod starting;

use std::io;
use std::time::Duration;

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use self::client::Client;
use self::starting::Waited;
use crate::guest::Guest;
use crate::local::{Listener, Stream};
use crate::machine::EngineState;

/// What is said to clients while the machine is off.
const NOT_RUNNING: &str =
    "the Naru machine is not running: start it with `naru start` or in the window";
/// What is said to clients while the machine runs without its engine.
const RESTARTING: &str = "the engine is being restarted: try again";
/// How long to leave a listener alone that cannot accept (out of descriptors, mostly).
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Serves `listener` until `cancel`; connections live on `tasks` and end with it too.
pub(crate) async fn serve(
    mut listener: Listener,
    engine: watch::Receiver<EngineState>,
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
                let (engine, cancel) = (engine.clone(), cancel.clone());
                tasks.spawn(async move {
                    if let Err(error) = connect(client, engine, cancel).await {
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

/// Serves one client until it is done or `cancel` comes. One that waits for a start hears
/// how the start ended even then: the start itself ends, and with it the wait.
async fn connect(
    stream: Stream,
    engine: watch::Receiver<EngineState>,
    cancel: CancellationToken,
) -> io::Result<()> {
    let mut client = Client::new(stream);
    let state = engine.borrow().clone();
    let waited = match state {
        EngineState::Ready(guest) => Waited::Ready(guest),
        EngineState::Starting => starting::wait(&mut client, engine).await?,
        EngineState::Off | EngineState::Failed(_) => Waited::Idle(why_not(&state)),
    };
    let rest = async {
        match waited {
            Waited::Ready(guest) => pass_on(&mut client, &guest).await,
            Waited::Idle(why) => client.part(&why).await,
            Waited::Over => client.leave().await,
        }
    };
    cancel.run_until_cancelled(rest).await.unwrap_or(Ok(()))
}

async fn pass_on(client: &mut Client, guest: &Guest) -> io::Result<()> {
    let engine = match guest.dial().await {
        Ok(engine) => engine,
        Err(error) => {
            let cause = naru_error::chain(&error);
            return client.part(&format!("the engine does not answer: {cause}")).await;
        }
    };
    match client.pass_on(engine).await {
        // On the multiplexed carrier the first read says that nobody listens. How much of
        // the request was read by then is not known, so the answer is written as it is.
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
            client.refuse(RESTARTING).await?;
            client.leave().await
        }
        ended => ended,
    }
}

/// Why there is no engine, and what to do.
fn why_not(state: &EngineState) -> String {
    match state {
        EngineState::Failed(error) => format!(
            "the Naru machine has failed: {}; `naru logs` shows its console, and `naru start` \
             or the window starts it again",
            error.message
        ),
        _ => NOT_RUNNING.to_owned(),
    }
}

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use std::sync::atomic::Ordering;

    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::UnixStream;

    use super::*;
    use crate::fake_engine::{COUNT_PATH, FakeEngine};
    use crate::local::Address;

    /// A proxy under test.
    pub(super) struct Proxy {
        pub(super) state: watch::Sender<EngineState>,
        pub(super) address: Address,
        pub(super) tasks: TaskTracker,
        pub(super) cancel: CancellationToken,
        _directory: tempfile::TempDir,
    }

    impl Proxy {
        pub(super) fn new(state: EngineState) -> Self {
            let directory = tempfile::tempdir().unwrap();
            let address = Address::socket(directory.path().join("docker.sock"));
            let listener = Listener::bind(&address).unwrap();
            let (state, receiver) = watch::channel(state);
            let (tasks, cancel) = (TaskTracker::new(), CancellationToken::new());
            tasks.spawn(serve(listener, receiver, tasks.clone(), cancel.clone()));
            Self { state, address, tasks, cancel, _directory: directory }
        }

        pub(super) async fn connect(&self) -> UnixStream {
            UnixStream::connect(self.address.path()).await.unwrap()
        }
    }

    pub(super) async fn ask(address: &Address, request: &str) -> String {
        let mut client = UnixStream::connect(address.path()).await.unwrap();
        client.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        client.read_to_string(&mut answer).await.unwrap();
        answer
    }

    #[tokio::test]
    async fn the_end_of_a_clients_input_reaches_the_engine_and_its_answer_the_client() {
        let (engine, _ports) = FakeEngine::new();
        let proxy = Proxy::new(EngineState::Ready(engine.guest()));
        let mut client = proxy.connect().await;
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
        let proxy = Proxy::new(EngineState::Off);
        let answer =
            ask(&proxy.address, "GET /v1.51/containers/json HTTP/1.1\r\nHost: x\r\n\r\n").await;
        assert!(answer.starts_with("HTTP/1.1 503 "), "{answer}");
        let body = answer.split("\r\n\r\n").nth(1).unwrap();
        let body: serde_json::Value = serde_json::from_str(body).unwrap();
        assert_eq!(body["message"], NOT_RUNNING);
    }

    #[tokio::test]
    async fn the_engine_is_reached_as_soon_as_the_machine_runs() {
        let (engine, _ports) = FakeEngine::new();
        let proxy = Proxy::new(EngineState::Off);
        proxy.state.send_replace(EngineState::Ready(engine.guest()));
        let request = "GET /naru/handshake HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
        let answer = ask(&proxy.address, request).await;
        assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    }

    #[tokio::test]
    async fn an_engine_that_is_being_restarted_is_answered_for() {
        let (engine, _ports) = FakeEngine::new();
        engine.away.store(true, Ordering::Relaxed);
        let proxy = Proxy::new(EngineState::Ready(engine.guest()));
        let answer = ask(&proxy.address, "GET /info HTTP/1.1\r\nHost: x\r\n\r\n").await;
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
