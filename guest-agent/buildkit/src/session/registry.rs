//! The sessions that are there, by id.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use hyper::client::conn::http2;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::watch;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::{Offer, Session};
use crate::error::SessionError;
use crate::executor::Executor;

/// How long a build waits for its session: a client starts both at the same time.
const ARRIVAL: Duration = Duration::from_secs(5);
/// How often a silent client is pinged, and how long it may take to answer.
const PING_EVERY: Duration = Duration::from_secs(10);
const PING_ANSWER: Duration = Duration::from_secs(20);

/// All sessions of an engine. Clones are the same.
#[derive(Clone, Debug)]
pub struct Sessions {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    sessions: Mutex<HashMap<String, Arc<Session>>>,
    /// Told whenever a session comes.
    arrivals: watch::Sender<()>,
    tasks: TaskTracker,
    stop: CancellationToken,
}

impl Sessions {
    /// No sessions yet. Their connections end when `stop` is cancelled, and are among `tasks`.
    pub(crate) fn new(tasks: TaskTracker, stop: CancellationToken) -> Self {
        let sessions = Mutex::default();
        let arrivals = watch::Sender::default();
        Self { shared: Arc::new(Shared { sessions, arrivals, tasks, stop }) }
    }

    /// Keeps a session for as long as its connection lasts.
    ///
    /// Giving this up ends the session; nothing is left of it.
    pub async fn serve<C>(&self, offer: Offer, connection: C) -> Result<(), SessionError>
    where
        C: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        let id = offer.id().to_owned();
        if self.find(&id).is_some() {
            return Err(SessionError::Exists { id });
        }
        let handshake = http2::Builder::new(Executor(self.shared.tasks.clone()))
            .timer(TokioTimer::new())
            .keep_alive_interval(PING_EVERY)
            .keep_alive_timeout(PING_ANSWER)
            .keep_alive_while_idle(true)
            .handshake(TokioIo::new(connection));
        let (requests, connection) =
            handshake.await.map_err(|source| SessionError::Handshake { id: id.clone(), source })?;
        let ended = CancellationToken::new();
        let session = Arc::new(Session::new(offer, requests, ended.clone()));
        let _present = self.enter(session, ended)?;
        tracing::debug!(session = id, "a session began");
        tokio::select! {
            result = connection => if let Err(error) = result {
                // Clients that go away are nothing unusual.
                tracing::debug!(session = id, %error, "a session's connection broke");
            },
            () = self.shared.stop.cancelled() => {}
        }
        Ok(())
    }

    /// Whether there is a session of this id.
    pub fn contains(&self, id: &str) -> bool {
        self.find(id).is_some()
    }

    /// The session of this id, which may still be on its way.
    pub async fn get(&self, id: &str) -> Result<Arc<Session>, SessionError> {
        // Some clients put a prefix before it that tells contexts apart.
        let id = id.split_once(':').map_or(id, |(_, rest)| if rest.is_empty() { id } else { rest });
        let mut arrivals = self.shared.arrivals.subscribe();
        let arrival = async {
            loop {
                if let Some(session) = self.find(id) {
                    return Some(session);
                }
                arrivals.changed().await.ok()?;
            }
        };
        let unknown = || SessionError::Unknown { id: id.to_owned() };
        timeout(ARRIVAL, arrival).await.ok().flatten().ok_or_else(unknown)
    }

    fn find(&self, id: &str) -> Option<Arc<Session>> {
        self.locked().get(id).map(Arc::clone)
    }

    fn enter(
        &self,
        session: Arc<Session>,
        ended: CancellationToken,
    ) -> Result<Present, SessionError> {
        let id = session.id().to_owned();
        let mut sessions = self.locked();
        if sessions.contains_key(&id) {
            return Err(SessionError::Exists { id });
        }
        sessions.insert(id.clone(), session);
        drop(sessions);
        self.shared.arrivals.send_replace(());
        Ok(Present { sessions: self.clone(), id, ended })
    }

    /// The map is whole at every moment, whoever panicked while holding it.
    fn locked(&self) -> std::sync::MutexGuard<'_, HashMap<String, Arc<Session>>> {
        self.shared.sessions.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A session's place among the others, for as long as it is there.
#[derive(Debug)]
struct Present {
    sessions: Sessions,
    id: String,
    ended: CancellationToken,
}

impl Drop for Present {
    fn drop(&mut self) {
        self.sessions.locked().remove(&self.id);
        self.ended.cancel();
    }
}
