//! Clients that come while the machine starts.
//!
//! Pings are answered here, so that a client that only looks whether there is an engine
//! goes on at once. Whatever else is asked waits, unanswered and unchanged, for the
//! engine. The wait ends with the start, or a little later than a start may take.

use std::io;

use tokio::sync::watch;
use tokio::time::timeout;

use super::client::Client;
use super::head::Asked;
use super::why_not;
use crate::guest::Guest;
use crate::machine::{EngineState, GUEST_DEADLINE};

/// What is said when neither an engine nor a failure came.
const TOO_SLOW: &str = "the Naru machine is still starting: `naru status` says how far it is, \
    and `naru logs` shows its console; try again later, or run `naru stop` and `naru start`";

/// How a client's wait ended.
pub(super) enum Waited {
    /// With the engine, which is to get what the client asked.
    Ready(Guest),
    /// Without an engine, and the client has not asked anything yet.
    Idle(String),
    /// The client has gone, or was told all there is to say.
    Over,
}

/// Keeps `client` while the machine starts.
pub(super) async fn wait(
    client: &mut Client,
    mut engine: watch::Receiver<EngineState>,
) -> io::Result<Waited> {
    loop {
        let asked = tokio::select! {
            settled = settled(&mut engine) => return tell(client, settled).await,
            asked = client.asks() => asked?,
        };
        match asked {
            Some(Asked::Ping(ping)) if client.answer(ping).await? => {}
            Some(Asked::Ping(_)) | None => return Ok(Waited::Over),
            Some(Asked::Other) => break,
        }
    }
    tokio::select! {
        settled = timeout(GUEST_DEADLINE, settled(&mut engine)) => {
            tell(client, settled.unwrap_or_else(|_| Err(TOO_SLOW.to_owned()))).await
        }
        gone = client.gone() => gone.map(|()| Waited::Over),
    }
}

/// The engine, or why there is none, as soon as the start has ended. Cancel safe.
async fn settled(engine: &mut watch::Receiver<EngineState>) -> Result<Guest, String> {
    match engine.wait_for(|state| !matches!(state, EngineState::Starting)).await.as_deref() {
        Ok(EngineState::Ready(guest)) => Ok(guest.clone()),
        Ok(state) => Err(why_not(state)),
        // Nobody has a machine any more.
        Err(_) => Err(why_not(&EngineState::Off)),
    }
}

