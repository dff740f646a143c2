//! The name server that each container finds at 127.0.0.11.
//!
//! ```text
//!   container ─► 127.0.0.11:53 ─► udp, tcp ─► decide ─┬─ our names ─► answer
//!                                                     └─ others ─► forward ─► upstream
//! ```
//!
//! `decide` is pure: bytes in, bytes or "forward" out. What is forwarded goes on byte
//! for byte, and its reply comes back so; only the message's id differs on the way, so
//! that nobody can foresee it. The crate knows nothing of containers and networks:
//! names come from [`Names`], sockets from the caller. Only [`Dialer`] knows that
//! there are network namespaces.
//!
//! A container's server costs two idle tasks. Everything that one container can make
//! it hold (forwards, connections, buffers) is bounded.

mod answer;
mod decide;
mod dial;
mod error;
mod forward;
mod message;
mod names;
mod server;
mod tcp;
mod udp;

pub use dial::Dialer;
pub use error::DnsError;
pub use names::{Family, Lookup, Names, Side, Upstream, Upstreams};
pub use server::{Server, Sockets, serve};
