//! Veth pairs: a namespace's interface and its end on the bridge.

use std::net::Ipv4Addr;
use std::os::fd::AsFd;
use std::path::PathBuf;

use crate::address::MacAddress;
use crate::bridge::{self, BridgeConfig};
use crate::error::NetworkError;
use crate::namespace;
use crate::route::{self, RouteRequests, VethPair};

/// One end of a connected namespace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// The address inside.
    pub address: Ipv4Addr,
    /// The length of its network's prefix.
    pub prefix_len: u8,
    /// Where the default route leads.
    pub gateway: Ipv4Addr,
    /// The hardware address inside.
    pub mac: MacAddress,
    /// The name of the veth end on the bridge, for `Networks::disconnect`.
    pub host_interface: String,
}

/// A veth pair to be made.
#[derive(Debug)]
pub(crate) struct Connection {
    pub(crate) netns: PathBuf,
    pub(crate) bridge: BridgeConfig,
    pub(crate) interface: String,
    pub(crate) endpoint: Endpoint,
}

impl Connection {
    /// Makes the pair and configures its inner end. This thread stays in the namespace.
    pub(crate) fn make(self) -> Result<Endpoint, NetworkError> {
        route::check_interface_name(&self.interface)?;
        let host = route::open()?;
        let namespace = namespace::open(&self.netns)?;
        let mut requests = RouteRequests::default();
        requests.add_veth(&VethPair {
            host_interface: &self.endpoint.host_interface,
            bridge_index: route::interface_index(&self.bridge.name)?,
            namespace: namespace.as_fd(),
            peer_interface: &self.interface,
            peer_mac: self.endpoint.mac,
            mtu: self.bridge.mtu,
            isolated: !self.bridge.inter_container,
            hairpin: bridge::packets_are_filtered(),
        });
        let made = requests
            .send(&host, &self.interface)
            .and_then(|()| namespace::enter(&namespace, &self.netns))
            .and_then(|()| self.configure());
        if let Err(error) = made {
            // The socket still speaks to the host's namespace.
            let mut requests = RouteRequests::default();
            requests.delete_link(&self.endpoint.host_interface);
            if let Err(error) = requests.send(&host, &self.endpoint.host_interface) {
                tracing::debug!(%error, "no half-made interface to delete");
            }
            return Err(error);
        }
        Ok(self.endpoint)
    }

    /// Interface, address and route, seen from inside.
    fn configure(&self) -> Result<(), NetworkError> {
        let index = route::interface_index(&self.interface)?;
        let mut requests = RouteRequests::default();
        requests.set_up(index);
        requests.add_address(index, self.endpoint.address, self.endpoint.prefix_len);
        requests.add_default_route(self.endpoint.gateway);
        requests.send(&route::open()?, &self.interface)
    }
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
