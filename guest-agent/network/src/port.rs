//! Ports of the host that lead to containers, and keeping others off them.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};

use nix::errno::Errno;
use nix::sys::socket::sockopt::{Ipv6V6Only, ReuseAddr};
use nix::sys::socket::{
    AddressFamily, Backlog, Shutdown, SockFlag, SockType, SockaddrIn, SockaddrIn6, SockaddrStorage,
    bind, getsockname, listen, setsockopt, shutdown, socket,
};

use crate::error::NetworkError;
use crate::sys;

/// A transport protocol whose ports can be published.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Protocol {
    /// TCP.
    Tcp,
    /// UDP.
    Udp,
}

impl Protocol {
    /// Its number in an IP header.
    pub(crate) const fn number(self) -> u8 {
        match self {
            Self::Tcp => 6,
            Self::Udp => 17,
        }
    }
}

/// A port of the host and where in a container it leads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct PortMapping {
    /// The host's address it is published on; 0.0.0.0 for all of them in IPv4, :: in IPv6.
    pub host_ip: IpAddr,
    /// The host's port; 0 asks for a free one. Two mappings in a row that ask so for all
    /// addresses, one of each family, and for the same port of the container get one port.
    pub host_port: u16,
    /// The container's address, of the same family.
    pub container_address: IpAddr,
    /// The container's port.
    pub container_port: u16,
    /// What is spoken on it.
    pub protocol: Protocol,
}

impl PortMapping {
    /// Whether both claim the same port of the same address.
    pub fn clashes_with(&self, other: &Self) -> bool {
        let same_address = self.host_ip == other.host_ip
            || self.host_ip.is_ipv4() == other.host_ip.is_ipv4()
                && (self.host_ip.is_unspecified() || other.host_ip.is_unspecified());
        let same_port = self.host_port == other.host_port && self.host_port != 0;
        same_port && same_address && self.protocol == other.protocol
    }

    /// Whether the two are one wish: any port of the host, be it asked in IPv4 or IPv6.
    pub(crate) fn is_counterpart_of(&self, other: &Self) -> bool {
        let anywhere = |mapping: &Self| mapping.host_port == 0 && mapping.host_ip.is_unspecified();
        anywhere(self)
            && anywhere(other)
            && self.host_ip.is_ipv4() != other.host_ip.is_ipv4()
            && self.container_port == other.container_port
            && self.protocol == other.protocol
    }
}

/// A published port. As long as it lives no other process can have it.
///
/// A socket holds the port though nftables leads packets past it. It drops what reaches
/// it before the rules stand. In TCP it does not listen, so that those who come by `::1`, which cannot be
/// led anywhere, are refused at once and go on to try 127.0.0.1; but it has listened, and
/// forbidden reuse then: one that was only bound would not keep a process off that sets
/// `SO_REUSEADDR`, as nearly all do.
#[derive(Debug)]
pub(crate) struct PublishedPort {
    pub(crate) mapping: PortMapping,
    _reservation: OwnedFd,
}

impl PublishedPort {
    /// Takes the port, choosing a free one for port 0.
    pub(crate) fn reserve(mapping: &PortMapping) -> Result<Self, NetworkError> {
        let (host_ip, port) = (mapping.host_ip, mapping.host_port);
        if host_ip.is_ipv6() != mapping.container_address.is_ipv6() {
            return Err(NetworkError::FamilyMissing(host_ip));
        }
        if host_ip == Ipv6Addr::LOCALHOST {
            return Err(NetworkError::LoopbackUnsupported);
        }
        match hold(SocketAddr::new(host_ip, port), mapping.protocol) {
            Ok((reservation, host_port)) => Ok(Self {
                mapping: PortMapping { host_port, ..*mapping },
                _reservation: reservation,
            }),
            Err(Errno::EADDRINUSE) => Err(NetworkError::PortInUse { host_ip, port }),
            Err(errno) => Err(NetworkError::PortBind { host_ip, port, source: errno.into() }),
        }
    }
}

