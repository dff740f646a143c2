//! The dialling side: one session at a time, made anew when it was lost.

use std::fmt::{Debug, Formatter, Result as FmtResult};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures::future::ready;
use futures::{AsyncReadExt, AsyncWriteExt, FutureExt};
use naru_protocol::Port;
use tokio::io::AsyncWriteExt as TokioWrite;
use tokio::sync::{Mutex, Semaphore, mpsc, oneshot};
use tokio::time::{sleep, timeout};
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::TaskTracker;
use yamux::Mode;

use super::session::{Driver, Health, Inputs, Open, buffered};
use super::stream::{MuxStream, SessionHandle};
use super::{Connector, MAX_STREAMS, SESSION_DEADLINE, preamble};
use crate::{BoxedStream, Carrier, Dialer, TransportError};

/// How long a living session may take to open a stream. It waits only while 256
/// streams are unacknowledged.
const OPEN_DEADLINE: Duration = Duration::from_secs(10);

/// How long a session is left alone before it is tried.
const HEARTBEAT: Duration = Duration::from_secs(15);

/// How long the guest may take to answer a trial. A busy host may starve it for long.
const HEARTBEAT_DEADLINE: Duration = Duration::from_secs(30);

/// Nobody's port: the guest refuses it, which is an answer.
const HEARTBEAT_PORT: Port = Port(0);

/// Requests for streams that wait for the driver's next step.
const OPEN_QUEUE: usize = 64;

/// Opens streams on a byte channel that its [`Connector`] gives.
pub struct MuxDialer {
    endpoint: String,
    /// Held while a session is made, which is a wait: whoever dials meanwhile needs
    /// that very session. Hence the asynchronous lock.
    state: Mutex<State>,
    tasks: TaskTracker,
    stop: CancellationToken,
    _stop_on_drop: DropGuard,
}

struct State {
    connector: Box<dyn Connector>,
    session: Option<Session>,
}

/// The dialler's end of a session.
#[derive(Clone)]
struct Session {
    opens: mpsc::Sender<Open>,
    handle: SessionHandle,
    permits: Arc<Semaphore>,
}

impl Debug for MuxDialer {
    fn fmt(&self, f: &mut Formatter<'_>) -> FmtResult {
        f.debug_struct("MuxDialer").field("endpoint", &self.endpoint).finish_non_exhaustive()
    }
}

impl MuxDialer {
    /// Makes a dialer that connects at its first use.
    pub fn new(connector: Box<dyn Connector>) -> Self {
        let stop = CancellationToken::new();
        Self {
            endpoint: connector.describe(),
            state: Mutex::new(State { connector, session: None }),
            tasks: TaskTracker::new(),
            _stop_on_drop: stop.clone().drop_guard(),
            stop,
        }
    }

    /// Makes sure of a session with the other side, within [`SESSION_DEADLINE`].
    pub async fn connected(&self) -> Result<(), TransportError> {
        self.session().await.map(drop)
    }

    async fn session(&self) -> Result<Session, TransportError> {
        let mut state = self.state.lock().await;
        if let Some(session) = &state.session
            && !session.opens.is_closed()
        {
            return Ok(session.clone());
        }
        state.session = None;
        let session = match timeout(SESSION_DEADLINE, self.begin(&mut *state.connector)).await {
            Ok(session) => session?,
            Err(_) => {
                return Err(TransportError::NoAnswer {
                    endpoint: self.endpoint.clone(),
                    waited: SESSION_DEADLINE,
                });
            }
        };
        state.session = Some(session.clone());
        Ok(session)
    }

    async fn begin(&self, connector: &mut dyn Connector) -> Result<Session, TransportError> {
        let mut channel = buffered(connector.connect().await?);
        preamble::dial(&mut channel).await.map_err(|source| TransportError::Connect {
            endpoint: self.endpoint.clone(),
            source,
        })?;
        let (opens, requests) = mpsc::channel(OPEN_QUEUE);
        let (linger, lingering) = mpsc::unbounded_channel();
        let health = Arc::<Health>::default();
        let stop = self.stop.child_token();
        let driver = Driver::new(
            channel,
            Mode::Client,
            Arc::clone(&health),
            Inputs { opens: requests, lingering, stop: stop.clone() },
            // The guest opens no streams: dropping one resets it.
            Box::new(|_| ready(()).boxed()),
        );
        let endpoint = self.endpoint.clone();
        self.tasks.spawn(async move {
            match driver.run().await {
                Ok(()) => tracing::debug!(endpoint, "session with the guest ended"),
                Err(error) => tracing::warn!(endpoint, %error, "session with the guest was lost"),
            }
        });
        self.tasks.spawn(beat(opens.clone(), stop));
        tracing::debug!(endpoint = self.endpoint, "session with the guest began");
        let permits = Arc::new(Semaphore::new(MAX_STREAMS));
        Ok(Session { opens, handle: SessionHandle { health, linger }, permits })
    }
}

/// Tries the session now and then, and ends it when the guest does not answer: the
/// channel stays open when the guest hangs, and nothing else would notice.
async fn beat(opens: mpsc::Sender<Open>, stop: CancellationToken) {
    loop {
        tokio::select! {
            () = sleep(HEARTBEAT) => {}
            () = opens.closed() => return,
        }
        let trial = async {
            let (reply, opened) = oneshot::channel();
            opens.send(reply).await.ok()?;
            let mut stream = opened.await.ok()?;
            stream.write_all(&HEARTBEAT_PORT.0.to_be_bytes()).await.ok()?;
            stream.read_exact(&mut [0; 1]).await.ok()
        };
        if timeout(HEARTBEAT_DEADLINE, trial).await.is_err() {
            tracing::warn!("the guest does not answer any more; ending the session");
            stop.cancel();
            return;
        }
    }
}

#[async_trait]
impl Dialer for MuxDialer {
    async fn dial(&self, port: Port) -> Result<BoxedStream, TransportError> {
        let session = self.session().await?;
        let Ok(permit) = Arc::clone(&session.permits).try_acquire_owned() else {
            return Err(TransportError::TooManyStreams { limit: MAX_STREAMS });
        };
        let opening = async {
            let (reply, opened) = oneshot::channel();
            session.opens.send(reply).await.ok()?;
            let stream = opened.await.ok()?;
            let mut stream = MuxStream::dialled(stream, permit, session.handle);
            TokioWrite::write_all(&mut stream, &port.0.to_be_bytes()).await.ok()?;
            Some(stream)
        };
        match timeout(OPEN_DEADLINE, opening).await {
            Ok(Some(stream)) => Ok(Box::new(stream)),
            Ok(None) => Err(TransportError::Lost { port }),
            Err(_) => Err(TransportError::NoAnswer {
                endpoint: self.endpoint.clone(),
                waited: OPEN_DEADLINE,
            }),
        }
    }

    fn carrier(&self) -> Carrier {
        Carrier::VirtioSerial
    }
}
