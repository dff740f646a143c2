//! Bridges: the interface, its address, and forwarding.

use std::fs;
use std::net::Ipv4Addr;
use std::path::Path;

use crate::address::{Ipv4Subnet, MacAddress};
use crate::error::NetworkError;
use crate::namespace::file_error;
use crate::route::{self, RouteRequests};

/// A bridge and the subnet behind it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BridgeConfig {
    /// The interface's name, at most 15 bytes.
    pub name: String,
    /// Where the endpoints' addresses lie.
    pub subnet: Ipv4Subnet,
    /// The bridge's own address, which is the endpoints' way out.
    pub gateway: Ipv4Addr,
    /// The largest packet, in bytes.
    pub mtu: u32,
    /// Whether what leaves the subnet gets the host's address.
    pub masquerade: bool,
    /// Whether endpoints reach each other directly.
    pub inter_container: bool,
}

impl BridgeConfig {
    /// Creates the bridge or adjusts the one of its name, gives it its address, and
    /// lets the host forward for it.
    pub(crate) fn set_up(&self) -> Result<(), NetworkError> {
        route::check_interface_name(&self.name)?;
        let socket = route::open()?;
        let mut requests = RouteRequests::default();
        requests.ensure_bridge(&self.name, MacAddress::for_address(self.gateway), self.mtu);
        requests.send(&socket, &self.name)?;
        let mut requests = RouteRequests::default();
        let index = route::interface_index(&self.name)?;
        requests.add_address(index, self.gateway, self.subnet.prefix_len());
        requests.send(&socket, &self.name)?;
        let sysctl = Path::new("/proc/sys/net/ipv4");
        switch_on(&sysctl.join("ip_forward"))?;
        // So that what comes from 127.0.0.1 may leave by the bridge.
        switch_on(&sysctl.join("conf").join(&self.name).join("route_localnet"))
    }
}

/// Whether packets between two ports of a bridge pass iptables and nftables too, as
/// they do on hosts with Docker or Kubernetes. Then the address of a published port
/// is translated while a packet is still in the bridge, and what a container sends to
/// itself by that way has to leave the bridge by the port it came in.
pub(crate) fn packets_are_filtered() -> bool {
    let switch = fs::read_to_string("/proc/sys/net/bridge/bridge-nf-call-iptables");
    switch.is_ok_and(|value| value.trim() == "1")
}

/// Writes 1 unless it is there, since writing may be forbidden where it is.
fn switch_on(path: &Path) -> Result<(), NetworkError> {
    let value = fs::read_to_string(path).map_err(file_error("read", path))?;
    if value.trim() == "1" {
        return Ok(());
    }
    fs::write(path, "1").map_err(file_error("write", path))
}
