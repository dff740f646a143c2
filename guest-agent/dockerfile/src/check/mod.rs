//! What is no error in a Dockerfile and yet not as it should be: BuildKit's checks, with its names
//! and words.
//!
//! ```text
//! Checks::new ─► text     what its lines alone show
//!             ─► bases    its FROMs, once the arguments are known
//!             ─► stages   the instructions of some stages, once their base images are known
//!             ─► found, failure
//! ```
//!
//! Each step finds more, in the order in which BuildKit does. What is found is about lines of the
//! file; a build goes on, unless the file or whoever builds says that it is not to.

mod bases;
mod checks;
mod options;
mod rules;
mod stages;

#[cfg(test)]
mod tests;

pub use checks::{Checks, Finding};
pub use options::CheckOptions;
pub use rules::Rule;
pub use stages::Base;
