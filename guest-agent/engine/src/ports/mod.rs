//! Published ports in VM mode: the host listens, asked over `/naru/ports`.
//!
//! ```text
//! publish ──bind──► host ──bound(port)──► publish
//! unpublish ──release──► host
//! ```
//!
//! The host may go and come back; all that is published is then asked for again, and what
//! another program has taken meanwhile every few seconds, until it is free. One host is
//! connected at a time: a new one takes the place of the old.

#[cfg(test)]
mod fake_host;
mod publish;
mod state;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use naru_network::PortMapping;
use naru_protocol::ports::{PortReply, PortRequest};
use tokio::io::{
    AsyncBufReadExt as _, AsyncRead, AsyncWrite, AsyncWriteExt as _, BufReader, split,
};
use tokio::sync::{Notify, mpsc};
use tokio::time::{Instant, interval_at};

use state::State;

/// How soon a port is asked for again that was lost to another program.
const RETRY_INTERVAL: Duration = Duration::from_secs(5);

/// Requests that may wait for a slow host.
const QUEUE: usize = 1024;

/// The longest reply that a host may send, in bytes.
const MAX_REPLY: u64 = 64 << 10;

/// The host's side of published ports. Clones share their state.
#[derive(Clone, Debug, Default)]
pub(crate) struct PortHost(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    /// Tells that a host has come.
    arrivals: Notify,
}

impl PortHost {
    /// Waits until a host is connected. Cancel safe.
    pub(crate) async fn connected(&self) {
        loop {
            // Made before the look, so that an arrival in between is not missed.
            let arrival = self.0.arrivals.notified();
            if self.state().host.is_some() {
                return;
            }
            arrival.await;
        }
    }

    /// What was published before the engine started anew; asked for once a host comes.
    pub(crate) fn restore(&self, key: &str, mappings: &[PortMapping]) {
        let mut state = self.state();
        for mapping in mappings {
            state.add(key, *mapping, None);
        }
    }

    /// Has the host stop listening for `key`.
    pub(crate) fn unpublish(&self, key: &str) {
        let mut state = self.state();
        let ids: Vec<u64> = state
            .bindings
            .iter()
            .filter(|(_, binding)| binding.key == key)
            .map(|(id, _)| *id)
            .collect();
        for id in ids {
            state.bindings.remove(&id);
            if let Some((_, host)) = &state.host
                && host.try_send(PortRequest::Release { id }).is_err()
            {
                // A host that does not keep up loses the connection, and is told all
                // anew on the next.
                state.host = None;
            }
        }
    }

    /// Speaks with one connected host until it goes or another comes.
    pub(crate) async fn serve(&self, stream: impl AsyncRead + AsyncWrite + Send) {
        let (sender, mut requests) = mpsc::channel(QUEUE);
        let (connection, known) = {
            let mut state = self.state();
            state.connections += 1;
            let connection = state.connections;
            state.host = Some((connection, sender));
            let known: Vec<_> = state.bindings.keys().map(|id| state.request(*id)).collect();
            (connection, known)
        };
        self.0.arrivals.notify_waiters();
        let (read, mut write) = split(stream);
        let send = async {
            for request in known {
                write_line(&mut write, &request).await?;
            }
            // All have just been asked for.
            let mut retry = interval_at(Instant::now() + RETRY_INTERVAL, RETRY_INTERVAL);
            loop {
                tokio::select! {
                    request = requests.recv() => match request {
                        Some(request) => write_line(&mut write, &request).await?,
                        None => return Ok::<_, std::io::Error>(()),
                    },
                    _ = retry.tick() => {
                        let lost = self.state().lost();
                        for request in lost {
                            write_line(&mut write, &request).await?;
                        }
                    }
                }
            }
        };
        let ended = tokio::select! {
            ended = send => ended,
            ended = self.replies(connection, read) => ended,
        };
        match ended {
            Ok(()) => tracing::info!("the host's port connection ended"),
            Err(error) => tracing::info!(%error, "the host's port connection is lost"),
        }
        let mut state = self.state();
        if state.is_current(connection) {
            state.host = None;
        }
    }

