//! Git repositories, read as far as a build needs them: one commit's files, without history.
//!
//! ```text
//! info/refs ─► Capabilities ─► refs_request ─► Refs: what a name means
//!     ─► fetch_request ─► PackReader ─► Pack (objects by their ids) ─► Checkout (files)
//!                                                                  └► keep (`.git`)
//! ```
//!
//! The protocol is version 2 over HTTP. Nothing is asked here: requests are bytes that the caller
//! sends, answers what it reads. What comes is a stranger's: it is bounded, each object is known by
//! the hash of what is in it, and no file is written outside of the directory that is given.

mod checkout;
mod delta;
mod entry;
mod error;
mod keep;
mod modules;
mod object;
mod pack;
mod packet;
mod refs;
mod store;
mod tree;

pub use checkout::{Checkout, Submodule, checkout};
pub use error::GitError;
pub use keep::keep;
pub use modules::Modules;
pub use object::ObjectId;
pub use pack::{Pack, Room};
pub use packet::{PackReader, fetch_request};
pub use refs::{Capabilities, Found, Refs, refs_request};