async fn tell(client: &mut Client, settled: Result<Guest, String>) -> io::Result<Waited> {
    Ok(match settled {
        Ok(guest) => Waited::Ready(guest),
        Err(why) if client.has_asked() => {
            client.refuse(&why).await?;
            Waited::Over
        }
        Err(why) => Waited::Idle(why),
    })
}

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use naru_error::ErrorKind;
    use naru_ipc::IpcError;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::UnixStream;

    use super::super::tests::{Proxy, ask};
    use super::*;
    use crate::fake_engine::{COUNT_PATH, FakeEngine};

    const PING: &str = "GET /_ping HTTP/1.1\r\nHost: x\r\n\r\n";
    /// A request that the fake engine answers, the last of its connection.
    const LAST: &str = "GET /naru/handshake HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";

    fn failed() -> EngineState {
        EngineState::Failed(IpcError::new(ErrorKind::Internal, "the fan is on fire"))
    }

    async fn send(client: &mut UnixStream, request: &str) {
        client.write_all(request.as_bytes()).await.unwrap();
    }

    /// The next answer's head.
    async fn head(client: &mut UnixStream) -> String {
        let mut said = Vec::new();
        while !said.ends_with(b"\r\n\r\n") {
            said.push(client.read_u8().await.unwrap());
        }
        String::from_utf8(said).unwrap()
    }

    /// Reads the answer to a ping.
    async fn pong(client: &mut UnixStream) {
        head(client).await;
        let mut body = [0; 2];
        client.read_exact(&mut body).await.unwrap();
        assert_eq!(&body, b"OK");
    }

    async fn rest(client: &mut UnixStream) -> String {
        let mut said = String::new();
        client.read_to_string(&mut said).await.unwrap();
        said
    }

    #[tokio::test]
    async fn a_ping_is_answered_and_the_next_request_of_the_connection_waits_for_the_engine() {
        let (engine, _ports) = FakeEngine::new();
        let proxy = Proxy::new(EngineState::Starting);
        let mut client = proxy.connect().await;
        send(&mut client, &PING.replace("GET /", "HEAD /v1.51/")).await;
        let head = head(&mut client).await;
        assert!(head.starts_with("HTTP/1.1 200 OK\r\n"), "{head}");
        for header in [
            "api-version: 1.51",
            "docker-experimental: false",
            "ostype: linux",
            "server: Docker/",
            "content-type: text/plain; charset=utf-8",
            "cache-control: no-cache, no-store, must-revalidate",
            "pragma: no-cache",
            "builder-version: 2",
            "swarm: inactive",
            "content-length: 0",
        ] {
            assert!(head.contains(&format!("\r\n{header}")), "{header} is missing: {head}");
        }
        send(&mut client, LAST).await;
        proxy.state.send_replace(EngineState::Ready(engine.guest()));
        let answer = rest(&mut client).await;
        assert!(answer.starts_with("HTTP/1.1 200 OK") && answer.contains("9.8.7"), "{answer}");
    }

    #[tokio::test]
    async fn requests_sent_at_once_are_answered_in_their_order() {
        let (engine, _ports) = FakeEngine::new();
        let proxy = Proxy::new(EngineState::Starting);
        let mut client = proxy.connect().await;
        send(&mut client, &format!("{PING}{PING}{LAST}")).await;
        for _ in 0..2 {
            pong(&mut client).await;
        }
        proxy.state.send_replace(EngineState::Ready(engine.guest()));
        assert!(rest(&mut client).await.contains("9.8.7"));
    }

    #[tokio::test]
    async fn an_idle_connection_gets_the_engine_too() {
        let (engine, _ports) = FakeEngine::new();
        let proxy = Proxy::new(EngineState::Starting);
        let mut client = proxy.connect().await;
        send(&mut client, PING).await;
        pong(&mut client).await;
        proxy.state.send_replace(EngineState::Ready(engine.guest()));
        send(&mut client, LAST).await;
        assert!(rest(&mut client).await.contains("9.8.7"));
    }

    #[tokio::test]
    async fn a_connection_ends_with_its_last_ping() {
        let proxy = Proxy::new(EngineState::Starting);
        let last = PING.replace("Host", "Connection: close\r\nHost");
        let answer = ask(&proxy.address, &last).await;
        assert!(answer.contains("\r\nconnection: close\r\n"), "{answer}");
    }

    #[tokio::test]
    async fn a_body_larger_than_what_is_read_ahead_arrives_whole() {
        let (engine, _ports) = FakeEngine::new();
        let proxy = Proxy::new(EngineState::Starting);
        let (mut read, mut write) = proxy.connect().await.into_split();
        let sent = proxy.tasks.spawn(async move {
            let head = format!(
                "POST {COUNT_PATH} HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\n\
                 Upgrade: tcp\r\n\r\n"
            );
            write.write_all(head.as_bytes()).await.unwrap();
            write.write_all(&vec![7; 3_000_000]).await.unwrap();
            write.shutdown().await.unwrap();
        });
        // The proxy holds on to the first part, and the socket is full.
        tokio::task::yield_now().await;
        proxy.state.send_replace(EngineState::Ready(engine.guest()));
        let mut answer = String::new();
        read.read_to_string(&mut answer).await.unwrap();
        assert!(answer.ends_with("3000000 bytes"), "{answer}");
        sent.await.unwrap();
    }

    #[tokio::test]
    async fn a_start_that_fails_is_explained_to_all_who_wait_and_who_come_later() {
        let proxy = Proxy::new(EngineState::Starting);
        let mut clients = Vec::new();
        for _ in 0..100 {
            let mut client = proxy.connect().await;
            send(&mut client, PING).await;
            pong(&mut client).await;
            clients.push(client);
        }
        let mut idle = clients.pop().unwrap();
        for client in &mut clients {
            send(client, LAST).await;
        }
        let head = "GET /_ping HTTP/1.1\r\nX: ".to_owned() + &"x".repeat(100_000);
        let mut endless = proxy.connect().await;
        send(&mut endless, &head).await;
        clients.push(endless);
        proxy.state.send_replace(failed());
        for mut client in clients {
            let answer = rest(&mut client).await;
            assert!(answer.starts_with("HTTP/1.1 503 "), "{answer}");
            assert!(answer.contains("the fan is on fire; `naru logs`"), "{answer}");
        }
        send(&mut idle, LAST).await;
        assert!(rest(&mut idle).await.contains("the fan is on fire"));
        assert!(ask(&proxy.address, PING).await.contains("the fan is on fire"));
    }

    #[tokio::test]
    async fn who_waits_is_told_when_the_owner_ends() {
        let proxy = Proxy::new(EngineState::Starting);
        let mut client = proxy.connect().await;
        send(&mut client, &format!("{PING}{LAST}")).await;
        pong(&mut client).await;
        proxy.cancel.cancel();
        drop(proxy.state);
        assert!(rest(&mut client).await.contains("is not running"));
    }

    #[tokio::test(start_paused = true)]
    async fn a_wait_has_a_deadline() {
        let proxy = Proxy::new(EngineState::Starting);
        let answer = ask(&proxy.address, LAST).await;
        assert!(answer.starts_with("HTTP/1.1 503 ") && answer.contains(TOO_SLOW), "{answer}");
    }

    #[tokio::test]
    async fn clients_that_go_leave_nothing() {
        let proxy = Proxy::new(EngineState::Starting);
        for request in ["", "GET /_pi", PING, LAST, "GET /info HTTP/1.1\r\n"] {
            let mut client = proxy.connect().await;
            send(&mut client, request).await;
            let mut pings = proxy.connect().await;
            send(&mut pings, PING).await;
            // The client before it has been accepted.
            pong(&mut pings).await;
        }
        // All but the one that accepts.
        while proxy.tasks.len() > 1 {
            tokio::task::yield_now().await;
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_takes_no_answers_is_let_go() {
        let proxy = Proxy::new(EngineState::Starting);
        let mut client = proxy.connect().await;
        while client.write_all(PING.as_bytes()).await.is_ok() {}
        while proxy.tasks.len() > 1 {
            tokio::task::yield_now().await;
        }
    }
}
