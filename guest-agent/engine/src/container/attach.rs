//! Joining a container's streams, before or behind its start, and behind its log.

use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use naru_shim::wire::LogPosition;
use tokio::net::UnixStream;
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

use super::start::lock;
use super::{AttachStreams, Container, Waiting};
use crate::engine::Engine;
use crate::error::{EngineError, Result};

/// An attach's stream.
#[derive(Debug)]
pub(crate) enum Attached {
    Now(UnixStream),
    /// The container has not started; it may be removed before.
    Later(oneshot::Receiver<UnixStream>, CancellationToken),
    /// It has just ended.
    Ended,
}

impl Attached {
    /// The stream once there is one; none when there will be none, of which the client is
    /// told by the answer to its start. Cancel safe.
    pub(crate) async fn joined(self) -> Option<UnixStream> {
        match self {
            Self::Now(stream) => Some(stream),
            Self::Later(stream, removed) => removed.run_until_cancelled(stream).await?.ok(),
            Self::Ended => None,
        }
    }
}

impl Engine {
    /// The stream of a container's process: at once when it runs, else as soon as it does.
    pub(crate) async fn attach_container(
        &self,
        container: &Container,
        streams: AttachStreams,
    ) -> Result<Attached> {
        // A start that is under way is waited for: it has answered who waits already.
        let _one_at_a_time = container.lifecycle.lock().await;
        if container.record.borrow().running() {
            return Ok(Attached::Now(container.shim.attach(streams).await?));
        }
        Ok(container.attach_later(streams))
    }

    /// The same, and where in the log the stream continues.
    pub(crate) async fn attach_after_log(
        &self,
        container: &Container,
        streams: AttachStreams,
    ) -> Result<(LogPosition, Attached)> {
        let _one_at_a_time = container.lifecycle.lock().await;
        let mut stream = None;
        if container.record.borrow().running() {
            match container.shim.attach_after_log(streams).await {
                Ok((position, stream)) => return Ok((position, Attached::Now(stream))),
                // Its process is gone by now, and all that it wrote is in the log.
                Err(error) => {
                    tracing::debug!(container_id = container.id, %error, "attach came too late");
                    stream = Some(Attached::Ended);
                }
            }
        }
        let path = self.paths().log(&container.id);
        let position = end_of(&path).map_err(EngineError::io("reading", path))?;
        Ok((position, stream.unwrap_or_else(|| container.attach_later(streams))))
    }
}

impl Container {
    fn attach_later(&self, streams: AttachStreams) -> Attached {
        let (answer, later) = oneshot::channel();
        lock(&self.waiting).push(Waiting { streams, answer });
        Attached::Later(later, self.removed.clone())
    }
}

/// The end of a log that nobody writes to; that of one that is not there has no file.
fn end_of(path: &Path) -> io::Result<LogPosition> {
    match std::fs::metadata(path) {
        Ok(metadata) => Ok(LogPosition { inode: metadata.ino(), length: metadata.len() }),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            Ok(LogPosition { inode: 0, length: 0 })
        }
        Err(error) => Err(error),
    }
}
