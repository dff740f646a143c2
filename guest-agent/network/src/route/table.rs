//! What the namespace of this thread routes.

use std::net::IpAddr;

use netlink_packet_core::{Emitable, NLM_F_DUMP, NetlinkMessage, NetlinkPayload};
use netlink_packet_route::route::{
    RouteAddress, RouteAttribute, RouteHeader, RouteMessage, RouteType,
};
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage};

use crate::error::NetworkError;
use crate::netlink::{Requests, Socket};
use crate::subnet::Subnet;

/// The networks that there are unicast routes to, other than through the interface
/// `except`.
pub(crate) fn routed_subnets(
    socket: &Socket,
    except: Option<u32>,
) -> Result<Vec<Subnet>, NetworkError> {
    let mut routes = list(socket, AddressFamily::Inet)?;
    routes.extend(list(socket, AddressFamily::Inet6)?);
    let leads_elsewhere = |route: &&RouteMessage| {
        except.is_none_or(|index| !route.attributes.contains(&RouteAttribute::Oif(index)))
    };
    Ok(routes.iter().filter(leads_elsewhere).filter_map(destination).collect())
}

/// The default routes of the main table.
pub(crate) fn default_routes(
    socket: &Socket,
    ipv6: bool,
) -> Result<Vec<RouteMessage>, NetworkError> {
    let family = if ipv6 { AddressFamily::Inet6 } else { AddressFamily::Inet };
    let mut routes = list(socket, family)?;
    routes.retain(|route| {
        route.header.destination_prefix_length == 0
            && route.header.table == RouteHeader::RT_TABLE_MAIN
    });
    Ok(routes)
}

fn list(socket: &Socket, family: AddressFamily) -> Result<Vec<RouteMessage>, NetworkError> {
    let mut query = RouteMessage::default();
    query.header.address_family = family;
    let query = RouteNetlinkMessage::GetRoute(query);
    let mut requests = Requests::default();
    requests.push("list the routes", query.message_type(), NLM_F_DUMP, |bytes| {
        let start = bytes.len();
        bytes.resize(start + query.buffer_len(), 0);
        if let Some(body) = bytes.get_mut(start..) {
            query.emit(body);
        }
    });
    let mut routes = Vec::new();
    socket.dump(&requests, |message| routes.extend(unicast(message))).map_err(|refusal| {
        NetworkError::Netlink {
            operation: refusal.operation,
            subject: "all tables".to_owned(),
            source: refusal.source,
        }
    })?;
    Ok(routes)
}

fn unicast(message: &[u8]) -> Option<RouteMessage> {
    let message = NetlinkMessage::<RouteNetlinkMessage>::deserialize(message).ok()?;
    match message.payload {
        NetlinkPayload::InnerMessage(RouteNetlinkMessage::NewRoute(route)) => {
            (route.header.kind == RouteType::Unicast).then_some(route)
        }
        _ => None,
    }
}

fn destination(route: &RouteMessage) -> Option<Subnet> {
    let network = route.attributes.iter().find_map(|attribute| match attribute {
        RouteAttribute::Destination(RouteAddress::Inet(address)) => Some(IpAddr::V4(*address)),
        RouteAttribute::Destination(RouteAddress::Inet6(address)) => Some(IpAddr::V6(*address)),
        _ => None,
    })?;
    Subnet::new(network, route.header.destination_prefix_length).ok()
}
