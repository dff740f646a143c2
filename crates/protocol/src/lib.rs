//! The contract between the host and the guest agent: no I/O, only types.
//!
//! Host and guest exchange byte streams (`naru-transport`). On [`Port::API`] the
//! agent serves HTTP/1.1: the Docker Engine API and, beside it, the control routes
//! under `/naru/` whose bodies are defined here. Additions only: a field or a route
//! is never renamed or removed within one [`PROTOCOL_VERSION`].

pub mod folder;
pub mod handshake;
pub mod ping;
pub mod platforms;
pub mod ports;
pub mod prune;
pub mod registries;
pub mod repository;
pub mod search;
pub mod usage;
pub mod version;
pub mod volumes;

use serde::{Deserialize, Serialize};

/// The version of everything in this crate. Both sides must have the same one.
pub const PROTOCOL_VERSION: u32 = 1;

/// The name of the virtio-serial port that carries the multiplexed streams.
pub const MUX_PORT_NAME: &str = "naru.mux";

/// The serial number of the data disk, by which init finds it
/// (`/sys/block/*/serial`, at most 20 bytes by the virtio specification).
pub const DATA_DISK_SERIAL: &str = "naru-data";

/// A service's number on the guest: a vsock port, or the first four bytes
/// (big-endian) of a multiplexed stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Port(pub u32);

impl Port {
    /// The HTTP server: Docker Engine API and `/naru/` routes.
    pub const API: Self = Self(1024);
    /// Echoes every byte; the transport tests and the bench dial it.
    pub const ECHO: Self = Self(1025);
    /// Accepts and never reads: what a stalled reader looks like to the other streams.
    pub const STALL: Self = Self(1026);
    /// Reads and drops every byte, then answers the count (u64, big-endian) and closes.
    pub const DISCARD: Self = Self(1027);
}

/// `POST /naru/clock`: sets the guest's wall clock. Answer: 204.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SetClock {
    /// Nanoseconds since the Unix epoch, as the host sees it now.
    pub unix_nanos: u64,
}

/// Path of `POST`, [`SetClock`] → 204.
pub const CLOCK_PATH: &str = "/naru/clock";

/// Path of `POST`, no body → 202. Stops all containers, unmounts, powers off.
pub const POWER_OFF_PATH: &str = "/naru/power-off";

/// Path of `POST` with `Upgrade`: a stream to an address as the guest sees it, given as
/// `?address=IP:PORT` (an IPv6 address in brackets). With `&protocol=udp` it carries
/// datagrams, each with its length before it (two bytes, big-endian).
pub const TUNNEL_PATH: &str = "/naru/tunnel";
