//! The open ports.

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, SocketAddr};

use naru_protocol::ports::{PortProtocol, PortReply, PortRequest};
use socket2::{Domain, Protocol, Socket, Type};
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::sync::watch;
use tokio::task::{JoinHandle, spawn_blocking};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::{holder, udp};
use crate::guest::Guest;

/// As many connections may wait to be accepted as Docker's own proxy lets wait.
const BACKLOG: i32 = 1024;

/// Every listener, by the engine's name for it.
#[derive(Debug)]
pub(super) struct PortTable {
    open: HashMap<u64, OpenPort>,
    /// Listeners from before the channel broke, not asked for again so far.
    stale: Vec<OpenPort>,
    guest: Guest,
    tasks: TaskTracker,
    cancel: CancellationToken,
}

/// One listener; it closes when this is dropped, its connections go on.
#[derive(Debug)]
struct OpenPort {
    /// As it was asked for, port 0 included.
    asked: Asked,
    /// The port it got.
    port: u16,
    target: watch::Sender<SocketAddr>,
    listening: CancellationToken,
    /// Ends when it is closed.
    task: JoinHandle<Option<()>>,
}

/// What a port is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Asked {
    protocol: PortProtocol,
    address: SocketAddr,
}

impl OpenPort {
    /// Closes it; another may listen there when this returns.
    async fn close(mut self) {
        self.listening.cancel();
        if let Err(error) = (&mut self.task).await {
            tracing::error!(%error, "a published port's task failed");
        }
    }
}

impl Drop for OpenPort {
    fn drop(&mut self) {
        self.listening.cancel();
    }
}

impl PortTable {
    /// No ports; tunnels go through `guest`, tasks are counted by `tasks` and end with `cancel`.
    pub(super) fn new(guest: Guest, tasks: TaskTracker, cancel: CancellationToken) -> Self {
        Self { open: HashMap::new(), stale: Vec::new(), guest, tasks, cancel }
    }

    /// A new engine is about to ask for its ports.
    pub(super) fn begin_resync(&mut self) {
        self.stale.extend(self.open.drain().map(|(_, port)| port));
    }

    /// The engine has asked for all ports that it knows of: the others are closed.
    pub(super) fn end_resync(&mut self) {
        self.stale.clear();
    }

    /// Does what is asked; a `bind` gets a reply.
    pub(super) async fn answer(&mut self, request: PortRequest) -> Option<PortReply> {
        match request {
            PortRequest::Bind { id, protocol, host_ip, host_port, target } => {
                let asked = Asked { protocol, address: SocketAddr::new(host_ip, host_port) };
                let bound = self.bind(id, asked, target).await;
                Some(match bound {
                    Ok(host_port) => PortReply::Bound { id, host_port },
                    Err(message) => {
                        tracing::info!(?asked, message, "port refused");
                        PortReply::Refused { id, message }
                    }
                })
            }
            PortRequest::Release { id } => {
                if let Some(port) = self.open.remove(&id) {
                    port.close().await;
                }
                None
            }
        }
    }

    async fn bind(&mut self, id: u64, asked: Asked, target: SocketAddr) -> Result<u16, String> {
        if let Some(index) = self.stale.iter().position(|port| port.asked == asked) {
            let port = self.stale.swap_remove(index);
            port.target.send_replace(target);
            let number = port.port;
            self.open.insert(id, port);
            return Ok(number);
        }
        // A bind of an id that is open moves it.
        if let Some(port) = self.open.remove(&id) {
            port.close().await;
        }
        let opened = self.open_port(asked, target);
        let port = match opened {
            Ok(port) => port,
            Err(error) => return Err(explain(asked, error).await),
        };
        let number = port.port;
        self.open.insert(id, port);
        tracing::info!(?asked, port = number, "port open");
        Ok(number)
    }

    fn open_port(&self, asked: Asked, target: SocketAddr) -> io::Result<OpenPort> {
        let until = self.cancel.child_token();
        let listening = until.clone();
        let (target, aim) = watch::channel(target);
        let (guest, tasks) = (self.guest.clone(), self.tasks.clone());
        let socket = bind(asked)?;
        let (port, task) = match asked.protocol {
            PortProtocol::Tcp => {
                socket.listen(BACKLOG)?;
                let listener = TcpListener::from_std(socket.into())?;
                let port = listener.local_addr()?.port();
                let accepting = accept(listener, aim, guest, tasks, self.cancel.clone());
                let task = async move { until.run_until_cancelled(accepting).await };
                (port, self.tasks.spawn(task))
            }
            PortProtocol::Udp => {
                let socket = UdpSocket::from_std(socket.into())?;
                let port = socket.local_addr()?.port();
                let forwarding = udp::forward(socket, aim, guest, tasks);
                let task = async move { until.run_until_cancelled(forwarding).await };
                (port, self.tasks.spawn(task))
            }
        };
        Ok(OpenPort { asked, port, target, listening, task })
    }
}

/// A socket at the address that is asked for. As with Docker `::` is IPv6 alone, so that
/// `0.0.0.0` may stand beside it.
fn bind(asked: Asked) -> io::Result<Socket> {
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

/// Why a port cannot be opened, for a person.
async fn explain(asked: Asked, error: io::Error) -> String {
    let Asked { protocol, address } = asked;
    let port = address.port();
    match error.kind() {
        io::ErrorKind::AddrInUse => {
            let found = spawn_blocking(move || holder::of_port(protocol, port)).await;
            match found.ok().flatten() {
                Some(holder) => format!("port {port} is already in use by {holder}"),
                None => format!("port {port} is already in use"),
            }
        }
        io::ErrorKind::PermissionDenied => {
            format!("port {port} may only be opened with more rights than this user has")
        }
        io::ErrorKind::AddrNotAvailable => {
            format!("{} is not an address of this computer", host(address.ip()))
        }
        _ => format!("port {port} cannot be opened: {error}"),
    }
}

fn host(address: IpAddr) -> String {
    address.to_string()
}

/// Accepts for as long as it is polled; connections outlive it.
async fn accept(
    listener: TcpListener,
    target: watch::Receiver<SocketAddr>,
    guest: Guest,
    tasks: TaskTracker,
    cancel: CancellationToken,
) {
    loop {
        match listener.accept().await {
            Ok((client, _)) => {
                let target = *target.borrow();
                let (guest, cancel) = (guest.clone(), cancel.clone());
                tasks.spawn(async move {
                    cancel.run_until_cancelled(tunnel(client, target, guest)).await
                });
            }
            Err(error) => {
                tracing::warn!(%error, "connection to a published port not accepted");
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