    /// Takes the answers of one connection until it ends or another takes its place.
    async fn replies(&self, connection: u64, read: impl AsyncRead + Send) -> std::io::Result<()> {
        use tokio::io::AsyncReadExt as _;
        let mut read = std::pin::pin!(BufReader::new(read));
        let mut line = Vec::new();
        loop {
            line.clear();
            let length = (&mut read).take(MAX_REPLY).read_until(b'\n', &mut line).await?;
            if length == 0 {
                return Ok(());
            }
            let reply: PortReply = serde_json::from_slice(&line)?;
            let (PortReply::Bound { id, .. }
            | PortReply::Refused { id, .. }
            | PortReply::NoFamily { id }) = &reply;
            let mut state = self.state();
            if !state.is_current(connection) {
                // What an earlier host listened on says nothing of the one there is now.
                return Ok(());
            }
            let Some(binding) = state.bindings.get_mut(id) else { continue };
            if let PortReply::Bound { host_port, .. } = reply {
                // From now on this very port is asked for.
                binding.mapping.host_port = host_port;
            }
            match binding.answer.take() {
                // An error only says that the asker gave up.
                Some(answer) => drop(answer.send(reply)),
                None => binding.note(&reply),
            }
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn write_line(
    write: &mut (impl AsyncWrite + Unpin),
    request: &PortRequest,
) -> std::io::Result<()> {
    let mut line = serde_json::to_vec(request)?;
    line.push(b'\n');
    write.write_all(&line).await?;
    write.flush().await
}

#[cfg(test)]
mod tests {
    use tokio::task::JoinSet;
    use tokio::time::timeout;

    use super::fake_host::{FakeHost, mapping};
    use super::*;

    #[tokio::test]
    async fn whoever_waits_for_a_host_is_told_of_its_coming() {
        let ports = PortHost::default();
        let mut tasks = JoinSet::new();
        let waits = ports.clone();
        let waits = async move { waits.connected().await };
        let comes = async { FakeHost::connect(&ports, &mut tasks) };
        let ((), _host) = tokio::join!(waits, comes);
        ports.connected().await;
    }

    #[tokio::test]
    async fn a_chosen_port_is_asked_for_again_by_its_number() {
        let ports = PortHost::default();
        let mut tasks = JoinSet::new();
        let mut host = FakeHost::connect(&ports, &mut tasks);
        ports.restore("old", &[mapping(7)]);
        // The connection is made when the task first runs, before or after `restore`.
        let id = match host.request().await {
            PortRequest::Bind { id, host_port: 7, .. } => id,
            other => panic!("expected the restored port, not {other:?}"),
        };
        host.reply(PortReply::Bound { id, host_port: 7 }).await;
        let wanted = [mapping(0)];
        let publish = ports.publish("c", &wanted);
        let answer = async {
            let PortRequest::Bind { id, host_port: 0, .. } = host.request().await else {
                panic!("expected a bind of any port");
            };
            host.reply(PortReply::Bound { id, host_port: 49152 }).await;
        };
        let (published, ()) = tokio::join!(publish, answer);
        assert_eq!(published.unwrap()[0].host_port, 49152);

        let mut next = FakeHost::connect(&ports, &mut tasks);
        let mut asked = Vec::new();
        for _ in 0..2 {
            if let PortRequest::Bind { host_port, .. } = next.request().await {
                asked.push(host_port);
            }
        }
        assert_eq!(asked, [7, 49152]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_port_that_was_lost_is_asked_for_until_it_is_free() {
        let ports = PortHost::default();
        let mut tasks = JoinSet::new();
        ports.restore("old", &[mapping(80)]);
        let mut host = FakeHost::connect(&ports, &mut tasks);
        for _ in 0..3 {
            let PortRequest::Bind { id, host_port: 80, .. } = host.request().await else {
                panic!("expected a bind of the lost port");
            };
            let message = "port 80 is already in use".to_owned();
            host.reply(PortReply::Refused { id, message }).await;
        }
        let PortRequest::Bind { id, .. } = host.request().await else { panic!("no bind") };
        host.reply(PortReply::Bound { id, host_port: 80 }).await;
        let asked_again = timeout(10 * RETRY_INTERVAL, host.request()).await;
        assert!(asked_again.is_err(), "{asked_again:?}");
        assert!(!ports.state().bindings.values().any(|binding| binding.lost));
    }

    #[tokio::test(start_paused = true)]
    async fn a_host_that_comes_is_asked_for_each_port_once() {
        let ports = PortHost::default();
        let mut tasks = JoinSet::new();
        ports.restore("old", &[mapping(80)]);
        let mut first = FakeHost::connect(&ports, &mut tasks);
        let PortRequest::Bind { id, .. } = first.request().await else { panic!("no bind") };
        first.refuse(id, "port 80 is already in use").await;
        let PortRequest::Bind { .. } = first.request().await else { panic!("not lost") };
        let mut second = FakeHost::connect(&ports, &mut tasks);
        let PortRequest::Bind { .. } = second.request().await else { panic!("no bind") };
        let again = timeout(RETRY_INTERVAL / 2, second.request()).await;
        assert!(again.is_err(), "{again:?}");
    }

    #[tokio::test]
    async fn a_chosen_port_is_known_as_soon_as_the_host_has_told() {
        let ports = PortHost::default();
        let mut tasks = JoinSet::new();
        let mut host = FakeHost::connect(&ports, &mut tasks);
        ports.connected().await;
        let wanted = [mapping(0)];
        let mut publish = std::pin::pin!(ports.publish("c", &wanted));
        assert!(futures::poll!(&mut publish).is_pending());
        let PortRequest::Bind { id, .. } = host.request().await else { panic!("no bind") };
        host.reply(PortReply::Bound { id, host_port: 49152 }).await;
        // Another host comes before the asker has heard the answer.
        while ports.state().bindings[&id].answer.is_some() {
            tokio::task::yield_now().await;
        }
        let mut next = FakeHost::connect(&ports, &mut tasks);
        let PortRequest::Bind { host_port: 49152, .. } = next.request().await else {
            panic!("not the port that was chosen");
        };
        assert_eq!(publish.await.unwrap()[0].host_port, 49152);
    }
}