/// Takes a port of the same number for both.
pub(crate) fn reserve_pair(
    first: &PortMapping,
    second: &PortMapping,
) -> Result<[PublishedPort; 2], NetworkError> {
    /// A port that is free in one family is rarely taken in the other.
    const ATTEMPTS: usize = 32;
    let attempt = || {
        let first = PublishedPort::reserve(first)?;
        let host_port = first.mapping.host_port;
        let second = PublishedPort::reserve(&PortMapping { host_port, ..*second })?;
        Ok([first, second])
    };
    for _ in 1..ATTEMPTS {
        match attempt() {
            Err(NetworkError::PortInUse { .. }) => {}
            reserved => return reserved,
        }
    }
    attempt()
}

fn hold(address: SocketAddr, protocol: Protocol) -> Result<(OwnedFd, u16), Errno> {
    match protocol {
        Protocol::Udp => {
            let socket = open(address, SockType::Datagram)?;
            bind(socket.as_raw_fd(), &SockaddrStorage::from(address))?;
            let port = port_of(&socket)?;
            Ok((socket, port))
        }
        Protocol::Tcp => {
            let chosen = bind_reusing(address)?;
            let port = port_of(&chosen)?;
            // A port that the kernel chose would be given back when listening ends.
            let socket = bind_reusing(SocketAddr::new(address.ip(), port))?;
            // What allows reuse at first would go on allowing it, were it not for `listen`.
            listen(&socket, Backlog::new(1)?)?;
            setsockopt(&socket, ReuseAddr, &false)?;
            shutdown(socket.as_raw_fd(), Shutdown::Both)?;
            Ok((socket, port))
        }
    }
}

/// Connections of an earlier listener that linger in `TIME_WAIT` are no obstacle.
fn bind_reusing(address: SocketAddr) -> Result<OwnedFd, Errno> {
    let socket = open(address, SockType::Stream)?;
    setsockopt(&socket, ReuseAddr, &true)?;
    bind(socket.as_raw_fd(), &SockaddrStorage::from(address))?;
    Ok(socket)
}

fn open(address: SocketAddr, kind: SockType) -> Result<OwnedFd, Errno> {
    let family = if address.is_ipv4() { AddressFamily::Inet } else { AddressFamily::Inet6 };
    let socket = socket(family, kind, SockFlag::SOCK_CLOEXEC, None)?;
    if address.is_ipv6() {
        // The port of the same number in IPv4 is another.
        setsockopt(&socket, Ipv6V6Only, &true)?;
    }
    sys::drop_all_packets(socket.as_fd())
        .map_err(|error| error.raw_os_error().map_or(Errno::EIO, Errno::from_raw))?;
    Ok(socket)
}

