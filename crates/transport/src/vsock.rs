//! The vsock carrier, host side: the kernel's own, and a user-space device's socket.

#[cfg(unix)]
pub(crate) use hybrid::HybridDialer;
#[cfg(target_os = "linux")]
pub(crate) use kernel::KernelDialer;

#[cfg(target_os = "linux")]
mod kernel {
    use std::io;
    use std::time::Duration;

    use async_trait::async_trait;
    use naru_protocol::Port;
    use tokio::time::timeout;
    use tokio_vsock::{VsockAddr, VsockStream};

    use crate::frames::Framed;
    use crate::{BoxedStream, Carrier, Dialer, GuestCid, TransportError};

    /// How long the guest's kernel may take to accept.
    const DIAL_DEADLINE: Duration = Duration::from_secs(10);

    /// Opens `AF_VSOCK` sockets.
    #[derive(Debug)]
    pub(crate) struct KernelDialer {
        cid: GuestCid,
    }

    impl KernelDialer {
        pub(crate) fn new(cid: GuestCid) -> Self {
            Self { cid }
        }
    }

    #[async_trait]
    impl Dialer for KernelDialer {
        async fn dial(&self, port: Port) -> Result<BoxedStream, TransportError> {
            let endpoint = || format!("vsock:{}", self.cid.get());
            let connecting = VsockStream::connect(VsockAddr::new(self.cid.get(), port.0));
            match timeout(DIAL_DEADLINE, connecting).await {
                Ok(Ok(stream)) => Ok(Box::new(Framed::new(stream))),
                // The kernel answers a reset both to a closed port and from a guest
                // that is going away; the former is what a caller can act on.
                Ok(Err(source)) if source.kind() == io::ErrorKind::ConnectionReset => {
                    Err(TransportError::Refused { port, source })
                }
                Ok(Err(source)) => Err(TransportError::Connect { endpoint: endpoint(), source }),
                Err(_) => {
                    Err(TransportError::NoAnswer { endpoint: endpoint(), waited: DIAL_DEADLINE })
                }
            }
        }

        fn carrier(&self) -> Carrier {
            Carrier::Vsock
        }
    }
}

#[cfg(unix)]
mod hybrid {
    use std::io;
    use std::path::PathBuf;
    use std::time::Duration;

    use async_trait::async_trait;
    use naru_protocol::Port;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::UnixStream;
    use tokio::time::timeout;

    use crate::frames::Framed;
    use crate::{BoxedStream, Carrier, Dialer, TransportError};

    /// How long the device and the guest's kernel may take to accept.
    const DIAL_DEADLINE: Duration = Duration::from_secs(10);

    /// The longest answer there is: `OK 4294967295\n`.
    const LONGEST_ANSWER: usize = 14;

    /// Dials through the socket of a user-space vsock device: the client writes
    /// `CONNECT port` and a line feed, the device answers `OK` and its own port.
    #[derive(Debug)]
    pub(crate) struct HybridDialer {
        path: PathBuf,
    }

    impl HybridDialer {
        pub(crate) fn new(path: PathBuf) -> Self {
            Self { path }
        }

        async fn open(&self, port: Port) -> Result<UnixStream, TransportError> {
            let failed = |source| TransportError::Connect {
                endpoint: self.path.display().to_string(),
                source,
            };
            let mut stream = UnixStream::connect(&self.path).await.map_err(failed)?;
            // The device reads the request once, so it has to arrive in one piece.
            let request = format!("CONNECT {}\n", port.0);
            stream.write_all(request.as_bytes()).await.map_err(failed)?;
            let answer = read_line(&mut stream).await;
            match answer {
                Ok(line) if line.starts_with(b"OK ") => Ok(stream),
                Ok(_) => Err(TransportError::Refused {
                    port,
                    source: io::Error::from(io::ErrorKind::InvalidData),
                }),
                Err(source) => Err(TransportError::Refused { port, source }),
            }
        }
    }

    /// Reads up to the line feed and not a byte further: what follows is the stream's.
    async fn read_line(stream: &mut UnixStream) -> io::Result<Vec<u8>> {
        let mut line = Vec::with_capacity(LONGEST_ANSWER);
        while line.len() < LONGEST_ANSWER {
            match stream.read_u8().await? {
                b'\n' => return Ok(line),
                byte => line.push(byte),
            }
        }
        Err(io::Error::from(io::ErrorKind::InvalidData))
    }

    #[async_trait]
    impl Dialer for HybridDialer {
        async fn dial(&self, port: Port) -> Result<BoxedStream, TransportError> {
            match timeout(DIAL_DEADLINE, self.open(port)).await {
                Ok(Ok(stream)) => Ok(Box::new(Framed::new(stream))),
                Ok(Err(error)) => Err(error),
                Err(_) => Err(TransportError::NoAnswer {
                    endpoint: self.path.display().to_string(),
                    waited: DIAL_DEADLINE,
                }),
            }
        }

        fn carrier(&self) -> Carrier {
            Carrier::Vsock
        }
    }
}
