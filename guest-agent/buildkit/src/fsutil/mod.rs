//! fsutil's protocol: a tree of files over a stream of packets.
//!
//! ```text
//!   sender                         receiver
//!     STAT a, STAT a/b, …   ─────►   checks, asks the sink whether it wants the contents
//!     STAT (empty): all told
//!                           ◄─────   REQ n: the contents of the n-th entry
//!     DATA n, DATA n, …     ─────►   of several files by turns; an empty one ends a file
//!                           ◄─────   FIN: has all that it wants
//!     FIN                   ─────►
//! ```
//!
//! Either side may say ERR with a text instead. Entries come in the order of a walk (bytes,
//! with `/` before all others), each directory before what is in it; the receiver holds it to that,
//! so that who keeps the files never meets a path whose parents it has not just made itself.
//! A symbolic link's target is anybody's text: a sink must never follow one.
//!
//! What a peer can make this side hold is bounded: a file's contents are handed on packet by
//! packet, a few files are open at once, and of the others only their names wait.

mod entry;
mod error;
mod order;
mod path;
mod receive;
mod send;

pub use entry::{Entry, Kind};
pub use error::TransferError;
pub use receive::{Received, Sink};
pub use send::Tree;

pub(crate) use receive::receive;
pub(crate) use send::send;

use crate::wire::fsutil::{Packet, PacketType};

impl Packet {
    /// A packet with a file's number and nothing else.
    fn of(kind: PacketType, id: u32) -> Self {
        Self { r#type: kind.into(), id, ..Self::default() }
    }

    fn failure(error: &TransferError) -> Self {
        let data = naru_error::chain(error).into_bytes().into();
        Self { data, ..Self::of(PacketType::Err, 0) }
    }
}
