//! Ports of the host that lead to containers, and keeping others off them.

use std::net::{IpAddr, SocketAddr};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};

use nix::errno::Errno;
use nix::sys::socket::sockopt::ReuseAddr;
use nix::sys::socket::{
    AddressFamily, Backlog, SockFlag, SockType, SockaddrIn, SockaddrStorage, bind, getsockname,
    listen, setsockopt, socket,
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
    /// The host's address it is published on; 0.0.0.0 for all of them.
    pub host_ip: IpAddr,
    /// The host's port; 0 asks for a free one.
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
            || self.host_ip.is_unspecified()
            || other.host_ip.is_unspecified();
        let same_port = self.host_port == other.host_port && self.host_port != 0;
        same_port && same_address && self.protocol == other.protocol
    }
}

/// A published port. As long as it lives no other process can have it.
///
/// A socket holds the port though nftables leads all packets past it. It drops what
/// reaches it, so that nobody is answered between the moment it is there and the moment
/// the rules stand.
#[derive(Debug)]
pub(crate) struct PublishedPort {
    pub(crate) mapping: PortMapping,
    _reservation: OwnedFd,
}

impl PublishedPort {
    /// Takes the port, choosing a free one for port 0.
    pub(crate) fn reserve(mapping: &PortMapping) -> Result<Self, NetworkError> {
        let (host_ip, port) = (mapping.host_ip, mapping.host_port);
        if host_ip.is_ipv6() || mapping.container_address.is_ipv6() {
            return Err(NetworkError::HostAddressUnsupported(host_ip));
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

fn hold(address: SocketAddr, protocol: Protocol) -> Result<(OwnedFd, u16), Errno> {
    let kind = match protocol {
        Protocol::Tcp => SockType::Stream,
        Protocol::Udp => SockType::Datagram,
    };
    let socket = socket(AddressFamily::Inet, kind, SockFlag::SOCK_CLOEXEC, None)?;
    if protocol == Protocol::Tcp {
        // Connections of an earlier listener that linger in TIME_WAIT are no obstacle.
        setsockopt(&socket, ReuseAddr, &true)?;
    }
    sys::drop_all_packets(socket.as_fd())
        .map_err(|error| error.raw_os_error().map_or(Errno::EIO, Errno::from_raw))?;
    bind(socket.as_raw_fd(), &SockaddrStorage::from(address))?;
    if protocol == Protocol::Tcp {
        // One that is only bound would not keep a process off that sets `SO_REUSEADDR`, as
        // nearly all do.
        listen(&socket, Backlog::new(1)?)?;
    }
    let bound: SockaddrIn = getsockname(socket.as_raw_fd())?;
    Ok((socket, bound.port()))
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, TcpListener, UdpSocket};

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
        let error = PublishedPort::reserve(&mapping("::1", 0)).unwrap_err();
        assert!(matches!(error, NetworkError::HostAddressUnsupported(_)), "{error:?}");
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
