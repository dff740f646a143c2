//! Build contexts: what a client sends to be copied from.
//!
//! A context is a directory of the engine's own, beside its other state, and gone with the build.
//! It is filled from an archive that is not to be trusted, or by a session. All that is in it
//! belongs to root, as Docker has it, whoever it belongs to where it comes from. Links in it stay
//! as they are: whoever reads it resolves them inside of it.
//!
//! Everything but the fetching blocks.

mod access;
mod directory;
mod error;
mod git;
mod ignored;
mod spooled;
mod stream;

pub(crate) use access::GitAccess;
pub(crate) use directory::{Context, Received, sweep};
pub(crate) use error::ContextError;
pub(crate) use git::clone_git;
pub(crate) use spooled::Spooled;
