//! The machine's own link to the outside, for PID 1 of the VM.
//!
//! Synchronous, and all of this crate that there is without the feature `engine`.

use std::net::Ipv4Addr;

use crate::error::NetworkError;
use crate::route::{self, RouteRequests};

/// The loopback interface has this number in every namespace.
const LOOPBACK_INDEX: u32 = 1;

/// Brings `lo` up in the network namespace of this thread. The kernel gives it
/// 127.0.0.1 by itself.
pub fn loopback_up() -> Result<(), NetworkError> {
    let mut requests = RouteRequests::default();
    requests.set_up(LOOPBACK_INDEX);
    requests.send(&route::open()?, "lo")
}

/// Brings the interface `name` up with a static address and routes everything
/// through `gateway`. It can be called again with the same values.
pub fn configure_uplink(
    name: &str,
    address: Ipv4Addr,
    prefix_len: u8,
    gateway: Ipv4Addr,
) -> Result<(), NetworkError> {
    let index = route::interface_index(name)?;
    let mut requests = RouteRequests::default();
    requests.set_up(index);
    requests.add_address(index, address.into(), prefix_len);
    requests.set_default_route(gateway.into(), Some(index));
    requests.send(&route::open()?, name)
}
