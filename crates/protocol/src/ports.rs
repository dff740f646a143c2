//! Published ports in VM mode: the host listens, the engine asks it to.
//!
//! The host opens `POST /naru/ports` with `Upgrade: naru-ports` and keeps the
//! connection. Both sides then write one JSON object a line: the engine
//! [`PortRequest`]s, the host a [`PortReply`] to each `bind`. On a new connection
//! the engine first asks again for every port that a running container publishes.
//! For every connection it accepts on a bound port, the host opens a tunnel
//! (`TUNNEL_PATH`) to the `target` of the bind.

use std::net::{IpAddr, SocketAddr};

use serde::{Deserialize, Serialize};

/// Path of `POST` with `Upgrade: naru-ports`.
pub const PATH: &str = "/naru/ports";

/// What is spoken on a published port.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PortProtocol {
    /// Connections.
    #[default]
    Tcp,
    /// Datagrams.
    Udp,
}

impl PortProtocol {
    /// As it is written in a tunnel's query.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Tcp => "tcp",
            Self::Udp => "udp",
        }
    }
}

/// What the engine asks of the host.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "op", rename_all = "snake_case")]
pub enum PortRequest {
    /// Listen, and tunnel what arrives to `target`.
    Bind {
        /// Chosen by the engine; names the listener from now on.
        id: u64,
        /// What is spoken on it.
        protocol: PortProtocol,
        /// The host's address to listen on; unspecified means all.
        host_ip: IpAddr,
        /// The host's port; 0 means any free one.
        host_port: u16,
        /// Where to tunnel to, as the guest sees it.
        target: SocketAddr,
    },
    /// Stop listening; open connections go on until they end.
    Release {
        /// The listener's id.
        id: u64,
    },
}

/// The host's answer to a `bind`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "result", rename_all = "snake_case")]
pub enum PortReply {
    /// Listening.
    Bound {
        /// The listener's id.
        id: u64,
        /// The port listened on, never 0.
        host_port: u16,
    },
    /// Not listening, and why.
    Refused {
        /// The listener's id.
        id: u64,
        /// One sentence without a full stop, such as
        /// `port 8080 is already in use by nginx (pid 812)`.
        message: String,
    },
    /// Not listening: this computer does not have the family of the address.
    NoFamily {
        /// The listener's id.
        id: u64,
    },
}
