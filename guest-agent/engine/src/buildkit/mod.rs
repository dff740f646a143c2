//! BuildKit's door to the engine's builder: what buildx asks becomes a build, and what a build
//! tells becomes what buildx draws.
//!
//! ```text
//! naru_buildkit ──► EngineBuilder ──► attributes: what is to be built
//!   sessions            │             files: the client's directories, kept between builds
//!   progress ◄── drawing┤             secrets: what it is asked for by name
//!                       ▼
//!                  Engine::build ──► export: an image, an archive, a tree
//! ```

mod attributes;
mod builder;
mod checks;
mod client;
mod drawing;
mod export;
mod failure;
mod files;
mod names;
mod provenance;
mod questions;
mod receive;
mod secrets;
mod solution;
mod uploads;
mod usage;

pub(crate) use builder::EngineBuilder;
pub(crate) use uploads::{Archive, Uploads};

/// BuildKit's services in front of this engine.
pub(crate) type BuildDoor = naru_buildkit::Door<EngineBuilder>;
