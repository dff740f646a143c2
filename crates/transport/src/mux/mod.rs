//! Many streams on one byte channel.
//!
//! ```text
//!          channel open
//!   idle ──────────────► preamble ──► session ──► (channel closed, or bytes
//!    ▲                      │            │          that are no frames)
//!    └──────────────────────┴────────────┘
//! ```
//!
//! The channel outlives the programs at its ends, so bytes of an earlier session, cut
//! anywhere, may be in it. Each session therefore begins with a `preamble` that
//! both sides can find in any bytes; then it speaks yamux. One task (`session`) owns
//! the connection and never waits for a stream's reader, so that a stalled one
//! costs the others nothing but its window.
//!
//! On each stream the dialler first writes the port (u32, big-endian). The acceptor
//! first answers one byte, `ACCEPTED` or why not. It is needed beyond what it says:
//! yamux allows 256 streams without an acknowledgement, which is sent with the first
//! bytes, and a service may be long in having any.

mod acceptor;
mod dialer;
mod preamble;
mod session;
mod stream;

use std::fmt::Debug;
use std::time::Duration;

use async_trait::async_trait;

pub use self::acceptor::MuxAcceptor;
pub use self::dialer::MuxDialer;
use crate::{BoxedStream, TransportError};

/// How long the guest may take to answer the preamble of a session.
pub const SESSION_DEADLINE: Duration = Duration::from_secs(5);

/// How many streams a session carries at once. Each can hold its window of 256 KiB
/// in memory when its reader stalls.
pub const MAX_STREAMS: usize = 2048;

/// The acceptor's first byte: the stream is the service's.
const ACCEPTED: u8 = 0;
/// The acceptor's first byte: nobody listens on the port.
const NOBODY_LISTENS: u8 = 1;
/// The acceptor's first byte: [`MAX_STREAMS`] are open.
const TOO_MANY: u8 = 2;

/// Gives the byte channel of the next session, on either side.
#[async_trait]
pub trait Connector: Send + Sync + Debug {
    /// Waits for the channel to open. On the dialling side an error is the answer to
    /// one `dial`; on the accepting side it ends the acceptor. Cancel safe.
    async fn connect(&mut self) -> Result<BoxedStream, TransportError>;

    /// The channel's name, for messages.
    fn describe(&self) -> String;
}
