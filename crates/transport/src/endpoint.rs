//! Where a machine's channel is, and how the host connects to it.

use std::fmt::{Display, Formatter, Result as FmtResult};
use std::path::PathBuf;
use std::sync::Arc;

use crate::mux::{Connector, MuxDialer};
use crate::vsock;
use crate::{Dialer, TransportError};

/// A guest's vsock context id: 0 to 2 belong to hypervisor, loopback and host,
/// the highest number means any.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct GuestCid(u32);

impl GuestCid {
    const LOWEST: u32 = 3;

    /// Takes a number that a guest can have.
    pub fn new(cid: u32) -> Result<Self, TransportError> {
        if (Self::LOWEST..u32::MAX).contains(&cid) {
            Ok(Self(cid))
        } else {
            Err(TransportError::InvalidCid { cid })
        }
    }

    /// The number.
    pub fn get(self) -> u32 {
        self.0
    }
}

/// Where the guest can be reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Endpoint {
    /// The kernel's vhost-vsock (Linux).
    Vsock {
        /// The guest's address.
        cid: GuestCid,
    },
    /// The socket of a user-space vsock device in its hybrid form, as
    /// `vhost-device-vsock`, Firecracker and Cloud Hypervisor have it.
    VsockUnix {
        /// The socket.
        path: PathBuf,
    },
    /// The unix socket of QEMU's character device behind the virtio-serial port.
    MuxUnix {
        /// The socket.
        path: PathBuf,
    },
    /// The named pipe of the same on Windows.
    MuxPipe {
        /// The full name, `\\.\pipe\…`.
        name: String,
    },
}

impl Display for Endpoint {
    fn fmt(&self, f: &mut Formatter<'_>) -> FmtResult {
        match self {
            Self::Vsock { cid } => write!(f, "vsock:{}", cid.get()),
            Self::VsockUnix { path } => write!(f, "vsock-unix:{}", path.display()),
            Self::MuxUnix { path } => write!(f, "unix:{}", path.display()),
            Self::MuxPipe { name } => write!(f, "pipe:{name}"),
        }
    }
}

/// Connects to the guest and gives what opens streams to it.
///
/// On the multiplexed carrier this ends when the guest has answered, or with
/// [`TransportError::NoAnswer`] after [`crate::mux::SESSION_DEADLINE`]; a caller that
/// waits for a machine to boot calls it again. On vsock there is nothing to connect
/// before the first `dial`, so it returns at once. Dropping the dialer ends its
/// streams. Cancel safe.
pub async fn connect(endpoint: &Endpoint) -> Result<Arc<dyn Dialer>, TransportError> {
    match endpoint {
        #[cfg(target_os = "linux")]
        Endpoint::Vsock { cid } => Ok(Arc::new(vsock::KernelDialer::new(*cid))),
        #[cfg(unix)]
        Endpoint::VsockUnix { path } => Ok(Arc::new(vsock::HybridDialer::new(path.clone()))),
        #[cfg(unix)]
        Endpoint::MuxUnix { path } => connect_mux(Box::new(host::Unix::new(path.clone()))).await,
        #[cfg(windows)]
        Endpoint::MuxPipe { name } => connect_mux(Box::new(host::Pipe::new(name.clone()))).await,
        other => Err(TransportError::Unsupported { endpoint: other.to_string() }),
    }
}

async fn connect_mux(connector: Box<dyn Connector>) -> Result<Arc<dyn Dialer>, TransportError> {
    let dialer = MuxDialer::new(connector);
    dialer.connected().await?;
    Ok(Arc::new(dialer))
}

#[cfg(unix)]
mod host {
    //! The unix socket of QEMU's character device.

    use std::fs::{File, TryLockError};
    use std::io;
    use std::path::PathBuf;
    use std::pin::Pin;
    use std::task::{Context, Poll};
    use std::time::Duration;

    use async_trait::async_trait;
    use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
    use tokio::net::UnixStream;
    use tokio::time::{Instant, sleep};

    use crate::mux::Connector;
    use crate::{BoxedStream, TransportError};

