//! The Dockerfile language, as BuildKit's own frontend reads it: syntax 1.7, and what later ones
//! have that needs no other frontend. Text goes in; what comes out says what is to be done, in
//! which order, and where in the text it says so. Nothing is read, run or fetched here, and
//! nothing is known of images or containers. The text is a client's, and is not trusted.
//!
//! ```text
//! text ─► source: directives, logical lines, here-documents ─► parse: words, flags, instructions
//!      ─► file: arguments and stages ─► graph: what needs what, for the globals of a build
//!      ─► for each instruction of a stage that is needed: scope (what is seen), expanded
//! ```
//!
//! [`Dockerfile::parse`] understands a file, [`Dockerfile::globals`] what is given from outside,
//! and [`Dockerfile::graph`] what a target needs. Who builds a stage keeps a [`Scope`] for it, and
//! has each [`Instruction`] filled in from that before carrying it out. Triggers of a base image
//! are put into the file with [`Dockerfile::add_triggers`]. [`Changes`] are what
//! `docker commit --change` gives, and [`Ignore`] is `.dockerignore`. Whether a step was done before
//! is told by its key: see [`RunStep`], [`CopyStep`] and [`Fingerprint`]. [`Checks`] finds what is
//! no error and yet not as it should be.

mod boolean;
mod check;
mod csv;
mod directives;
mod duration;
mod error;
mod expand;
mod expanded;
mod file;
mod fingerprint;
mod flags;
mod glob;
mod graph;
mod health;
mod heredoc;
mod history;
mod ignore;
mod instruction;
#[cfg(any(test, feature = "invariants"))]
pub mod invariants;
mod keyword;
mod lexer;
mod mode;
mod mount;
mod needs;
mod parse;
mod pattern;
mod position;
mod remote;
mod scope;
mod size;
mod source;
mod split;
mod step;
mod suggest;
mod text;
mod values;
mod words;

#[cfg(test)]
mod cases;
#[cfg(test)]
mod mutations;
#[cfg(test)]
mod tables;

pub use boolean::boolean;
pub use check::{Base, CheckOptions, Checks, Finding, Rule};
pub use directives::Directives;
pub use duration::duration;
pub use error::{DockerfileError, Problem};
pub use expand::Expander;
pub use file::{Changes, Dockerfile, Stage};
pub use fingerprint::{Attributes, Content, Fingerprint};
pub use graph::{Graph, Node, Origin, Use};
pub use health::Healthcheck;
pub use heredoc::Heredoc;
pub use history::{Came, created_by};
pub use ignore::{Ignore, ParentMatch, ignore_files, ignore_patterns};
pub use instruction::{
    Argument, Command, CommandLine, Document, Execution, From, Instruction, Network, Run, Security,
    Transfer,
};
pub use keyword::Keyword;
pub use mode::{FileMode, ModeChange};
pub use mount::{Mount, MountKind, Sharing};
pub use position::{Position, Word};
pub use remote::{GitSource, Place};
pub use scope::{Globals, Inputs, PlatformNames, Scope};
pub use step::{CopyStep, MountStep, Mounted, RunStep, directory_key, image_key};
pub use suggest::nearest;
pub use values::{clean_path, exposed_ports, working_directory};
pub use words::Pair;
