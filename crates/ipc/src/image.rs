//! Images as the window sees them.

use std::collections::BTreeMap;

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
    /// What it runs on, such as `linux/arm64/v8`; then whatever else its names stand for.
    pub platforms: Vec<String>,
    /// Unpacked size in bytes.
    #[ts(type = "number")]
    pub size: u64,
    /// Unix seconds.
    #[ts(type = "number")]
    pub created: i64,
    /// The containers that are made from it, running or not.
    pub users: Vec<ImageUser>,
}

/// A container that is made from the image.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[ts(export)]
pub struct ImageUser {
    /// The container.
    pub container_id: String,
    /// Its name.
    pub container_name: String,
    /// Whether it runs now.
    pub running: bool,
}

/// Names one image.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[ts(export)]
pub struct ImageRef {
    /// A name or an id.
    pub image: String,
}

/// All that the engine says of one image.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[ts(export)]
pub struct ImageDetails {
    /// `sha256:` and 64 hex digits.
    pub id: String,
    /// All names.
    pub tags: Vec<String>,
    /// The names by which registries have it: `busybox@sha256:…`.
    pub digests: Vec<String>,
    /// Such as `linux/arm64/v8`.
    pub platform: String,
    /// Unpacked size in bytes.
    #[ts(type = "number")]
    pub size: u64,
    /// As the image says it, such as `2026-11-22T10:00:00Z`; empty when it does not.
    pub created: String,
    /// Who made it; mostly empty.
    pub author: String,
    /// The digests of its layers' contents, the lowest first.
    pub layers: Vec<String>,
    /// What its containers get.
    pub config: ImageConfig,
    /// The engine's own description, JSON with line breaks.
    pub json: String,
}

/// What a container of the image gets unless it is told otherwise.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, TS)]
#[ts(export)]
pub struct ImageConfig {
    /// The program that is always run.
    pub entrypoint: Vec<String>,
    /// The command, or the program's arguments.
    pub command: Vec<String>,
    /// Where it is run; empty for `/`.
    pub working_dir: String,
    /// By whom; empty for root.
    pub user: String,
    /// `KEY=value` each.
    pub env: Vec<String>,
    /// Such as `80/tcp`, in order.
    pub ports: Vec<String>,
    /// Directories whose files are kept apart, in order.
    pub volumes: Vec<String>,
    /// What its maker says of it.
    pub labels: BTreeMap<String, String>,
    /// Such as `SIGQUIT`; empty for the usual one.
    pub stop_signal: String,
}

/// One step of an image's making.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[ts(export)]
pub struct ImageStep {
    /// Unix seconds.
    #[ts(type = "number")]
    pub created: i64,
    /// The instruction.
    pub created_by: String,
    /// The bytes that it added.
    #[ts(type = "number")]
    pub size: u64,
    /// The maker's remark.
    pub comment: String,
}

/// `image.tag`: one more name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[ts(export)]
pub struct ImageTag {
    /// A name or an id.
    pub image: String,
    /// The new name, `busybox:mine`.
    pub name: String,
}

/// `image.save`: answers when the file is whole. `stream.close` ends it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[ts(export)]
pub struct ImageSave {
    /// Names or ids.
    pub images: Vec<String>,
    /// The file to write; one that is there is replaced.
    pub path: String,
    /// Chosen by the window; `stream.close` names it.
    pub stream_id: String,
}

/// `image.load`: answers with what came. `stream.close` ends it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[ts(export)]
pub struct ImageLoad {
    /// The file to read.
    pub path: String,
    /// Chosen by the window; `stream.close` names it.
    pub stream_id: String,
}

/// What `image.load` brought.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[ts(export)]
pub struct ImagesLoaded {
    /// Names, or ids of images without one.
    pub images: Vec<String>,
}

/// How far a file is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[ts(export)]
pub struct FileProgress {
    /// Bytes so far.
    #[ts(type = "number")]
    pub bytes: u64,
    /// Bytes in all, if anybody knows.
    #[ts(type = "number | null")]
    pub total: Option<u64>,
}

/// `image.push`: answers when the registry has it all. `stream.close` ends it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[ts(export)]
pub struct ImagePush {
    /// A name of an image that is here.
    pub reference: String,
    /// Chosen by the window; `stream.close` names it.
    pub stream_id: String,
}

/// `image.prune` and the look at what it would remove.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[ts(export)]
pub struct ImagePrune {
    /// All that no container has, not only those without a name.
    pub all: bool,
    /// Only what was made so many days ago, or before; 0 for any time.
    pub older_days: u32,
    /// Only what has so many millions of bytes, or more; 0 for any size.
    pub least_mb: u32,
}

/// What a prune would remove, or has.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[ts(export)]
pub struct ImagePrunePlan {
    /// Names, and short ids of images without one.
    pub images: Vec<String>,
    /// The bytes that are free then.
    #[ts(type = "number")]
    pub bytes: u64,
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
