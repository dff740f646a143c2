//! Images that are built from a folder of this computer.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use ts_rs::TS;

use crate::PullProgress;

/// `image.build_folder`: what there is to build.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[ts(export)]
pub struct ImageBuildFolder {
    /// A path from the root.
    pub folder: String,
    /// The Dockerfile's path in it; empty for the usual one.
    pub dockerfile: String,
}

/// A folder that an image may be built from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[ts(export)]
pub struct BuildFolder {
    /// The Dockerfile's path in the folder.
    pub dockerfile: String,
    /// The files in the folder that have a Dockerfile's name, the usual one first.
    pub found: Vec<String>,
    /// What the Dockerfile says; none when there is no such file.
    pub text: Option<String>,
    /// Why it cannot be built so, if it cannot.
    pub problem: Option<BuildProblem>,
    /// The names of its stages.
    pub stages: Vec<String>,
    /// What it can be given.
    pub arguments: Vec<BuildArgument>,
}

/// What is wrong with a Dockerfile.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[ts(export)]
pub struct BuildProblem {
    /// Where, from 1; none when it is nowhere in the text.
    pub line: Option<u32>,
    /// In Docker's words.
    pub message: String,
}

/// An `ARG`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[ts(export)]
pub struct BuildArgument {
    /// Its name.
    pub name: String,
    /// What it is when nobody says; empty when that is nothing.
    pub default: String,
}

/// `image.build`: answers when the image is there. `stream.close` ends it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[ts(export)]
pub struct ImageBuild {
    /// A path from the root.
    pub folder: String,
    /// The Dockerfile's path in it.
    pub dockerfile: String,
    /// What the image is to be called.
    pub name: String,
    /// Values for its `ARG`s.
    pub arguments: BTreeMap<String, String>,
    /// The stage to build; empty for the last one.
    pub target: String,
    /// Whether each step is done anew.
    pub no_cache: bool,
    /// Chosen by the window; `stream.close` names it.
    pub stream_id: String,
}

/// An image that was built.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[ts(export)]
pub struct ImageBuilt {
    /// `sha256:` and 64 hex digits.
    pub id: String,
}

/// Lines of a Dockerfile, from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[ts(export)]
pub struct BuildLines {
    /// The first of them.
    pub first: u32,
    /// The last of them.
    pub last: u32,
}

/// How a build goes on, one step after the other.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(tag = "type", rename_all = "snake_case")]
#[ts(export)]
pub enum BuildEvent {
    /// So much of the folder has been sent.
    Sent {
        /// In all.
        #[ts(type = "number")]
        bytes: u64,
    },
    /// An image that a stage is made on comes.
    Pulling {
        /// How far it is.
        progress: PullProgress,
    },
    /// A step begins.
    Step {
        /// From 1.
        number: u32,
        /// How many there are.
        total: u32,
        /// The instruction.
        text: String,
        /// Where it stands; none for what the image below has it do.
        lines: Option<BuildLines>,
    },
    /// The step that began last says something.
    Output {
        /// Not to be trusted; it may end within a line.
        text: String,
    },
    /// The step that began last is done.
    Ended {
        /// Whether it was done before.
        cached: bool,
    },
    /// It failed here; the answer says why.
    Failed {
        /// The instruction's place.
        lines: BuildLines,
    },
}
