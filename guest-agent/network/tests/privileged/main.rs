//! Container networks in the kernel, proven by connections and packets. Needs root.
//!
//! Nothing of the machine's own network is touched: each test makes a host and a
//! neighbour of it, two network namespaces.

mod bridge;
mod config;
mod ipv6;
mod isolation;
mod lab;
mod many;
mod packets;
mod parent;
mod publish;
mod resolver;
mod restart;
mod routing;
mod traffic;
mod udp;
mod uplink;
