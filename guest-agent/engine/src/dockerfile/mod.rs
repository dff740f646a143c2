//! Instructions of a Dockerfile: read from text, and those that only change an image's
//! configuration put into one. The text is a client's, and is not trusted.
//!
//! ```text
//! text ──► lines (comments, continuations) ──► instruction (words, JSON, flags) ──► apply
//! ```

mod apply;
mod error;
mod expand;
mod instruction;
mod lines;
mod words;

pub(crate) use apply::apply_changes;
pub use error::DockerfileError;
