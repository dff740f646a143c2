//! The accepting side: a session after the other, for as long as the channel opens.

use std::collections::HashSet;
use std::fmt::{Debug, Formatter, Result as FmtResult};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures::future::BoxFuture;
use futures::{AsyncReadExt, AsyncWriteExt, FutureExt};
use naru_protocol::Port;
use tokio::sync::{Semaphore, mpsc};
use tokio::time::timeout;
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::TaskTracker;
use yamux::Mode;

use super::session::{Driver, Health, Inputs, buffered};
use super::stream::{MuxStream, SessionHandle};
use super::{ACCEPTED, Connector, MAX_STREAMS, NOBODY_LISTENS, TOO_MANY, preamble};
use crate::{Acceptor, BoxedStream, TransportError};

/// How long a new stream may take to name its port. It comes with the first frame.
const PORT_DEADLINE: Duration = Duration::from_secs(10);

type Accepted = Result<(Port, BoxedStream), TransportError>;

/// Takes the streams of whoever dials on the channel of its [`Connector`].
///
/// A new connection ends the session of the one before, with all its streams.
pub struct MuxAcceptor {
    endpoint: String,
    accepted: mpsc::Receiver<Accepted>,
    _tasks: TaskTracker,
    _stop_on_drop: DropGuard,
}

impl Debug for MuxAcceptor {
    fn fmt(&self, f: &mut Formatter<'_>) -> FmtResult {
        f.debug_struct("MuxAcceptor").field("endpoint", &self.endpoint).finish_non_exhaustive()
    }
}

impl MuxAcceptor {
    /// Begins to listen. A stream to a port that is not in `ports` is refused.
    pub fn new(connector: Box<dyn Connector>, ports: &[Port]) -> Self {
        let endpoint = connector.describe();
        let stop = CancellationToken::new();
        let tasks = TaskTracker::new();
        // One place for every stream there can be, so that none ever waits for it.
        let (sender, accepted) = mpsc::channel(MAX_STREAMS + 1);
        let listener = Listener {
            ports: Arc::new(ports.iter().copied().collect()),
            permits: Arc::new(Semaphore::new(MAX_STREAMS)),
            accepted: sender,
        };
        let cancelled = stop.clone().cancelled_owned();
        let sessions = listener.run(connector, stop.child_token());
        tasks.spawn(async move {
            tokio::select! {
                () = cancelled => {}
                () = sessions => {}
            }
        });
        Self { endpoint, accepted, _tasks: tasks, _stop_on_drop: stop.drop_guard() }
    }
}

#[async_trait]
impl Acceptor for MuxAcceptor {
    async fn accept(&mut self) -> Accepted {
        self.accepted.recv().await.unwrap_or(Err(TransportError::Closed))
    }
}

struct Listener {
    ports: Arc<HashSet<Port>>,
    permits: Arc<Semaphore>,
    accepted: mpsc::Sender<Accepted>,
}

impl Listener {
    async fn run(self, mut connector: Box<dyn Connector>, stop: CancellationToken) {
        let endpoint = connector.describe();
        loop {
            let channel = match connector.connect().await {
                Ok(channel) => channel,
                Err(error) => {
                    // Nobody to tell if the acceptor is gone as well.
                    drop(self.accepted.send(Err(error)).await);
                    return;
                }
            };
            let mut channel = buffered(channel);
            if let Err(error) = preamble::accept(&mut channel).await {
                tracing::debug!(endpoint, %error, "the host left before a session began");
                continue;
            }
            tracing::info!(endpoint, "session with the host began");
            let (linger, lingering) = mpsc::unbounded_channel();
            let health = Arc::<Health>::default();
            let session = SessionHandle { health: Arc::clone(&health), linger };
            // No sender: this side opens no streams.
            let inputs = Inputs { opens: mpsc::channel(1).1, lingering, stop: stop.child_token() };
            let on_inbound = self.on_inbound(session);
            let ended = Driver::new(channel, Mode::Server, health, inputs, on_inbound).run().await;
            match ended {
                Ok(()) => tracing::info!(endpoint, "session with the host ended"),
                Err(error) => tracing::warn!(endpoint, %error, "session with the host was lost"),
            }
        }
    }

    /// Reads a new stream's port, answers, and hands the stream over.
    fn on_inbound(
        &self,
        session: SessionHandle,
    ) -> Box<dyn FnMut(yamux::Stream) -> BoxFuture<'static, ()> + Send> {
        let (ports, permits) = (Arc::clone(&self.ports), Arc::clone(&self.permits));
        let accepted = self.accepted.clone();
        Box::new(move |mut stream| {
            let (ports, permits) = (Arc::clone(&ports), Arc::clone(&permits));
            let (accepted, session) = (accepted.clone(), session.clone());
            let introduction = async move {
                let mut port = [0; 4];
                stream.read_exact(&mut port).await.ok()?;
                let port = Port(u32::from_be_bytes(port));
                let permit = permits.try_acquire_owned().ok();
                let status = match (&permit, ports.contains(&port)) {
                    (_, false) => NOBODY_LISTENS,
                    (None, _) => TOO_MANY,
                    (Some(_), true) => ACCEPTED,
                };
                stream.write_all(&[status]).await.ok()?;
                if status == ACCEPTED {
                    let stream = MuxStream::accepted(stream, permit?, session);
                    accepted.try_send(Ok((port, Box::new(stream)))).ok()?;
                }
                Some(())
            };
            // A stream that is not handed over is dropped, which resets it; what was
            // written before reaches the dialler all the same.
            timeout(PORT_DEADLINE, introduction).map(drop).boxed()
        })
    }
}