    /// How long a client that is just leaving may take.
    const HELD_PATIENCE: Duration = Duration::from_secs(1);

    /// The pause before the lock is tried again. Nothing announces its release.
    const LOCK_RETRY: Duration = Duration::from_millis(10);

    /// Connects to a unix socket whose server takes one client at a time.
    ///
    /// QEMU lets a second client wait in the listen queue without a word, so the
    /// clients keep each other out by a lock on a file beside the socket.
    #[derive(Debug)]
    pub(super) struct Unix {
        path: PathBuf,
    }

    impl Unix {
        pub(super) fn new(path: PathBuf) -> Self {
            Self { path }
        }

        async fn lock(&self) -> Result<File, TransportError> {
            let mut name = self.path.clone().into_os_string();
            name.push(".lock");
            let failed = |source| TransportError::Connect { endpoint: self.describe(), source };
            let file = File::create(PathBuf::from(name)).map_err(failed)?;
            let deadline = Instant::now() + HELD_PATIENCE;
            loop {
                match file.try_lock() {
                    Ok(()) => return Ok(file),
                    Err(TryLockError::WouldBlock) if Instant::now() < deadline => {
                        sleep(LOCK_RETRY).await;
                    }
                    Err(TryLockError::WouldBlock) => {
                        return Err(TransportError::Busy { endpoint: self.describe() });
                    }
                    Err(TryLockError::Error(source)) => return Err(failed(source)),
                }
            }
        }
    }

    #[async_trait]
    impl Connector for Unix {
        async fn connect(&mut self) -> Result<BoxedStream, TransportError> {
            let failed = |source| TransportError::Connect {
                endpoint: self.path.display().to_string(),
                source,
            };
            let lock = self.lock().await?;
            let stream = UnixStream::connect(&self.path).await.map_err(failed)?;
            Ok(Box::new(Locked { stream, _lock: lock }))
        }

        fn describe(&self) -> String {
            self.path.display().to_string()
        }
    }

    /// A connection, and the lock for as long as it lives. Declared in this order so
    /// that the connection is closed before the next client may come.
    struct Locked {
        stream: UnixStream,
        _lock: File,
    }

    impl AsyncRead for Locked {
        fn poll_read(
            mut self: Pin<&mut Self>,
            cx: &mut Context<'_>,
            buf: &mut ReadBuf<'_>,
        ) -> Poll<io::Result<()>> {
            Pin::new(&mut self.stream).poll_read(cx, buf)
        }
    }

    impl AsyncWrite for Locked {
        fn poll_write(
            mut self: Pin<&mut Self>,
            cx: &mut Context<'_>,
            buf: &[u8],
        ) -> Poll<io::Result<usize>> {
            Pin::new(&mut self.stream).poll_write(cx, buf)
        }

        fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
            Pin::new(&mut self.stream).poll_flush(cx)
        }

        fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
            Pin::new(&mut self.stream).poll_shutdown(cx)
        }
    }
}

#[cfg(windows)]
mod host {
    //! The named pipe of QEMU's character device.

    use async_trait::async_trait;
    use tokio::net::windows::named_pipe::ClientOptions;

    use crate::mux::Connector;
    use crate::{BoxedStream, TransportError};

    /// `ERROR_PIPE_BUSY`: all instances of the pipe have their client.
    const ERROR_PIPE_BUSY: i32 = 231;

    #[derive(Debug)]
    pub(super) struct Pipe {
        name: String,
    }

    impl Pipe {
        pub(super) fn new(name: String) -> Self {
            Self { name }
        }
    }

    #[async_trait]
    impl Connector for Pipe {
        async fn connect(&mut self) -> Result<BoxedStream, TransportError> {
            match ClientOptions::new().open(&self.name) {
                Ok(pipe) => Ok(Box::new(pipe)),
                Err(error) if error.raw_os_error() == Some(ERROR_PIPE_BUSY) => {
                    Err(TransportError::Busy { endpoint: self.name.clone() })
                }
                Err(source) => Err(TransportError::Connect { endpoint: self.name.clone(), source }),
            }
        }

        fn describe(&self) -> String {
            self.name.clone()
        }
    }
}
