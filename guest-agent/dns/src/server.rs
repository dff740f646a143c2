//! One container's server.

use std::fmt;
use std::io;
use std::net;
use std::os::fd::OwnedFd;
use std::sync::Arc;

use tokio::net::{TcpListener, UdpSocket};
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::TaskTracker;

use crate::dial::Dialer;
use crate::error::DnsError;
use crate::forward::Forwarder;
use crate::names::Names;
use crate::{tcp, udp};

/// What a server works with.
#[derive(Debug)]
pub struct Sockets {
    /// Bound to the address that clients ask.
    pub udp: net::UdpSocket,
    /// Listening on the same address.
    pub tcp: net::TcpListener,
    /// The container's network namespace. It lives at least as long as the server.
    pub namespace: OwnedFd,
}

/// A server at work. It ends, with all that it has on its way, when this is dropped.
#[derive(Debug)]
pub struct Server {
    _stop: DropGuard,
}

/// What the tasks of one server share.
pub(crate) struct Shared {
    pub(crate) udp: UdpSocket,
    pub(crate) names: Arc<dyn Names>,
    pub(crate) forwarder: Forwarder,
    stop: CancellationToken,
    tasks: TaskTracker,
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared").field("udp", &self.udp).finish_non_exhaustive()
    }
}

/// Starts a server in the runtime of the caller.
pub fn serve(sockets: Sockets, names: Arc<dyn Names>, dialer: &Dialer) -> Result<Server, DnsError> {
    let failed = |protocol| move |source| DnsError::Socket { protocol, source };
    let Sockets { udp, tcp, namespace } = sockets;
    let udp = async_udp(udp).map_err(failed("UDP"))?;
    let tcp = async_tcp(tcp).map_err(failed("TCP"))?;
    let own = udp.local_addr().map_err(failed("UDP"))?.ip();
    let forwarder = Forwarder::new(Arc::clone(&names), dialer.clone(), namespace, own);
    let stop = CancellationToken::new();
    let shared =
        Arc::new(Shared { udp, names, forwarder, stop: stop.clone(), tasks: TaskTracker::new() });
    shared.spawn(udp::serve(Arc::clone(&shared)));
    shared.spawn(tcp::serve(Arc::clone(&shared), tcp));
    Ok(Server { _stop: stop.drop_guard() })
}

impl Shared {
    /// Runs a task of the server's, for as long as there is the server.
    pub(crate) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        let stop = self.stop.clone();
        self.tasks.spawn(async move {
            // Stopping is no failure.
            let _stopped = stop.run_until_cancelled_owned(task).await.is_none();
        });
    }
}

fn async_udp(socket: net::UdpSocket) -> io::Result<UdpSocket> {
    socket.set_nonblocking(true)?;
    UdpSocket::from_std(socket)
}

fn async_tcp(listener: net::TcpListener) -> io::Result<TcpListener> {
    listener.set_nonblocking(true)?;
    TcpListener::from_std(listener)
}
