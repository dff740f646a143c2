//! What can go wrong here, and of what kind it is.

use std::io;
use std::net::IpAddr;
use std::path::PathBuf;

use naru_error::ErrorKind;

use crate::subnet::Subnet;

/// Why a network operation failed.
#[derive(Debug, thiserror::Error)]
pub enum NetworkError {
    /// The kernel refused a netlink request.
    #[error("cannot {operation} ({subject})")]
    Netlink {
        /// What was asked of the kernel.
        operation: &'static str,
        /// The interface, table or address it was asked for.
        subject: String,
        /// The kernel's answer.
        source: io::Error,
    },
    /// A system call on a file failed.
    #[error("cannot {operation} {path}")]
    File {
        /// What was tried.
        operation: &'static str,
        /// The file it was tried on.
        path: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
    /// No thread could be started for the work, or it ended early.
    #[error("network thread failed")]
    Thread(#[source] io::Error),
    /// The text is no subnet.
    #[error("invalid subnet {0:?}")]
    InvalidSubnet(String),
    /// The text is no MAC address.
    #[error("invalid MAC address {0:?}")]
    InvalidMac(String),
    /// The kernel takes interface names of 1 to 15 bytes without `/` or blanks.
    #[error("invalid interface name {0:?}")]
    InvalidInterface(String),
    /// A namespace is already there.
    #[error("network namespace {0} already exists")]
    NamespaceExists(PathBuf),
    /// Every address of the subnet is in use.
    #[error("no available {family} addresses in subnet {0}", family = family_name(*.0))]
    SubnetExhausted(Subnet),
    /// The address is in use.
    #[error("address {0} already in use")]
    AddressTaken(IpAddr),
    /// The address is not one that an endpoint of the subnet can have.
    #[error("address {address} is not usable in subnet {subnet}")]
    AddressUnusable {
        /// The address asked for.
        address: IpAddr,
        /// The subnet it would have to lie in.
        subnet: Subnet,
    },
    /// Another of Naru's containers publishes this port. Docker's words.
    #[error("Bind for {host_ip}:{port} failed: port is already allocated")]
    PortAllocated {
        /// The host address asked for.
        host_ip: IpAddr,
        /// The host port asked for.
        port: u16,
    },
    /// A process of the host listens on this port. Docker's words.
    #[error("failed to bind host port for {host_ip}:{port}: address already in use")]
    PortInUse {
        /// The host address asked for.
        host_ip: IpAddr,
        /// The host port asked for.
        port: u16,
    },
    /// The port cannot be bound for another reason, such as an address that is
    /// not the host's.
    #[error("failed to bind host port for {host_ip}:{port}")]
    PortBind {
        /// The host address asked for.
        host_ip: IpAddr,
        /// The host port asked for.
        port: u16,
        /// The system's answer.
        source: io::Error,
    },
    /// IPv6 was asked for.
    #[error("the kernel of this host does not speak IPv6")]
    NoIpv6,
    /// What comes in one family cannot be led to an address of the other.
    #[error("cannot publish a port on {0}: the container has no address of that family")]
    FamilyMissing(IpAddr),
    /// The kernel routes nothing from that address to others.
    #[error(
        "cannot publish a port on ::1: nothing is led from there to a container, unlike from 127.0.0.1"
    )]
    LoopbackUnsupported,
    /// The sockets of a container's name server cannot be opened.
    #[error("cannot open the name server's sockets in {path}")]
    ResolverSocket {
        /// The network namespace.
        path: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
    /// The key publishes ports already.
    #[error("{0} publishes ports already")]
    AlreadyPublished(String),
}

impl NetworkError {
    /// What sort of failure this is.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Netlink { source, .. } | Self::File { source, .. } => match source.kind() {
                io::ErrorKind::NotFound => ErrorKind::NotFound,
                io::ErrorKind::Unsupported => ErrorKind::Unsupported,
                _ => ErrorKind::Internal,
            },
            Self::Thread(_) | Self::ResolverSocket { .. } => ErrorKind::Internal,
            Self::InvalidSubnet(_)
            | Self::InvalidMac(_)
            | Self::InvalidInterface(_)
            | Self::AddressUnusable { .. }
            | Self::PortBind { .. } => ErrorKind::InvalidArgument,
            Self::NamespaceExists(_) => ErrorKind::AlreadyExists,
            Self::SubnetExhausted(_) => ErrorKind::Unavailable,
            Self::AddressTaken(_)
            | Self::PortAllocated { .. }
            | Self::PortInUse { .. }
            | Self::AlreadyPublished(_) => ErrorKind::Conflict,
            Self::NoIpv6 | Self::FamilyMissing(_) | Self::LoopbackUnsupported => {
                ErrorKind::Unsupported
            }
        }
    }
}

fn family_name(subnet: Subnet) -> &'static str {
    if subnet.is_ipv6() { "IPv6" } else { "IPv4" }
}
