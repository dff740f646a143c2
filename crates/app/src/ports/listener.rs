//! One open port: its socket, and the task that takes what comes.

use std::io;
use std::net::SocketAddr;

use naru_protocol::ports::PortProtocol;
use socket2::{Domain, Protocol, Socket, Type};
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::udp;
use crate::guest::Guest;

/// As many connections may wait to be accepted as Docker's own proxy lets wait.
const BACKLOG: i32 = 1024;

/// A socket that fails so often in a row does not work any more.
const FAILURES: u32 = 5;

/// Opens ports: tunnels go through `guest`, tasks are counted by `tasks` and end with `cancel`.
#[derive(Debug)]
pub(super) struct Opener {
    pub(super) guest: Guest,
    pub(super) tasks: TaskTracker,
    pub(super) cancel: CancellationToken,
}

/// A port of this computer; 0 means any free one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct HostPort {
    pub(super) protocol: PortProtocol,
    pub(super) address: SocketAddr,
}

impl HostPort {
    /// Whether only one of the two can be open.
    pub(super) fn clashes_with(self, other: Self) -> bool {
        let (ip, others) = (self.address.ip(), other.address.ip());
        let same_address = ip == others
            || ip.is_ipv4() == others.is_ipv4() && (ip.is_unspecified() || others.is_unspecified());
        let same_port = self.address.port() == other.address.port();
        self.protocol == other.protocol && same_port && same_address
    }
}

/// One listener; it closes when this is dropped, its connections go on.
#[derive(Debug)]
pub(super) struct OpenPort {
    /// With the port that was chosen, where any was asked for.
    at: HostPort,
    target: watch::Sender<SocketAddr>,
    listening: CancellationToken,
    /// Ends when it is closed, or does not work any more.
    task: JoinHandle<Option<()>>,
}

impl OpenPort {
    pub(super) fn at(&self) -> HostPort {
        self.at
    }

    pub(super) fn number(&self) -> u16 {
        self.at.address.port()
    }

    pub(super) fn target(&self) -> SocketAddr {
        *self.target.borrow()
    }

    /// Connections go to `target` from now on.
    pub(super) fn lead_to(&self, target: SocketAddr) {
        self.target.send_replace(target);
    }

    /// Whether nobody listens any more.
    pub(super) fn is_dead(&self) -> bool {
        self.task.is_finished()
    }

    /// Closes it; another may listen there when this returns.
    pub(super) async fn close(mut self) {
        self.listening.cancel();
        if let Err(error) = (&mut self.task).await {
            tracing::error!(%error, "a published port's task failed");
        }
    }

    /// Ends the task as no listener should.
    #[cfg(test)]
    pub(super) async fn die(&mut self) {
        self.task.abort();
        drop((&mut self.task).await);
    }

    /// Tells one listener from the next.
    #[cfg(test)]
    pub(super) fn task(&self) -> tokio::task::Id {
        self.task.id()
    }
}

impl Drop for OpenPort {
    fn drop(&mut self) {
        self.listening.cancel();
    }
}

impl Opener {
    pub(super) fn open(&self, asked: HostPort, target: SocketAddr) -> io::Result<OpenPort> {
        let until = self.cancel.child_token();
        let listening = until.clone();
        let (target, aim) = watch::channel(target);
        let (guest, tasks) = (self.guest.clone(), self.tasks.clone());
        let socket = bind(asked)?;
        let (address, task) = match asked.protocol {
            PortProtocol::Tcp => {
                socket.listen(BACKLOG)?;
                let listener = TcpListener::from_std(socket.into())?;
                let address = listener.local_addr()?;
                let accepting = accept(listener, aim, guest, tasks, self.cancel.clone());
                let task = async move { until.run_until_cancelled(accepting).await };
                (address, self.tasks.spawn(task))
            }
            PortProtocol::Udp => {
                let socket = UdpSocket::from_std(socket.into())?;
                let address = socket.local_addr()?;
                let forwarding = udp::forward(socket, aim, guest, tasks);
                let task = async move { until.run_until_cancelled(forwarding).await };
                (address, self.tasks.spawn(task))
            }
        };
        let at = HostPort { address: SocketAddr::new(asked.address.ip(), address.port()), ..asked };
        Ok(OpenPort { at, target, listening, task })
    }
}

