//! The vsock carrier, guest side.

use std::fmt::{Debug, Formatter, Result as FmtResult};
use std::io;
use std::time::Duration;

use async_trait::async_trait;
use futures::future::select_all;
use naru_protocol::Port;
use tokio::time::sleep;
use tokio_vsock::{VMADDR_CID_ANY, VMADDR_CID_HOST, VsockAddr, VsockListener};

use crate::frames::Framed;
use crate::{Acceptor, BoxedStream, Carrier, TransportError};

/// The pause after the kernel had no descriptor or memory left for a connection. It
/// is the passing of other connections that is waited for, which nothing announces.
const EXHAUSTED_PAUSE: Duration = Duration::from_millis(100);

/// How many connections the kernel keeps until they are accepted, `net.core.somaxconn` at most;
/// it refuses those beyond, as if nobody listened. A busy guest can fall further behind than by
/// the library's 128.
const BACKLOG: i32 = 4096;

/// Takes the host's connections to any of its ports.
pub struct VsockAcceptor {
    listeners: Vec<(Port, VsockListener)>,
}

impl Debug for VsockAcceptor {
    fn fmt(&self, f: &mut Formatter<'_>) -> FmtResult {
        f.debug_set().entries(self.listeners.iter().map(|(port, _)| port)).finish()
    }
}

/// Listens on each of the ports, for the host alone.
pub fn listen_vsock(ports: &[Port]) -> Result<VsockAcceptor, TransportError> {
    let bind = |&port: &Port| {
        VsockListener::bind(VsockAddr::new(VMADDR_CID_ANY, port.0))
            .and_then(|listener| {
                // Once more, which changes the number alone.
                rustix::net::listen(&listener, BACKLOG)?;
                Ok((port, listener))
            })
            .map_err(|source| TransportError::Listen { carrier: Carrier::Vsock, source })
    };
    Ok(VsockAcceptor { listeners: ports.iter().map(bind).collect::<Result<_, _>>()? })
}

#[async_trait]
impl Acceptor for VsockAcceptor {
    async fn accept(&mut self) -> Result<(Port, BoxedStream), TransportError> {
        loop {
            let waits = self
                .listeners
                .iter()
                .map(|(port, listener)| Box::pin(async move { (*port, listener.accept().await) }));
            let ((port, accepted), _, _) = select_all(waits).await;
            match accepted {
                // A container in the guest could connect through the loopback address.
                Ok((_, peer)) if peer.cid() != VMADDR_CID_HOST => {
                    tracing::warn!(cid = peer.cid(), "refused a vsock client that is not the host");
                }
                Ok((stream, _)) => return Ok((port, Box::new(Framed::new(stream)))),
                Err(error) if is_passing(&error) => {
                    tracing::warn!(%error, "cannot accept a vsock connection now");
                    sleep(EXHAUSTED_PAUSE).await;
                }
                Err(source) => {
                    return Err(TransportError::Listen { carrier: Carrier::Vsock, source });
                }
            }
        }
    }
}

/// Whether the listener itself is fine.
fn is_passing(error: &io::Error) -> bool {
    use rustix::io::Errno;
    matches!(
        Errno::from_io_error(error),
        Some(Errno::CONNABORTED | Errno::INTR | Errno::MFILE | Errno::NFILE | Errno::NOMEM)
    )
}
