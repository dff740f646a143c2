//! What a namespace routes, and where its default routes lead.

use std::net::IpAddr;
use std::path::Path;

use crate::error::NetworkError;
use crate::namespace;
use crate::route::{self, RouteRequests};
use crate::subnet::Subnet;

/// Prefixes shorter than this are ways of writing "everything", as VPNs do, and not
/// networks that a container's could collide with.
const SHORTEST_NETWORK_PREFIX: u8 = 8;

/// Where what no other route covers goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DefaultRoute {
    /// The interface it leaves by.
    pub interface: String,
    /// Who gets it; unspecified for whoever is there.
    pub gateway: IpAddr,
}

/// The networks of this host, other than what lies behind `bridge`.
pub(crate) fn networks_beside(bridge: &str) -> Result<Vec<Subnet>, NetworkError> {
    let own = route::interface_index(bridge).ok();
    let mut routed = route::routed_subnets(&route::open()?, own)?;
    routed.retain(|subnet| subnet.prefix_len() >= SHORTEST_NETWORK_PREFIX);
    Ok(routed)
}

/// Replaces the default routes of the namespace. This thread stays in it.
///
/// A family's new route takes the place of the old in one step, so that what is under way
/// does not meet a moment without one.
pub(crate) fn set_default_routes(
    netns: &Path,
    routes: &[DefaultRoute],
) -> Result<(), NetworkError> {
    let namespace = namespace::open(netns)?;
    namespace::enter(&namespace, netns)?;
    let socket = route::open()?;
    let mut requests = RouteRequests::default();
    for route in routes {
        let index = route::interface_index(&route.interface)?;
        requests.set_default_route(route.gateway, Some(index));
    }
    for ipv6 in [false, true] {
        if routes.iter().all(|route| route.gateway.is_ipv6() != ipv6) {
            for old in route::default_routes(&socket, ipv6)? {
                requests.delete_route(old);
            }
        }
    }
    requests.send(&socket, "default routes")
}
