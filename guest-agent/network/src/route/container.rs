//! The requests that only the engine makes: bridges, veth pairs, what is routed.

use std::os::fd::{AsRawFd, BorrowedFd};

use netlink_packet_core::{
    Emitable, NLM_F_CREATE, NLM_F_DUMP, NLM_F_EXCL, NetlinkMessage, NetlinkPayload,
};
use netlink_packet_route::link::{
    InfoBridgePort, InfoData, InfoKind, InfoPortData, InfoPortKind, InfoVeth, LinkAttribute,
    LinkInfo, LinkMessage,
};
use netlink_packet_route::route::{RouteAddress, RouteAttribute, RouteMessage, RouteType};
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage};

use super::{RouteRequests, mark_up};
use crate::address::{Ipv4Subnet, MacAddress};
use crate::error::NetworkError;
use crate::netlink::{Requests, Socket};

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

impl RouteRequests {
    /// Creates a bridge and brings it up, or adjusts the one that is there.
    pub(crate) fn ensure_bridge(&mut self, name: &str, mac: MacAddress, mtu: u32) {
        let mut link = LinkMessage::default();
        mark_up(&mut link);
        link.attributes = vec![
            LinkAttribute::IfName(name.to_owned()),
            // Without one of its own a bridge takes the lowest of its ports', and so
            // changes it as containers come and go.
            LinkAttribute::Address(mac.0.to_vec()),
            LinkAttribute::Mtu(mtu),
            LinkAttribute::LinkInfo(vec![LinkInfo::Kind(InfoKind::Bridge)]),
        ];
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

    /// Deletes a link, and with a veth end its peer.
    pub(crate) fn delete_link(&mut self, name: &str) {
        let mut link = LinkMessage::default();
        link.attributes = vec![LinkAttribute::IfName(name.to_owned())];
        self.push("delete the link", 0, &RouteNetlinkMessage::DelLink(link));
    }
}

/// The IPv4 networks that this namespace has unicast routes to, other than through
/// the interface `except`.
pub(crate) fn routed_subnets(
    socket: &Socket,
    except: Option<u32>,
) -> Result<Vec<Ipv4Subnet>, NetworkError> {
    let mut query = RouteMessage::default();
    query.header.address_family = AddressFamily::Inet;
    let query = RouteNetlinkMessage::GetRoute(query);
    let mut requests = Requests::default();
    requests.push("list the routes", query.message_type(), NLM_F_DUMP, |bytes| {
        let start = bytes.len();
        bytes.resize(start + query.buffer_len(), 0);
        if let Some(body) = bytes.get_mut(start..) {
            query.emit(body);
        }
    });
    let mut subnets = Vec::new();
    socket.dump(&requests, |message| subnets.extend(routed_subnet(message, except))).map_err(
        |refusal| NetworkError::Netlink {
            operation: refusal.operation,
            subject: "main table".to_owned(),
            source: refusal.source,
        },
    )?;
    Ok(subnets)
}

fn routed_subnet(message: &[u8], except: Option<u32>) -> Option<Ipv4Subnet> {
    let message = NetlinkMessage::<RouteNetlinkMessage>::deserialize(message).ok()?;
    let NetlinkPayload::InnerMessage(RouteNetlinkMessage::NewRoute(route)) = message.payload else {
        return None;
    };
    let excepted =
        except.is_some_and(|index| route.attributes.contains(&RouteAttribute::Oif(index)));
    if excepted || route.header.kind != RouteType::Unicast {
        return None;
    }
    let destination = route.attributes.iter().find_map(|attribute| match attribute {
        RouteAttribute::Destination(RouteAddress::Inet(address)) => Some(*address),
        _ => None,
    })?;
    Ipv4Subnet::new(destination, route.header.destination_prefix_length).ok()
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
