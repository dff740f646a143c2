//! The messages of BuildKit's protocol, written by hand from its published definitions.
//!
//! A message has the fields that Naru reads or fills; prost passes over all others, so that
//! a newer client is understood as far as it says what an older one could say. Names are the
//! protocol's, in Rust's spelling; numbers are its contract. No `protoc` runs when Naru is
//! built: the definitions are few, and they change by addition only.
//!
//! Names of files are `bytes` here although the protocol says `string`: on the wire both are
//! the same, and a file may have a name that is not UTF-8.

#![expect(missing_docs, reason = "the fields are those of the published protocol")]

pub mod control;
pub mod fsutil;
pub mod gateway;
pub mod google;
pub mod health;
pub mod history;
pub mod ops;
pub mod session;
pub mod worker;
