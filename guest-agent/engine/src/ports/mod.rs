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

mod state;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use naru_network::PortMapping;
use naru_protocol::ports::{PortReply, PortRequest};
use tokio::io::{
    AsyncBufReadExt as _, AsyncRead, AsyncWrite, AsyncWriteExt as _, BufReader, split,
};
use tokio::sync::{Notify, mpsc, oneshot};
use tokio::time::{interval, timeout};

use crate::error::{EngineError, Result};
use state::State;

/// How long the host may take to say whether it listens.
const BIND_TIMEOUT: Duration = Duration::from_secs(10);

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

    /// Has the host listen on all `mappings`, or on none; gives them back with the
    /// ports that it chose.
    pub(crate) async fn publish(
        &self,
        key: &str,
        mappings: &[PortMapping],
    ) -> Result<Vec<PortMapping>> {
        let published = self.bind_all(key, mappings).await;
        if published.is_err() {
            self.unpublish(key);
        }
        published
    }

    async fn bind_all(&self, key: &str, mappings: &[PortMapping]) -> Result<Vec<PortMapping>> {
        let mut bound = Vec::with_capacity(mappings.len());
        for mapping in mappings {
            let (answer, answered) = oneshot::channel();
            let (id, request, host) = {
                let mut state = self.state();
                let Some((_, host)) = state.host.clone() else {
                    return Err(EngineError::NoPortHost(mapping.host_port));
                };
                state.check_free(mapping)?;
                let id = state.add(key, *mapping, Some(answer));
                (id, state.request(id), host)
            };
            let lost = || EngineError::NoPortHost(mapping.host_port);
            host.send(request).await.map_err(|_| lost())?;
            let reply = timeout(BIND_TIMEOUT, answered).await.map_err(|_| lost())?;
            match reply.map_err(|_| lost())? {
                PortReply::Bound { host_port, .. } => {
                    let mapping = PortMapping { host_port, ..*mapping };
                    if let Some(binding) = self.state().bindings.get_mut(&id) {
                        // From now on this very port is asked for.
                        binding.mapping = mapping;
                    }
                    bound.push(mapping);
                }
                PortReply::Refused { message, .. } => {
                    return Err(EngineError::PortRefused(message));
                }
            }
        }
        Ok(bound)
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
            let mut retry = interval(RETRY_INTERVAL);
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
            ended = self.replies(read) => ended,
        };
        if let Err(error) = ended {
            tracing::info!(%error, "the host's port connection ended");
        }
        let mut state = self.state();
        if state.host.as_ref().is_some_and(|(current, _)| *current == connection) {
            state.host = None;
        }
    }

    async fn replies(&self, read: impl AsyncRead + Send) -> std::io::Result<()> {
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
            let (PortReply::Bound { id, .. } | PortReply::Refused { id, .. }) = &reply;
            let mut state = self.state();
            let Some(binding) = state.bindings.get_mut(id) else { continue };
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
    use std::net::{IpAddr, Ipv4Addr};

    use naru_network::Protocol;
    use tokio::io::{DuplexStream, Lines, ReadHalf, WriteHalf, duplex};

    use super::*;

    fn mapping(host_port: u16) -> PortMapping {
        PortMapping {
            host_ip: IpAddr::V4(Ipv4Addr::UNSPECIFIED),
            host_port,
            container_address: Ipv4Addr::new(172, 17, 0, 2).into(),
            container_port: 80,
            protocol: Protocol::Tcp,
        }
    }

    struct FakeHost {
        requests: Lines<BufReader<ReadHalf<DuplexStream>>>,
        replies: WriteHalf<DuplexStream>,
    }

    impl FakeHost {
        fn connect(ports: &PortHost, tasks: &mut tokio::task::JoinSet<()>) -> Self {
            let (ours, theirs) = duplex(4096);
            let ports = ports.clone();
            tasks.spawn(async move { ports.serve(theirs).await });
            let (read, replies) = split(ours);
            Self { requests: BufReader::new(read).lines(), replies }
        }

        async fn request(&mut self) -> PortRequest {
            serde_json::from_str(&self.requests.next_line().await.unwrap().unwrap()).unwrap()
        }

        async fn reply(&mut self, reply: PortReply) {
            let line = serde_json::to_string(&reply).unwrap() + "\n";
            self.replies.write_all(line.as_bytes()).await.unwrap();
        }
    }

    #[tokio::test]
    async fn without_a_host_nothing_is_published() {
        let error = PortHost::default().publish("c", &[mapping(80)]).await.unwrap_err();
        assert!(matches!(error, EngineError::NoPortHost(80)));
    }

    #[tokio::test]
    async fn what_another_container_has_is_not_asked_for() {
        let ports = PortHost::default();
        let mut tasks = tokio::task::JoinSet::new();
        let _host = FakeHost::connect(&ports, &mut tasks);
        ports.connected().await;
        ports.restore("old", &[mapping(80)]);
        let error = ports.publish("c", &[mapping(80)]).await.unwrap_err();
        assert_eq!(error.to_string(), "Bind for 0.0.0.0:80 failed: port is already allocated");
        ports.unpublish("old");
        assert!(ports.state().bindings.is_empty());
    }

    #[tokio::test]
    async fn whoever_waits_for_a_host_is_told_of_its_coming() {
        let ports = PortHost::default();
        let mut tasks = tokio::task::JoinSet::new();
        let waits = ports.clone();
        let waits = async move { waits.connected().await };
        let comes = async { FakeHost::connect(&ports, &mut tasks) };
        let ((), _host) = tokio::join!(waits, comes);
        ports.connected().await;
    }

    #[tokio::test]
    async fn a_chosen_port_is_asked_for_again_by_its_number() {
        let ports = PortHost::default();
        let mut tasks = tokio::task::JoinSet::new();
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
        let mut tasks = tokio::task::JoinSet::new();
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

    #[tokio::test]
    async fn a_refusal_is_told_and_leaves_nothing_published() {
        let ports = PortHost::default();
        let mut tasks = tokio::task::JoinSet::new();
        let mut host = FakeHost::connect(&ports, &mut tasks);
        tokio::task::yield_now().await;
        let wanted = [mapping(80)];
        let publish = ports.publish("c", &wanted);
        let answer = async {
            let PortRequest::Bind { id, .. } = host.request().await else { panic!("no bind") };
            let message = "port 80 is already in use by nginx (pid 1)".to_owned();
            host.reply(PortReply::Refused { id, message }).await;
        };
        let (published, ()) = tokio::join!(publish, answer);
        assert_eq!(
            published.unwrap_err().to_string(),
            "port 80 is already in use by nginx (pid 1)"
        );
        assert!(ports.state().bindings.is_empty());
    }
}
