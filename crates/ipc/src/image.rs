//! Images as the window sees them.

use serde::{Deserialize, Serialize};
use ts_rs::TS;

/// One image in the list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[ts(export)]
pub struct ImageSummary {
    /// `sha256:` and 64 hex digits.
    pub id: String,
    /// All names, such as `busybox:latest`; empty for a dangling image.
    pub tags: Vec<String>,
    /// Unpacked size in bytes.
    #[ts(type = "number")]
    pub size: u64,
    /// Unix seconds.
    #[ts(type = "number")]
    pub created: i64,
    /// How many containers are made from it.
    pub containers: u32,
}

/// `image.pull`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[ts(export)]
pub struct ImagePull {
    /// As a person types it: `busybox`, `ghcr.io/x/y:tag`, `localhost:5000/a@sha256:…`.
    pub reference: String,
    /// Chosen by the window; `image.pull_cancel` names it.
    pub pull_id: String,
}

/// `image.pull_cancel`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[ts(export)]
pub struct ImagePullCancel {
    /// The pull to end.
    pub pull_id: String,
}

/// One line of a pull's progress stream.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[ts(export)]
pub struct PullProgress {
    /// The layer's short digest, or none for a line about the whole pull.
    pub layer: Option<String>,
    /// The engine's word: `Waiting`, `Downloading`, `Extracting`, `Pull complete`, `Already exists`, …
    pub status: String,
    /// Bytes so far.
    #[ts(type = "number | null")]
    pub current: Option<u64>,
    /// Bytes in all.
    #[ts(type = "number | null")]
    pub total: Option<u64>,
}

/// `image.remove`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[ts(export)]
pub struct ImageRemove {
    /// A name (only that name goes, while others remain) or an id.
    pub image: String,
    /// Also when stopped containers are made from it.
    pub force: bool,
}
