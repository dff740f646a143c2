//! Requests about links, addresses and routes (rtnetlink(7)).
//!
//! Several go into one [`RouteRequests`], which costs one system call however many
//! they are.

use std::net::{IpAddr, Ipv4Addr};

use netlink_packet_core::{Emitable, NLM_F_ACK, NLM_F_CREATE, NLM_F_REPLACE};
use netlink_packet_route::address::{AddressAttribute, AddressMessage};
use netlink_packet_route::link::{LinkFlags, LinkMessage};
use netlink_packet_route::route::{
    RouteAddress, RouteAttribute, RouteHeader, RouteMessage, RouteProtocol, RouteScope, RouteType,
};
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage};
use nix::net::if_::if_nametoindex;

use crate::address::Ipv4Subnet;
use crate::error::NetworkError;
use crate::netlink::{Requests, Socket};

#[cfg(feature = "engine")]
mod container;
#[cfg(feature = "engine")]
pub(crate) use container::{VethPair, check_interface_name, routed_subnets};

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

    /// Gives a link its IPv4 address. One that it has is no error.
    pub(crate) fn add_address(&mut self, index: u32, address: Ipv4Addr, prefix_len: u8) {
        let subnet = Ipv4Subnet::containing(address, prefix_len);
        let mut message = AddressMessage::default();
        message.header.family = AddressFamily::Inet;
        message.header.prefix_len = prefix_len;
        message.header.index = index;
        message.attributes = vec![
            AddressAttribute::Local(IpAddr::V4(address)),
            AddressAttribute::Address(IpAddr::V4(address)),
            AddressAttribute::Broadcast(subnet.broadcast()),
        ];
        let flags = NLM_F_CREATE | NLM_F_REPLACE;
        self.push("add the address", flags, &RouteNetlinkMessage::NewAddress(message));
    }

    /// Sends what no other route covers to `gateway`. An earlier default route is
    /// replaced.
    pub(crate) fn add_default_route(&mut self, gateway: Ipv4Addr) {
        let mut route = RouteMessage::default();
        route.header = RouteHeader {
            address_family: AddressFamily::Inet,
            table: RouteHeader::RT_TABLE_MAIN,
            protocol: RouteProtocol::Boot,
            scope: RouteScope::Universe,
            kind: RouteType::Unicast,
            ..RouteHeader::default()
        };
        route.attributes = vec![RouteAttribute::Gateway(RouteAddress::Inet(gateway))];
        let flags = NLM_F_CREATE | NLM_F_REPLACE;
        self.push("add the default route", flags, &RouteNetlinkMessage::NewRoute(route));
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

fn mark_up(link: &mut LinkMessage) {
    link.header.flags = LinkFlags::Up;
    link.header.change_mask = LinkFlags::Up;
}
