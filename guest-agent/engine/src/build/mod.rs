//! Images made by Dockerfiles.
//!
//! ```text
//! POST /build ──┐                    ┌─► needed stages, side by side
//!               ├─► Engine::build ───┤     step by step: known by its key? ──► its layer
//! BuildKit's ───┘   (BuildRequest,   │                   else done: RUN, COPY ──► a new layer
//! door               Progress)       └─► Built: a configuration and layers, held ──► keep_built
//! ```
//!
//! Both doors make a [`BuildRequest`]: what is to be built, where its files come from
//! ([`BuildFiles`]), and who is asked for what must not lie about ([`BuildSecrets`]). What a build
//! tells of itself goes to a [`Progress`]; how that is drawn is the door's business.
//!
//! A step is done in a directory of its own below `builds/`, which an engine that starts sweeps,
//! with the process in it. What a step came to is a layer of the image store and a row in the
//! build cache; the row is written once the layer is there. So a build that was killed has done
//! whole steps only, and the next one finds them.

mod building;
mod builds;
mod cache;
mod check;
mod context;
mod copy;
mod copy_step;
mod error;
mod execute;
mod files;
mod images;
mod inline;
mod mounted;
mod origin;
mod plan;
mod prepared;
mod progress;
mod request;
mod result;
mod results;
mod run;
mod run_mounts;
mod stage;
mod stubs;
mod tail;
mod wanted;
mod workspace;

pub(crate) use builds::Builds;
pub(crate) use cache::{
    Kept, Policies, Policy, PruneBounds, PruneWanted, Pruned, UsageKind, UsageRecord,
};
pub(crate) use check::Checked;
pub(crate) use context::{Context, ContextError, GitAccess, Received as ReceivedContext, Spooled};
pub use error::{BuildError, FailedInstruction};
pub(crate) use files::{BuildFiles, Directory, WantedFiles};
pub(crate) use progress::{Outcome, Progress, Step, Stream, Warning};
pub(crate) use request::{
    BuildOptions, BuildRequest, BuildSecrets, DockerfileText, Limits, NamedContext, NoCache,
    RunNetwork,
};
#[cfg(test)]
pub(crate) use result::MadeStages;
pub(crate) use result::{Built, CacheMode, Material};