fn port_of(socket: &OwnedFd) -> Result<u16, Errno> {
    let bound: SockaddrStorage = getsockname(socket.as_raw_fd())?;
    let v4 = bound.as_sockaddr_in().map(SockaddrIn::port);
    let port = v4.or_else(|| bound.as_sockaddr_in6().map(SockaddrIn6::port));
    port.ok_or(Errno::EAFNOSUPPORT)
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, TcpListener, TcpStream, UdpSocket};

    use super::*;

    fn mapping(host_ip: &str, host_port: u16) -> PortMapping {
        PortMapping {
            host_ip: host_ip.parse().unwrap(),
            host_port,
            container_address: Ipv4Addr::new(172, 17, 0, 2).into(),
            container_port: 80,
            protocol: Protocol::Tcp,
        }
    }

    #[test]
    fn port_zero_gets_a_free_port() {
        let port = PublishedPort::reserve(&mapping("127.0.0.1", 0)).unwrap();
        assert_ne!(port.mapping.host_port, 0);
    }

    #[test]
    fn reserved_port_is_kept_until_dropped() {
        let port = PublishedPort::reserve(&mapping("127.0.0.1", 0)).unwrap();
        let address = ("127.0.0.1", port.mapping.host_port);
        assert!(TcpListener::bind(address).is_err(), "another could listen on a reserved port");
        drop(port);
        assert!(TcpListener::bind(address).is_ok(), "the port was not given back");
    }

    #[test]
    fn reserved_udp_port_is_kept_from_others_and_not_from_tcp() {
        let udp = PortMapping { protocol: Protocol::Udp, ..mapping("127.0.0.1", 0) };
        let port = PublishedPort::reserve(&udp).unwrap();
        let address = ("127.0.0.1", port.mapping.host_port);
        assert!(UdpSocket::bind(address).is_err(), "another could have a reserved port");
        assert!(!port.mapping.clashes_with(&mapping("127.0.0.1", address.1)));
        drop(port);
        assert!(UdpSocket::bind(address).is_ok(), "the port was not given back");
    }

    #[test]
    fn port_of_another_process_is_reported_in_dockers_words() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let error = PublishedPort::reserve(&mapping("0.0.0.0", port)).unwrap_err();
        let expected =
            format!("failed to bind host port for 0.0.0.0:{port}: address already in use");
        assert_eq!(error.to_string(), expected);
    }

    #[test]
    fn address_that_is_not_the_hosts_is_refused() {
        let error = PublishedPort::reserve(&mapping("203.0.113.77", 0)).unwrap_err();
        assert!(matches!(error, NetworkError::PortBind { .. }), "{error:?}");
    }

    #[test]
    fn who_comes_by_loopback_in_ipv6_is_refused_and_not_kept_waiting() {
        let container_address = Ipv6Addr::LOCALHOST.into();
        let any = PortMapping { container_address, ..mapping("::", 0) };
        let port = PublishedPort::reserve(&any).unwrap().mapping.host_port;
        let error = TcpStream::connect((Ipv6Addr::LOCALHOST, port)).unwrap_err();
        assert_eq!(error.kind(), std::io::ErrorKind::ConnectionRefused);
        let one = PortMapping { container_address, ..mapping("::1", 0) };
        let error = PublishedPort::reserve(&one).unwrap_err();
        assert!(error.to_string().contains("cannot publish a port on ::1"), "{error}");
    }

    #[test]
    fn port_of_the_other_family_is_another() {
        let error = PublishedPort::reserve(&mapping("::", 0)).unwrap_err();
        let expected = "cannot publish a port on ::: the container has no address of that family";
        assert_eq!(error.to_string(), expected);
        let v6 = PortMapping { container_address: Ipv6Addr::LOCALHOST.into(), ..mapping("::", 0) };
        let v4 = mapping("0.0.0.0", 0);
        assert!(v4.is_counterpart_of(&v6) && !v4.is_counterpart_of(&v4));
        let [first, second] = reserve_pair(&v4, &v6).unwrap();
        assert_eq!(first.mapping.host_port, second.mapping.host_port);
        assert!(!first.mapping.clashes_with(&second.mapping));
        let error = PublishedPort::reserve(&second.mapping).unwrap_err();
        assert!(matches!(error, NetworkError::PortInUse { .. }), "{error:?}");
    }

    #[test]
    fn wildcard_clashes_with_every_address_of_the_same_port() {
        assert!(mapping("0.0.0.0", 80).clashes_with(&mapping("127.0.0.1", 80)));
        assert!(mapping("127.0.0.1", 80).clashes_with(&mapping("127.0.0.1", 80)));
        assert!(!mapping("127.0.0.1", 80).clashes_with(&mapping("127.0.0.2", 80)));
        assert!(!mapping("0.0.0.0", 80).clashes_with(&mapping("0.0.0.0", 81)));
        assert!(!mapping("0.0.0.0", 0).clashes_with(&mapping("0.0.0.0", 0)));
    }
}
