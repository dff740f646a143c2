//! What can go wrong between the host and the guest.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use naru_error::ErrorKind;
use naru_protocol::Port;

use crate::Carrier;

/// A failure to reach the other side.
#[derive(Debug, thiserror::Error)]
pub enum TransportError {
    /// The socket or pipe of the machine could not be opened.
    #[error("cannot connect to the machine's channel {endpoint}")]
    Connect {
        /// The socket, pipe or address.
        endpoint: String,
        /// Why.
        source: io::Error,
    },
    /// QEMU serves one client at a time, and there is one.
    #[error("another client holds the machine's channel {endpoint}")]
    Busy {
        /// The socket or pipe.
        endpoint: String,
    },
    /// The channel is open, but the guest does not answer on it.
    #[error("the guest does not answer on {endpoint} within {} s", .waited.as_secs())]
    NoAnswer {
        /// The socket, pipe or address.
        endpoint: String,
        /// How long it was given.
        waited: Duration,
    },
    /// The connection broke while the stream was being opened.
    #[error("the connection to the guest was lost while opening {port:?}")]
    Lost {
        /// The service that was dialled.
        port: Port,
    },
    /// Nobody listens on the port.
    #[error("nobody in the guest listens on {port:?}")]
    Refused {
        /// The service that was dialled.
        port: Port,
        /// The system's own word for it.
        source: io::Error,
    },
    /// As many streams as a connection may have are open.
    #[error("{limit} streams to the guest are open, which is the limit")]
    TooManyStreams {
        /// The limit.
        limit: usize,
    },
    /// The guest cannot listen.
    #[error("cannot listen for the host on {carrier}")]
    Listen {
        /// What it listens on.
        carrier: Carrier,
        /// Why.
        source: io::Error,
    },
    /// The machine has no virtio-serial port of this name.
    #[error("the machine has no virtio-serial port named {name}")]
    PortMissing {
        /// The name looked for.
        name: String,
    },
    /// The device of the virtio-serial port cannot be opened.
    #[error("cannot open the virtio-serial port {}", .path.display())]
    OpenPort {
        /// The device.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The acceptor has ended.
    #[error("the listener for the host has ended")]
    Closed,
    /// A guest's vsock address is not one a guest can have.
    #[error("{cid} is no guest's vsock address: it must be at least 3 and below 4294967295")]
    InvalidCid {
        /// The number given.
        cid: u32,
    },
    /// This build has no such carrier.
    #[error("{endpoint} cannot be used on this operating system")]
    Unsupported {
        /// The endpoint asked for.
        endpoint: String,
    },
}

impl TransportError {
    /// Which of the closed set of kinds this is.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Connect { .. } | Self::Lost { .. } | Self::Refused { .. } | Self::Closed => {
                ErrorKind::Unavailable
            }
            Self::Busy { .. } => ErrorKind::Conflict,
            Self::NoAnswer { .. } => ErrorKind::Deadline,
            Self::TooManyStreams { .. } => ErrorKind::Unavailable,
            Self::Listen { .. } | Self::OpenPort { .. } => ErrorKind::Internal,
            Self::PortMissing { .. } => ErrorKind::NotFound,
            Self::InvalidCid { .. } => ErrorKind::InvalidArgument,
            Self::Unsupported { .. } => ErrorKind::Unsupported,
        }
    }
}
