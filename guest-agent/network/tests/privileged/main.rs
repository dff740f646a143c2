//! Container networks in the kernel, proven by connections and packets. Needs root.
//!
//! Nothing of the machine's own network is touched: each test makes a host and a
//! neighbour of it, two network namespaces.

mod bridge;
mod isolation;
mod lab;
mod many;
mod publish;
mod resolver;
mod restart;
mod udp;
mod uplink;
