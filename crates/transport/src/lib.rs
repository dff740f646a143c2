//! Byte streams between the host and the guest agent.
//!
//! The host [`connect`]s to a running machine and [`Dialer::dial`]s a
//! [`Port`]; the guest [`Acceptor::accept`]s. Two carriers do the same job:
//!
//! - **vsock**: the kernel's own stream sockets, where the host has vhost-vsock;
//! - **virtio-serial**: one byte channel which QEMU offers on every host, shared by
//!   many streams through yamux ([`mux`]).
//!
//! A stream has its own flow control, and each side can end its direction alone
//! (`shutdown`). A stream that ends because the other side is gone, rather than
//! because it was ended, gives an error and never a clean end of file.
//!
//! Nothing here knows what the streams say, nor how the machine is started.

mod datagrams;
mod endpoint;
mod error;
#[cfg(unix)]
mod frames;
#[cfg(target_os = "linux")]
pub mod guest;
pub mod mux;
pub mod selftest;
#[cfg(feature = "test-suite")]
pub mod suite;
#[cfg(target_os = "linux")]
mod sys;
mod vsock;

use std::fmt::{Debug, Display, Formatter, Result as FmtResult};

use async_trait::async_trait;
pub use naru_protocol::Port;
use tokio::io::{AsyncRead, AsyncWrite};

pub use crate::datagrams::{MAX_DATAGRAM, datagrams};
pub use crate::endpoint::{Endpoint, GuestCid, connect};
pub use crate::error::TransportError;

/// A byte stream in both directions, each of which can be ended alone.
pub trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}

impl<T: AsyncRead + AsyncWrite + Unpin + Send> Stream for T {}

/// A stream of whatever carrier.
pub type BoxedStream = Box<dyn Stream>;

/// What carries the streams.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Carrier {
    /// `AF_VSOCK`, or its user-space device.
    Vsock,
    /// Streams multiplexed on a virtio-serial port.
    VirtioSerial,
}

impl Display for Carrier {
    fn fmt(&self, f: &mut Formatter<'_>) -> FmtResult {
        f.write_str(match self {
            Self::Vsock => "vsock",
            Self::VirtioSerial => "virtio-serial",
        })
    }
}

/// The host's side: opens streams to the guest.
#[async_trait]
pub trait Dialer: Send + Sync + Debug {
    /// Opens a stream to the service on `port`.
    ///
    /// A port nobody listens on is an error here or, on the multiplexed carrier,
    /// which saves the round trip, a `ConnectionRefused` at the first read. The
    /// connection is made anew when an earlier one was lost. Cancel safe.
    async fn dial(&self, port: Port) -> Result<BoxedStream, TransportError>;

    /// What the streams run on.
    fn carrier(&self) -> Carrier;
}

/// The guest's side: takes the host's streams, of all its ports.
#[async_trait]
pub trait Acceptor: Send + Debug {
    /// Waits for the next stream. An error is final. Cancel safe.
    async fn accept(&mut self) -> Result<(Port, BoxedStream), TransportError>;
}
