//! Where a container asks for names: the same address in every namespace.

use std::fs::File;
use std::io;
use std::net::{Ipv4Addr, TcpListener, UdpSocket};
use std::os::fd::OwnedFd;
use std::path::Path;

use crate::error::NetworkError;
use crate::namespace::{self, on_own_thread};
use crate::networks::Networks;
use crate::nftables::lead_to_resolver;

/// The address that stands in a container's `resolv.conf`. Docker's.
pub const RESOLVER_ADDRESS: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 11);

/// What a name server needs to serve one namespace.
#[derive(Debug)]
pub struct ResolverSockets {
    /// Gets what is sent to port 53 of [`RESOLVER_ADDRESS`].
    pub udp: UdpSocket,
    /// Gets the connections to that port.
    pub tcp: TcpListener,
    /// The namespace. Like the sockets, it keeps the namespace from ending.
    pub namespace: OwnedFd,
}

impl Networks {
    /// Opens the sockets of a name server in the namespace at `netns`, which are reached
    /// at port 53 of [`RESOLVER_ADDRESS`] from inside. That port stays free for whoever
    /// runs there. Sockets that were opened before are no longer reached.
    #[tracing::instrument(level = "debug", skip_all)]
    pub async fn resolver_sockets(&self, netns: &Path) -> Result<ResolverSockets, NetworkError> {
        let path = netns.to_owned();
        on_own_thread(move || {
            let namespace = namespace::open(&path)?;
            namespace::enter(&namespace, &path)?;
            open(namespace)
                .map_err(|source| NetworkError::ResolverSocket { path, source })
                .and_then(|(sockets, udp_port, tcp_port)| {
                    lead_to_resolver(RESOLVER_ADDRESS, udp_port, tcp_port)?;
                    Ok(sockets)
                })
        })
        .await
    }
}

fn open(namespace: File) -> io::Result<(ResolverSockets, u16, u16)> {
    let udp = UdpSocket::bind((RESOLVER_ADDRESS, 0))?;
    let tcp = TcpListener::bind((RESOLVER_ADDRESS, 0))?;
    let (udp_port, tcp_port) = (udp.local_addr()?.port(), tcp.local_addr()?.port());
    Ok((ResolverSockets { udp, tcp, namespace: namespace.into() }, udp_port, tcp_port))
}