/// A socket at the address that is asked for. As with Docker `::` is IPv6 alone, so that
/// `0.0.0.0` may stand beside it.
fn bind(asked: HostPort) -> io::Result<Socket> {
    let domain = Domain::for_address(asked.address);
    let socket = match asked.protocol {
        PortProtocol::Tcp => Socket::new(domain, Type::STREAM, Some(Protocol::TCP))?,
        PortProtocol::Udp => Socket::new(domain, Type::DGRAM, Some(Protocol::UDP))?,
    };
    if asked.address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    // On Windows, and for datagrams, this would let two programs have one port.
    #[cfg(not(windows))]
    if asked.protocol == PortProtocol::Tcp {
        socket.set_reuse_address(true)?;
    }
    socket.set_nonblocking(true)?;
    socket.bind(&asked.address.into())?;
    Ok(socket)
}

/// Counts failures of one socket, to tell one that does not work any more from bad times.
#[derive(Debug, Default)]
pub(super) struct Health {
    failures: u32,
}

impl Health {
    pub(super) fn worked(&mut self) {
        self.failures = 0;
    }

    /// Whether it is to be given up. It is not at fault while no socket can be had at all, for
    /// want of descriptors or memory, nor for what became of a peer.
    pub(super) fn is_lost_by(&mut self, error: &io::Error) -> bool {
        use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
        if !matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset) {
            self.failures += 1;
        }
        self.failures >= FAILURES && Socket::new(Domain::IPV4, Type::STREAM, None).is_ok()
    }
}

/// Accepts for as long as it is polled and the listener works; connections outlive it.
async fn accept(
    listener: TcpListener,
    target: watch::Receiver<SocketAddr>,
    guest: Guest,
    tasks: TaskTracker,
    cancel: CancellationToken,
) {
    let mut health = Health::default();
    loop {
        match listener.accept().await {
            Ok((client, _)) => {
                health.worked();
                let target = *target.borrow();
                let (guest, cancel) = (guest.clone(), cancel.clone());
                tasks.spawn(async move {
                    cancel.run_until_cancelled(tunnel(client, target, guest)).await
                });
            }
            Err(error) => {
                tracing::warn!(%error, "connection to a published port not accepted");
                if health.is_lost_by(&error) {
                    return;
                }
                // Out of descriptors, mostly; nobody says when there are more.
                tokio::time::sleep(super::FIRST_PAUSE).await;
            }
        }
    }
}

async fn tunnel(mut client: TcpStream, target: SocketAddr, guest: Guest) {
    // Small writes are the peers' business; the tunnel must not hold them back.
    if let Err(error) = client.set_nodelay(true) {
        tracing::debug!(%error, "no TCP_NODELAY");
    }
    let mut stream = match guest.tunnel(target).await {
        Ok(stream) => stream,
        Err(error) => {
            return tracing::info!(%target, error = %naru_error::chain(&error), "no tunnel");
        }
    };
    if let Err(error) = copy_bidirectional(&mut client, &mut stream).await {
        tracing::debug!(%target, %error, "tunnel ended early");
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use std::net::{Ipv4Addr, Shutdown};

    use super::*;
    use crate::fake_engine::FakeEngine;

    #[tokio::test(start_paused = true)]
    async fn a_listener_that_does_not_work_any_more_is_given_up() {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let socket = bind(HostPort { protocol: PortProtocol::Tcp, address }).unwrap();
        socket.listen(1).unwrap();
        let same = socket.try_clone().unwrap();
        let listener = TcpListener::from_std(socket.into()).unwrap();
        let (_target, aim) = watch::channel(address);
        let (engine, _ports) = FakeEngine::new();
        let accepting =
            accept(listener, aim, engine.guest(), TaskTracker::new(), CancellationToken::new());
        same.shutdown(Shutdown::Both).unwrap();
        accepting.await;
    }

    #[test]
    fn what_became_of_a_peer_is_not_the_sockets_fault() {
        let mut health = Health::default();
        let reset = io::Error::from(io::ErrorKind::ConnectionReset);
        assert!((0..100).all(|_| !health.is_lost_by(&reset)));
    }
}
