//! Unix sockets.

use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use tokio::net::UnixListener;
pub(crate) use tokio::net::UnixStream as Stream;

use super::Address;
use crate::AppError;

/// A listening socket; its file goes when it is dropped.
#[derive(Debug)]
pub(crate) struct Listener {
    socket: UnixListener,
    path: PathBuf,
}

impl Listener {
    /// Listens at `address` in the place of whatever socket was there before.
    ///
    /// Only the holder of the lock that goes with the address may do so. The directory is private, so
    /// nobody can connect before the socket's own mode is set.
    pub(crate) fn bind(address: &Address) -> Result<Self, AppError> {
        let path = address.path().to_owned();
        let failed = |source| AppError::File { action: "listen at", path: path.clone(), source };
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(failed(error)),
            _ => {}
        }
        let socket = UnixListener::bind(&path).map_err(failed)?;
        fs::set_permissions(&path, Permissions::from_mode(0o600)).map_err(failed)?;
        Ok(Self { socket, path })
    }

    /// The next connection. Cancel safe.
    pub(crate) async fn accept(&mut self) -> io::Result<Stream> {
        self.socket.accept().await.map(|(stream, _)| stream)
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_file(&self.path) {
            tracing::debug!(path = %self.path.display(), %error, "socket file not removed");
        }
    }
}

/// Connects to the socket at `address`.
pub(crate) async fn connect(address: &Address) -> io::Result<Stream> {
    Stream::connect(address.path()).await
}
