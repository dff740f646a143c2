//! What a namespace is connected to, and what it sees of it.

use std::net::IpAddr;

use crate::bridge::BridgeConfig;
use crate::mac::MacAddress;

/// What an interface of a namespace is made of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Attachment {
    /// One end of a veth pair, whose other is a port of this bridge.
    Bridge(BridgeConfig),
    /// A link of its own beside an interface of the host.
    Macvlan {
        /// The host's interface.
        parent: String,
        /// Whom it reaches beside it.
        mode: MacvlanMode,
    },
    /// A share of an interface of the host, under its hardware address.
    Ipvlan {
        /// The host's interface.
        parent: String,
        /// On which layer it is shared.
        mode: IpvlanMode,
    },
}

/// Whom a macvlan link reaches that has the same parent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum MacvlanMode {
    /// Every other, directly.
    #[default]
    Bridge,
    /// Nobody.
    Private,
    /// Every other if the switch outside sends packets back.
    Vepa,
    /// There is no other: the link has its parent for itself.
    Passthru,
}

/// On which layer an ipvlan link shares its parent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum IpvlanMode {
    /// As one of several stations of the parent's network.
    #[default]
    L2,
    /// As a host behind the parent, which routes.
    L3,
    /// The same, past the host's connection tracking.
    L3s,
}

/// An interface as a namespace sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Interface {
    /// Its name, at most 15 bytes.
    pub name: String,
    /// Its addresses. Without one of IPv6, that protocol is switched off on it.
    pub addresses: Vec<InterfaceAddress>,
    /// Its hardware address. An ipvlan link has its parent's whatever stands here.
    pub mac: MacAddress,
    /// The largest packet, in bytes.
    pub mtu: u32,
    /// The gateways that all else goes to, at most one of each family. None where another
    /// network has the way out. The unspecified address stands for the interface itself,
    /// as ipvlan has it in its modes L3 and L3S.
    pub default_routes: Vec<IpAddr>,
}

/// An address and the length of its network's prefix.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct InterfaceAddress {
    /// The address.
    pub address: IpAddr,
    /// How many bits it shares with its neighbours.
    pub prefix_len: u8,
}
