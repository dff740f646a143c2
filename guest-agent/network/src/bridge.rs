//! Bridges: the interface, its addresses, and forwarding.

use std::fs;
use std::net::IpAddr;
use std::path::Path;

use crate::error::NetworkError;
use crate::mac::MacAddress;
use crate::namespace::file_error;
use crate::route::{self, RouteRequests};
use crate::subnet::Subnet;
use crate::sysctl;

/// A bridge and the subnets behind it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BridgeConfig {
    /// The interface's name, at most 15 bytes.
    pub name: String,
    /// Its place in IPv4.
    pub v4: Option<BridgeAddress>,
    /// Its place in IPv6. Without one that protocol is switched off on it.
    pub v6: Option<BridgeAddress>,
    /// The largest packet, in bytes.
    pub mtu: u32,
    /// Whether what leaves the subnets gets the host's address.
    pub masquerade: bool,
    /// Whether endpoints reach each other directly.
    pub inter_container: bool,
    /// Whether endpoints reach nobody but each other and the host, and nobody else them.
    pub internal: bool,
}

/// Where the endpoints' addresses lie, and which of them is the bridge's own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct BridgeAddress {
    /// The subnet of the endpoints.
    pub subnet: Subnet,
    /// The bridge's address, which is the endpoints' way out.
    pub gateway: IpAddr,
}

impl BridgeConfig {
    /// The addresses it has.
    pub(crate) fn addresses(&self) -> impl Iterator<Item = BridgeAddress> {
        self.v4.into_iter().chain(self.v6)
    }

    /// Creates the bridge or adjusts the one of its name, gives it its addresses, and
    /// lets the host forward for it.
    pub(crate) fn set_up(&self) -> Result<(), NetworkError> {
        route::check_interface_name(&self.name)?;
        let socket = route::open()?;
        let mut requests = RouteRequests::default();
        let mac = self.addresses().next().map(|own| MacAddress::for_address(own.gateway));
        requests.ensure_bridge(&self.name, mac, self.mtu);
        requests.send(&socket, &self.name)?;
        sysctl::enable_ipv6(&self.name, self.v6.is_some())?;
        let mut requests = RouteRequests::default();
        let index = route::interface_index(&self.name)?;
        for own in self.addresses() {
            requests.add_address(index, own.gateway, own.subnet.prefix_len());
        }
        requests.send(&socket, &self.name)?;
        if self.v4.is_some() {
            self.forward_ipv4()?;
        }
        if self.v6.is_some() {
            self.forward_ipv6()?;
        }
        Ok(())
    }

    fn forward_ipv4(&self) -> Result<(), NetworkError> {
        sysctl::set(Path::new("/proc/sys/net/ipv4/ip_forward"), "1")?;
        // So that what comes from 127.0.0.1 may leave by the bridge.
        sysctl::set(&sysctl::of_interface("ipv4", &self.name).join("route_localnet"), "1")
    }

    /// Who forwards no longer listens to routers, unless told to by the value 2. The
    /// host goes on doing what it did. To endpoints it never listens: one of them could
    /// call itself the router (CVE-2020-13401).
    fn forward_ipv6(&self) -> Result<(), NetworkError> {
        let own = sysctl::of_interface("ipv6", &self.name);
        sysctl::set(&own.join("accept_ra"), "0")?;
        // The host asks for endpoints by the bridge's link-local address, which is not to
        // be usable only a second after the first of them has come.
        sysctl::set(&own.join("accept_dad"), "0")?;
        let switch = sysctl::of_interface("ipv6", "all").join("forwarding");
        if sysctl::is(&switch, "1") {
            return Ok(());
        }
        let interfaces = Path::new("/proc/sys/net/ipv6/conf");
        let entries = fs::read_dir(interfaces).map_err(file_error("list", interfaces))?;
        for entry in entries.flatten() {
            let accepts = entry.path().join("accept_ra");
            if entry.file_name() != "all"
                && entry.file_name() != "default"
                && sysctl::is(&accepts, "1")
            {
                sysctl::set(&accepts, "2")?;
            }
        }
        sysctl::set(&switch, "1")
    }
}

/// Whether packets between two ports of a bridge pass iptables and nftables too, as
/// they do on hosts with Docker or Kubernetes. Then the address of a published port
/// is translated while a packet is still in the bridge, and what a container sends to
/// itself by that way has to leave the bridge by the port it came in.
pub(crate) fn packets_are_filtered() -> bool {
    ["iptables", "ip6tables"].iter().any(|tables| {
        let switch = format!("/proc/sys/net/bridge/bridge-nf-call-{tables}");
        sysctl::is(Path::new(&switch), "1")
    })
}
