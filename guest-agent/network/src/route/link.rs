//! The requests about links that only the engine makes: bridges, veth pairs, macvlan and
//! ipvlan.

use std::os::fd::{AsRawFd, BorrowedFd};

use netlink_packet_core::{NLM_F_CREATE, NLM_F_EXCL};
use netlink_packet_route::RouteNetlinkMessage;
use netlink_packet_route::link::{
    InfoBridgePort, InfoData, InfoIpVlan, InfoKind, InfoMacVlan, InfoPortData, InfoPortKind,
    InfoVeth, IpVlanMode, LinkAttribute, LinkInfo, LinkMessage, MacVlanMode,
};

use super::{RouteRequests, mark_up};
use crate::attachment::{Attachment, IpvlanMode, MacvlanMode};
use crate::error::NetworkError;
use crate::mac::MacAddress;

/// The longest interface name, without the terminating zero (`IFNAMSIZ`).
const INTERFACE_NAME_LEN: usize = 15;

/// A pair of interfaces, one here on a bridge and one in another namespace.
#[derive(Debug)]
pub(crate) struct VethPair<'a> {
    pub(crate) host_interface: &'a str,
    pub(crate) bridge_index: u32,
    pub(crate) namespace: BorrowedFd<'a>,
    pub(crate) peer_interface: &'a str,
    pub(crate) peer_mac: MacAddress,
    pub(crate) mtu: u32,
    /// Whether other isolated ports of the bridge are out of reach.
    pub(crate) isolated: bool,
    /// Whether the bridge may send packets back to where they came from.
    pub(crate) hairpin: bool,
}

/// A macvlan or ipvlan link in another namespace, whose parent is here.
#[derive(Debug)]
pub(crate) struct ChildLink<'a> {
    pub(crate) attachment: &'a Attachment,
    pub(crate) parent_index: u32,
    pub(crate) namespace: BorrowedFd<'a>,
    pub(crate) interface: &'a str,
    pub(crate) mac: MacAddress,
    pub(crate) mtu: u32,
}

impl RouteRequests {
    /// Creates a bridge and brings it up, or adjusts the one that is there.
    pub(crate) fn ensure_bridge(&mut self, name: &str, mac: Option<MacAddress>, mtu: u32) {
        let mut link = LinkMessage::default();
        mark_up(&mut link);
        link.attributes = vec![
            LinkAttribute::IfName(name.to_owned()),
            LinkAttribute::Mtu(mtu),
            LinkAttribute::LinkInfo(vec![LinkInfo::Kind(InfoKind::Bridge)]),
        ];
        // Without one of its own a bridge takes the lowest of its ports', and so changes
        // it as containers come and go.
        link.attributes.extend(mac.map(|mac| LinkAttribute::Address(mac.0.to_vec())));
        self.push("create the bridge", NLM_F_CREATE, &RouteNetlinkMessage::NewLink(link));
    }

    /// Creates a veth pair whose end here is up and on the bridge. The kernel cannot
    /// bring the other up before the two know each other.
    pub(crate) fn add_veth(&mut self, pair: &VethPair<'_>) {
        let mut peer = LinkMessage::default();
        peer.attributes = vec![
            LinkAttribute::IfName(pair.peer_interface.to_owned()),
            LinkAttribute::Address(pair.peer_mac.0.to_vec()),
            LinkAttribute::Mtu(pair.mtu),
            LinkAttribute::NetNsFd(pair.namespace.as_raw_fd()),
        ];
        let mut link = LinkMessage::default();
        mark_up(&mut link);
        link.attributes = vec![
            LinkAttribute::IfName(pair.host_interface.to_owned()),
            LinkAttribute::Mtu(pair.mtu),
            LinkAttribute::Controller(pair.bridge_index),
            LinkAttribute::LinkInfo(vec![
                LinkInfo::Kind(InfoKind::Veth),
                LinkInfo::Data(InfoData::Veth(InfoVeth::Peer(peer))),
            ]),
        ];
        let flags = NLM_F_CREATE | NLM_F_EXCL;
        self.push("create the veth pair", flags, &RouteNetlinkMessage::NewLink(link));
        if pair.isolated || pair.hairpin {
            self.set_port_options(pair);
        }
    }

