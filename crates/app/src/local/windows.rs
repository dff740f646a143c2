//! Named pipes.
//!
//! A pipe in byte mode cannot be half-closed: a client that has sent its last byte
//! and waits for answers keeps its end open, and the proxy hears of the end only
//! when the client is gone.

use std::fmt::Debug;
use std::io;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::windows::named_pipe::{ClientOptions, NamedPipeServer, ServerOptions};
use tokio::time::sleep;

use super::Address;
use crate::AppError;

/// `ERROR_PIPE_BUSY`: all instances of the pipe have their client.
const ERROR_PIPE_BUSY: i32 = 231;
/// The pause before a busy pipe is tried again.
const BUSY_PAUSE: Duration = Duration::from_millis(10);

/// One end of a connected pipe.
pub(crate) type Stream = Box<dyn PipeEnd>;

/// What both ends of a pipe can do.
pub(crate) trait PipeEnd: AsyncRead + AsyncWrite + Debug + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Debug + Send + Unpin> PipeEnd for T {}

/// A named pipe that waits for clients.
#[derive(Debug)]
pub(crate) struct Listener {
    address: Address,
    /// The instance that the next client gets; there is always one, so that no client
    /// finds the name gone.
    next: NamedPipeServer,
}

impl Listener {
    /// Creates the pipe; fails when another process has it.
    pub(crate) fn bind(address: &Address) -> Result<Self, AppError> {
        let next = ServerOptions::new()
            .first_pipe_instance(true)
            .reject_remote_clients(true)
            .create(address.path())
            .map_err(|source| AppError::File {
                action: "listen at",
                path: address.path().to_owned(),
                source,
            })?;
        Ok(Self { address: address.clone(), next })
    }

    /// The next connection. Cancel safe.
    pub(crate) async fn accept(&mut self) -> io::Result<Stream> {
        self.next.connect().await?;
        let next = ServerOptions::new().reject_remote_clients(true).create(self.address.path())?;
        Ok(Box::new(std::mem::replace(&mut self.next, next)))
    }
}

/// Connects to the pipe at `address`. Cancel safe.
pub(crate) async fn connect(address: &Address) -> io::Result<Stream> {
    loop {
        match ClientOptions::new().open(address.path()) {
            Ok(pipe) => return Ok(Box::new(pipe)),
            // The listener makes the next instance as soon as it has taken the last client.
            Err(error) if error.raw_os_error() == Some(ERROR_PIPE_BUSY) => {
                sleep(BUSY_PAUSE).await;
            }
            Err(error) => return Err(error),
        }
    }
}
