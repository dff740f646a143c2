//! What `COPY` and `ADD` do, as BuildKit does it.
//!
//! ```text
//! CopyPlan: what is said ─► fetch: what is on the web ─► find: which files, and their fingerprints
//!     ─► key: known? ─► else copy: into the root
//! ```
//!
//! Sources and destination are trees that nobody else writes to meanwhile. All that is in them is
//! an image's, a client's or an archive's: links are resolved inside of their tree, and what is no
//! regular file is never opened. What is copied keeps its owner, but for what comes of
//! a context, which is root's already.
//!
//! Nothing is known here of stages, images and caches. Everything but the fetching blocks.

mod archive;
mod content;
mod destination;
mod directories;
mod dress;
mod error;
mod fetch;
mod filter;
mod find;
mod hash;
mod owner;
mod place;
mod plan;
#[cfg(test)]
mod tests;
mod walk;
mod write;

pub(crate) use directories::{NewDirectory, make_directory};
pub(crate) use error::CopyError;
pub(crate) use fetch::Fetched;
pub(crate) use find::{Found, Sources};
pub(crate) use hash::fingerprint;
pub(crate) use owner::owner;
pub(crate) use place::CopyTarget;
pub(crate) use plan::CopyPlan;
