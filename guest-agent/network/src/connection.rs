//! A namespace's interface: making it, giving it addresses and routes, taking it away.

use std::fs::File;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};

use crate::attachment::{Attachment, Interface};
use crate::bridge;
use crate::error::NetworkError;
use crate::namespace;
use crate::netlink::Socket;
use crate::route::{self, ChildLink, RouteRequests, VethPair};
use crate::sysctl;

/// An interface to be made.
#[derive(Debug)]
pub(crate) struct Connection {
    pub(crate) netns: PathBuf,
    pub(crate) attachment: Attachment,
    pub(crate) interface: Interface,
}

impl Connection {
    /// Makes the interface and configures it. Returns the name of the host's end, which
    /// only one on a bridge has. This thread stays in the namespace.
    pub(crate) fn make(self) -> Result<String, NetworkError> {
        let name = &self.interface.name;
        route::check_interface_name(name)?;
        let host = route::open()?;
        let namespace = namespace::open(&self.netns)?;
        let (host_interface, creation) = self.creation(&namespace)?;
        // First, so that from here on a name speaks of the namespace. The socket still
        // speaks to the host.
        namespace::enter(&namespace, &self.netns)?;
        let created = creation.send(&host, name);
        let made = match created {
            Ok(()) => self.configure().and_then(|()| self.settle(&host, &host_interface)),
            // One link is made or not; of a veth pair the port's options may be refused.
            Err(error) if host_interface.is_empty() => return Err(error),
            Err(error) => Err(error),
        };
        if let Err(error) = made {
            self.take_back(&host, &host_interface);
            return Err(error);
        }
        Ok(host_interface)
    }

    /// The name of the host's end, and what makes the interface.
    fn creation(&self, namespace: &File) -> Result<(String, RouteRequests), NetworkError> {
        let Interface { name, mac, mtu, .. } = &self.interface;
        let mut requests = RouteRequests::default();
        let bridge = match &self.attachment {
            Attachment::Bridge(bridge) => bridge,
            Attachment::Macvlan { parent, .. } | Attachment::Ipvlan { parent, .. } => {
                requests.add_child(&ChildLink {
                    attachment: &self.attachment,
                    parent_index: route::interface_index(parent)?,
                    namespace: namespace.as_fd(),
                    interface: name,
                    mac: *mac,
                    mtu: *mtu,
                });
                return Ok((String::new(), requests));
            }
        };
        let host_interface = format!("veth{:08x}", rand::random::<u32>());
        requests.add_veth(&VethPair {
            host_interface: &host_interface,
            bridge_index: route::interface_index(&bridge.name)?,
            namespace: namespace.as_fd(),
            peer_interface: name,
            peer_mac: *mac,
            mtu: *mtu,
            isolated: !bridge.inter_container,
            hairpin: bridge::packets_are_filtered(),
        });
        Ok((host_interface, requests))
    }

    /// Addresses and routes, seen from inside.
    fn configure(&self) -> Result<(), NetworkError> {
        let Interface { name, addresses, default_routes, .. } = &self.interface;
        let index = route::interface_index(name)?;
        sysctl::enable_ipv6(name, addresses.iter().any(|own| own.address.is_ipv6()))?;
        let mut requests = RouteRequests::default();
        requests.set_up(index);
        for own in addresses {
            requests.add_address(index, own.address, own.prefix_len);
        }
        for gateway in default_routes {
            requests.set_default_route(*gateway, Some(index));
        }
        requests.send(&route::open()?, name)
    }

    /// Makes the host's end and the bridge carry packets at once. Otherwise they do so when
    /// the kernel has come to note that the other end is up, and whoever asked for a
    /// neighbour before, asks again a second later.
    fn settle(&self, host: &Socket, host_interface: &str) -> Result<(), NetworkError> {
        let Attachment::Bridge(bridge) = &self.attachment else { return Ok(()) };
        let mut requests = RouteRequests::default();
        requests.settle_link(host_interface);
        requests.settle_link(&bridge.name);
        requests.send(host, host_interface)
    }

    /// Deletes what was half made: the host's end, or the only one, which is here.
    fn take_back(&self, host: &Socket, host_interface: &str) {
        let deleted = if host_interface.is_empty() {
            delete_link(&self.interface.name)
        } else {
            let mut requests = RouteRequests::default();
            requests.delete_link(host_interface);
            requests.send(host, host_interface)
        };
        if let Err(error) = deleted {
            tracing::debug!(%error, "no half-made interface to delete");
        }
    }
}

/// Deletes an interface of the namespace at `netns`. This thread stays in it.
pub(crate) fn remove_interface(netns: &Path, name: &str) -> Result<(), NetworkError> {
    let namespace = namespace::open(netns)?;
    namespace::enter(&namespace, netns)?;
    delete_link(name)
}

/// Deletes an interface. One that is not there is no error.
pub(crate) fn delete_link(name: &str) -> Result<(), NetworkError> {
    let mut requests = RouteRequests::default();
    requests.delete_link(name);
    match requests.send(&route::open()?, name) {
        Err(NetworkError::Netlink { source, .. })
            if source.raw_os_error() == Some(libc::ENODEV) =>
        {
            Ok(())
        }
        result => result,
    }
}
