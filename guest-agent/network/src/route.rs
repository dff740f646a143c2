//! Requests about links, addresses and routes (rtnetlink(7)).
//!
//! Several go into one [`RouteRequests`], which costs one system call however many
//! they are.

use std::net::IpAddr;

use netlink_packet_core::{Emitable, NLM_F_ACK, NLM_F_CREATE, NLM_F_REPLACE};
use netlink_packet_route::address::{AddressAttribute, AddressFlags, AddressMessage};
use netlink_packet_route::link::{LinkFlags, LinkMessage};
use netlink_packet_route::route::{
    RouteAddress, RouteAttribute, RouteHeader, RouteMessage, RouteProtocol, RouteScope, RouteType,
};
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage};
use nix::net::if_::if_nametoindex;

use crate::error::NetworkError;
use crate::netlink::{Requests, Socket};
use crate::subnet::Subnet;

#[cfg(feature = "engine")]
mod link;
#[cfg(feature = "engine")]
mod table;
#[cfg(feature = "engine")]
pub(crate) use link::{ChildLink, VethPair, check_interface_name};
#[cfg(feature = "engine")]
pub(crate) use table::{default_routes, routed_subnets};

/// Requests to be sent together.
#[derive(Debug, Default)]
pub(crate) struct RouteRequests(Requests);

impl RouteRequests {
    /// Brings a link up.
    pub(crate) fn set_up(&mut self, index: u32) {
        let mut link = LinkMessage::default();
        link.header.index = index;
        mark_up(&mut link);
        self.push("bring up the link", 0, &RouteNetlinkMessage::NewLink(link));
    }

    /// Gives a link an address. One that it has is no error.
    pub(crate) fn add_address(&mut self, index: u32, address: IpAddr, prefix_len: u8) {
        let mut message = AddressMessage::default();
        message.header.family = family(address);
        message.header.prefix_len = prefix_len;
        message.header.index = index;
        message.attributes =
            vec![AddressAttribute::Local(address), AddressAttribute::Address(address)];
        message.attributes.push(match Subnet::containing(address, prefix_len).last() {
            IpAddr::V4(broadcast) => AddressAttribute::Broadcast(broadcast),
            // Usable at once: who else has it is known here, so that nobody need be asked.
            IpAddr::V6(_) => AddressAttribute::Flags(AddressFlags::Nodad),
        });
        let flags = NLM_F_CREATE | NLM_F_REPLACE;
        self.push("add the address", flags, &RouteNetlinkMessage::NewAddress(message));
    }

    /// Sends what no other route covers to `gateway`, through the interface if one is
    /// given, or just through that if the gateway is unspecified. An earlier default route
    /// of the family is replaced.
    pub(crate) fn set_default_route(&mut self, gateway: IpAddr, interface: Option<u32>) {
        let mut route = RouteMessage::default();
        route.header = RouteHeader {
            address_family: family(gateway),
            table: RouteHeader::RT_TABLE_MAIN,
            protocol: RouteProtocol::Boot,
            scope: RouteScope::Universe,
            kind: RouteType::Unicast,
            ..RouteHeader::default()
        };
        if !gateway.is_unspecified() {
            route.attributes.push(RouteAttribute::Gateway(RouteAddress::from(gateway)));
        } else if gateway.is_ipv4() {
            route.header.scope = RouteScope::Link;
        }
        route.attributes.extend(interface.map(RouteAttribute::Oif));
        let flags = NLM_F_CREATE | NLM_F_REPLACE;
        self.push("add the default route", flags, &RouteNetlinkMessage::NewRoute(route));
    }

    /// Deletes a route as the kernel listed it.
    #[cfg(feature = "engine")]
    pub(crate) fn delete_route(&mut self, route: RouteMessage) {
        self.push("delete the route", 0, &RouteNetlinkMessage::DelRoute(route));
    }

    /// Sends them all; `subject` names in an error what they were about.
    pub(crate) fn send(self, socket: &Socket, subject: &str) -> Result<(), NetworkError> {
        socket.send(&self.0).map_err(|refusal| NetworkError::Netlink {
            operation: refusal.operation,
            subject: subject.to_owned(),
            source: refusal.source,
        })
    }

    fn push(&mut self, operation: &'static str, flags: u16, message: &RouteNetlinkMessage) {
        self.0.push(operation, message.message_type(), flags | NLM_F_ACK, |bytes| {
            let start = bytes.len();
            bytes.resize(start + message.buffer_len(), 0);
            if let Some(body) = bytes.get_mut(start..) {
                message.emit(body);
            }
        });
    }
}

/// A route socket in the namespace of this thread.
pub(crate) fn open() -> Result<Socket, NetworkError> {
    Socket::route().map_err(|source| NetworkError::Netlink {
        operation: "open a netlink socket",
        subject: "route".to_owned(),
        source,
    })
}

/// The number of the interface `name` in the namespace of this thread.
pub(crate) fn interface_index(name: &str) -> Result<u32, NetworkError> {
    if_nametoindex(name).map_err(|errno| NetworkError::Netlink {
        operation: "find the interface",
        subject: name.to_owned(),
        source: errno.into(),
    })
}

fn family(address: IpAddr) -> AddressFamily {
    if address.is_ipv4() { AddressFamily::Inet } else { AddressFamily::Inet6 }
}

fn mark_up(link: &mut LinkMessage) {
    link.header.flags = LinkFlags::Up;
    link.header.change_mask = LinkFlags::Up;
}
