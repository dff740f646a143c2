//! The open ports.

use std::collections::{HashMap, HashSet};
use std::io;
use std::net::SocketAddr;

use naru_protocol::ports::{PortReply, PortRequest};
use socket2::{Domain, Socket, Type};
use tokio::task::spawn_blocking;

use super::holder;
use super::listener::{HostPort, OpenPort, Opener};

/// Every listener, by the engine's name for it.
#[derive(Debug)]
pub(super) struct PortTable {
    open: HashMap<u64, OpenPort>,
    /// Listeners from before the channel broke, not asked for again so far.
    stale: Vec<OpenPort>,
    /// Of those that are open for the engine the ones that died and cannot be opened again yet.
    lost: HashSet<u64>,
    opener: Opener,
}

impl PortTable {
    /// No ports.
    pub(super) fn new(opener: Opener) -> Self {
        Self { open: HashMap::new(), stale: Vec::new(), lost: HashSet::new(), opener }
    }

    /// A new engine is about to ask for its ports.
    pub(super) fn begin_resync(&mut self) {
        self.stale.extend(self.open.drain().map(|(_, port)| port));
        self.lost.clear();
    }

    /// The engine has asked for all ports that it knows of: the others are closed.
    pub(super) fn end_resync(&mut self) {
        self.stale.clear();
    }

    /// Does what is asked; a `bind` gets a reply.
    pub(super) async fn answer(&mut self, request: PortRequest) -> Option<PortReply> {
        match request {
            PortRequest::Bind { id, protocol, host_ip, host_port, target } => {
                let asked = HostPort { protocol, address: SocketAddr::new(host_ip, host_port) };
                let bound = self.bind(id, asked, target).await;
                Some(match bound {
                    Ok(host_port) => PortReply::Bound { id, host_port },
                    Err(error) if is_of_a_family_that_is_missing(asked, &error) => {
                        PortReply::NoFamily { id }
                    }
                    Err(error) => {
                        let message = explain(asked, error).await;
                        tracing::info!(?asked, message, "port refused");
                        PortReply::Refused { id, message }
                    }
                })
            }
            PortRequest::Release { id } => {
                self.close(id).await;
                None
            }
        }
    }

    /// Opens again what has died; what cannot be is tried at the next call. Nobody has to ask.
    pub(super) async fn mend(&mut self) {
        for (id, port) in &mut self.open {
            if !port.is_dead() {
                continue;
            }
            let at = port.at();
            match self.opener.open(at, port.target()) {
                Ok(opened) => {
                    *port = opened;
                    self.lost.remove(id);
                    tracing::warn!(?at, "a published port had closed, and is open again");
                }
                Err(error) => {
                    // Said once.
                    if self.lost.insert(*id) {
                        let message = explain(at, error).await;
                        tracing::warn!(?at, message, "a published port is lost");
                    }
                }
            }
        }
    }

    async fn bind(&mut self, id: u64, asked: HostPort, target: SocketAddr) -> io::Result<u16> {
        // The engine may say the same twice; who connects meanwhile must not notice.
        if let Some(port) = self.open.get(&id).filter(|port| is_as_asked(port, asked)) {
            port.lead_to(target);
            return Ok(port.number());
        }
        // A bind of an id that is open moves it.
        self.close(id).await;
        // By the port that it got: a new engine asks for that one. Who asks for any port has
        // never been told of one, and another's must not be taken for it.
        let found = self.stale.iter().position(|port| port.at() == asked && !port.is_dead());
        if let Some(index) = found {
            let port = self.stale.swap_remove(index);
            port.lead_to(target);
            let number = port.number();
            self.open.insert(id, port);
            return Ok(number);
        }
        // The engine has none beside it, so it has given up what it asked for before.
        self.close_stale(asked).await;
        let port = self.opener.open(asked, target)?;
        let number = port.number();
        self.open.insert(id, port);
        tracing::info!(?asked, port = number, "port open");
        Ok(number)
    }

    async fn close(&mut self, id: u64) {
        self.lost.remove(&id);
        if let Some(port) = self.open.remove(&id) {
            let at = port.at();
            port.close().await;
            tracing::info!(?at, "port closed");
        }
    }

    /// Closes what is in the way of a port, and nobody has asked for again.
    async fn close_stale(&mut self, asked: HostPort) {
        let in_the_way = self.stale.extract_if(.., |port| port.at().clashes_with(asked));
        for port in in_the_way.collect::<Vec<_>>() {
            port.close().await;
        }
    }
}

/// Whether a listener that works is what is asked for; of any port, each is.
fn is_as_asked(port: &OpenPort, asked: HostPort) -> bool {
    let any = asked.address.port() == 0;
    let number = if any { port.number() } else { asked.address.port() };
    let address = SocketAddr::new(asked.address.ip(), number);
    !port.is_dead() && port.at() == HostPort { address, ..asked }
}

