//! The bridges, interfaces and ports that tests ask for.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use anyhow::{Context, Result};
use naru_network::{
    BridgeAddress, BridgeConfig, Interface, InterfaceAddress, MacAddress, Networks, PortMapping,
    Protocol, Subnet,
};

use crate::lab::{Container, GATEWAY, SECOND_GATEWAY};

/// The default bridge.
pub(crate) fn bridge() -> BridgeConfig {
    BridgeConfig {
        name: "naru0".to_owned(),
        v4: Some(BridgeAddress { subnet: Networks::default_subnets()[0], gateway: GATEWAY.into() }),
        v6: None,
        mtu: 1500,
        masquerade: true,
        inter_container: true,
        internal: false,
    }
}

/// Another bridge beside it.
pub(crate) fn second_bridge() -> BridgeConfig {
    BridgeConfig {
        name: "naru1".to_owned(),
        v4: Some(BridgeAddress {
            subnet: Networks::default_subnets()[1],
            gateway: SECOND_GATEWAY.into(),
        }),
        ..bridge()
    }
}

/// A bridge of either kind that speaks IPv6 as well, in `fd00:0:0:NUMBER::/64`.
pub(crate) fn with_ipv6(bridge: BridgeConfig, number: u16) -> BridgeConfig {
    let network = Ipv6Addr::new(0xfd00, 0, 0, number, 0, 0, 0, 0);
    let subnet = Subnet::new(network.into(), 64).ok();
    let v6 = subnet.map(|subnet| BridgeAddress { subnet, gateway: subnet.first_host() });
    BridgeConfig { v6, ..bridge }
}

/// `eth0` on a bridge, with the addresses that end in `host_part`.
pub(crate) fn interface(bridge: &BridgeConfig, host_part: u32) -> Result<Interface> {
    let places: Vec<_> = bridge.v4.into_iter().chain(bridge.v6).collect();
    let addresses: Vec<_> = places
        .iter()
        .map(|place| InterfaceAddress {
            address: nth_address(place.subnet, host_part),
            prefix_len: place.subnet.prefix_len(),
        })
        .collect();
    Ok(Interface {
        name: "eth0".to_owned(),
        mac: MacAddress::for_address(addresses.first().context("no address")?.address),
        addresses,
        mtu: bridge.mtu,
        default_routes: places.iter().map(|place| place.gateway).collect(),
    })
}

fn nth_address(subnet: Subnet, host_part: u32) -> IpAddr {
    match subnet.network() {
        IpAddr::V4(network) => Ipv4Addr::from_bits(network.to_bits() + host_part).into(),
        IpAddr::V6(network) => {
            Ipv6Addr::from_bits(network.to_bits() + u128::from(host_part)).into()
        }
    }
}

/// A TCP port of the host that leads to port 80 of a container.
pub(crate) fn mapping(host_ip: Ipv4Addr, host_port: u16, container: &Container) -> PortMapping {
    PortMapping {
        host_ip: host_ip.into(),
        host_port,
        container_address: container.address.into(),
        container_port: 80,
        protocol: Protocol::Tcp,
    }
}