    fn set_port_options(&mut self, pair: &VethPair<'_>) {
        let options = vec![
            InfoBridgePort::HairpinMode(pair.hairpin),
            InfoBridgePort::Isolated(pair.isolated),
        ];
        let mut link = LinkMessage::default();
        link.attributes = vec![
            LinkAttribute::IfName(pair.host_interface.to_owned()),
            LinkAttribute::LinkInfo(vec![
                LinkInfo::PortKind(InfoPortKind::Bridge),
                LinkInfo::PortData(InfoPortData::BridgePort(options)),
            ]),
        ];
        self.push("configure the bridge port", 0, &RouteNetlinkMessage::NewLink(link));
    }

    /// Creates a macvlan or ipvlan link.
    pub(crate) fn add_child(&mut self, child: &ChildLink<'_>) {
        let mut link = LinkMessage::default();
        link.attributes = vec![
            LinkAttribute::IfName(child.interface.to_owned()),
            LinkAttribute::Link(child.parent_index),
            LinkAttribute::Mtu(child.mtu),
            LinkAttribute::NetNsFd(child.namespace.as_raw_fd()),
        ];
        let (kind, data) = match child.attachment {
            Attachment::Macvlan { mode, .. } => {
                link.attributes.push(LinkAttribute::Address(child.mac.0.to_vec()));
                let mode = InfoMacVlan::Mode(macvlan_mode(*mode));
                (InfoKind::MacVlan, InfoData::MacVlan(vec![mode]))
            }
            Attachment::Ipvlan { mode, .. } => {
                let mode = InfoIpVlan::Mode(ipvlan_mode(*mode));
                (InfoKind::IpVlan, InfoData::IpVlan(vec![mode]))
            }
            // A bridge's ports are veth pairs.
            Attachment::Bridge(_) => return,
        };
        let info = vec![LinkInfo::Kind(kind), LinkInfo::Data(data)];
        link.attributes.push(LinkAttribute::LinkInfo(info));
        let flags = NLM_F_CREATE | NLM_F_EXCL;
        self.push("create a link on", flags, &RouteNetlinkMessage::NewLink(link));
    }

    /// Looks at a link, which makes the kernel act on its carrier now instead of soon.
    pub(crate) fn settle_link(&mut self, name: &str) {
        let mut link = LinkMessage::default();
        link.attributes = vec![LinkAttribute::IfName(name.to_owned())];
        self.push("look at the link", 0, &RouteNetlinkMessage::GetLink(link));
    }

    /// Deletes a link, and with a veth end its peer.
    pub(crate) fn delete_link(&mut self, name: &str) {
        let mut link = LinkMessage::default();
        link.attributes = vec![LinkAttribute::IfName(name.to_owned())];
        self.push("delete the link", 0, &RouteNetlinkMessage::DelLink(link));
    }
}

fn macvlan_mode(mode: MacvlanMode) -> MacVlanMode {
    match mode {
        MacvlanMode::Bridge => MacVlanMode::Bridge,
        MacvlanMode::Private => MacVlanMode::Private,
        MacvlanMode::Vepa => MacVlanMode::Vepa,
        MacvlanMode::Passthru => MacVlanMode::Passthrough,
    }
}

fn ipvlan_mode(mode: IpvlanMode) -> IpVlanMode {
    match mode {
        IpvlanMode::L2 => IpVlanMode::L2,
        IpvlanMode::L3 => IpVlanMode::L3,
        IpvlanMode::L3s => IpVlanMode::L3S,
    }
}

/// Refuses what the kernel would not take as an interface's name, and `%`, which it
/// would replace by a number.
pub(crate) fn check_interface_name(name: &str) -> Result<(), NetworkError> {
    let fits = (1..=INTERFACE_NAME_LEN).contains(&name.len());
    let clean = name.bytes().all(|byte| byte.is_ascii_graphic() && !b"/:%\"".contains(&byte));
    if fits && clean && name != "." && name != ".." {
        Ok(())
    } else {
        Err(NetworkError::InvalidInterface(name.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn interface_names_are_checked() {
        for name in ["eth0", "naru0", "br-0123456789ab"] {
            assert!(check_interface_name(name).is_ok(), "{name:?} was refused");
        }
        for name in ["", ".", "..", "a/b", "veth%d", "a b", "sixteen-letters-", "é", "a\"b"] {
            assert!(check_interface_name(name).is_err(), "{name:?} was taken");
        }
    }
}