/// Whether this computer has no IPv6, or none that is switched on.
fn is_of_a_family_that_is_missing(asked: HostPort, error: &io::Error) -> bool {
    let has = |domain| Socket::new(domain, Type::DGRAM, None).is_ok();
    let nowhere = error.kind() == io::ErrorKind::AddrNotAvailable;
    asked.address.is_ipv6()
        && (nowhere && asked.address.ip().is_unspecified()
            || !has(Domain::IPV6) && has(Domain::IPV4))
}

/// Why a port cannot be opened, for a person.
async fn explain(asked: HostPort, error: io::Error) -> String {
    let HostPort { protocol, address } = asked;
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
            format!("{} is not an address of this computer", address.ip())
        }
        _ => format!("port {port} cannot be opened: {error}"),
    }
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr};

    use naru_protocol::ports::PortProtocol;
    use tokio::net::{TcpListener, TcpStream, UdpSocket};
    use tokio_util::sync::CancellationToken;
    use tokio_util::task::TaskTracker;

    use super::*;
    use crate::fake_engine::FakeEngine;

    const LOOPBACK: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
    const BOTH: [PortProtocol; 2] = [PortProtocol::Tcp, PortProtocol::Udp];

    fn table() -> PortTable {
        let (engine, _channels) = FakeEngine::new();
        let (tasks, cancel) = (TaskTracker::new(), CancellationToken::new());
        PortTable::new(Opener { guest: engine.guest(), tasks, cancel })
    }

    impl PortTable {
        async fn bound(&mut self, id: u64, protocol: PortProtocol, ip: IpAddr, port: u16) -> u16 {
            let asked = HostPort { protocol, address: SocketAddr::new(ip, port) };
            self.bind(id, asked, SocketAddr::new(LOOPBACK, 1)).await.unwrap()
        }

        fn listener(&self, id: u64) -> tokio::task::Id {
            self.open[&id].task()
        }
    }

    #[tokio::test]
    async fn what_is_asked_twice_stays_open_all_the_while() {
        for protocol in BOTH {
            let mut table = table();
            let port = table.bound(1, protocol, LOOPBACK, 0).await;
            let listener = table.listener(1);
            assert_eq!(table.bound(1, protocol, LOOPBACK, port).await, port);
            assert_eq!(table.bound(1, protocol, LOOPBACK, 0).await, port);
            assert_eq!(table.listener(1), listener, "it was closed in between");
        }
    }

    #[tokio::test]
    async fn a_chosen_port_is_found_open_when_a_new_engine_asks_by_its_number() {
        for protocol in BOTH {
            let mut table = table();
            let port = table.bound(1, protocol, LOOPBACK, 0).await;
            let listener = table.listener(1);
            table.begin_resync();
            assert_ne!(table.bound(1, protocol, LOOPBACK, 0).await, port, "it is another's");
            assert_eq!(table.bound(2, protocol, LOOPBACK, port).await, port);
            assert_eq!(table.listener(2), listener, "it was closed in between");
        }
    }

    #[tokio::test]
    async fn what_nobody_has_asked_for_again_is_in_nobodys_way() {
        let everywhere = Ipv4Addr::UNSPECIFIED.into();
        for protocol in BOTH {
            let mut table = table();
            let port = table.bound(1, protocol, LOOPBACK, 0).await;
            table.begin_resync();
            assert_eq!(table.bound(1, protocol, everywhere, port).await, port);
        }
    }

    #[tokio::test]
    async fn a_listener_that_died_is_opened_again() {
        let mut table = table();
        let port = table.bound(1, PortProtocol::Tcp, LOOPBACK, 0).await;
        table.mend().await;
        let listener = table.listener(1);
        table.open.get_mut(&1).unwrap().die().await;
        TcpStream::connect((LOOPBACK, port)).await.unwrap_err();
        table.mend().await;
        TcpStream::connect((LOOPBACK, port)).await.unwrap();
        assert_ne!(table.listener(1), listener);
    }

    #[tokio::test]
    async fn a_dead_listener_whose_port_is_taken_comes_back_when_it_is_free() {
        let mut table = table();
        let tcp = table.bound(1, PortProtocol::Tcp, LOOPBACK, 0).await;
        let udp = table.bound(2, PortProtocol::Udp, LOOPBACK, 0).await;
        table.open.get_mut(&1).unwrap().die().await;
        table.open.get_mut(&2).unwrap().die().await;
        let taken = TcpListener::bind((LOOPBACK, tcp)).await.unwrap();
        let also = UdpSocket::bind((LOOPBACK, udp)).await.unwrap();
        table.mend().await;
        assert_eq!(table.lost, HashSet::from([1, 2]));
        drop((taken, also));
        table.mend().await;
        assert_eq!(table.lost, HashSet::new());
        assert!(table.open.values().all(|port| !port.is_dead()));
    }
}
