//! A repository as its registry has it, for whoever chooses an image there.

use serde::{Deserialize, Serialize};

/// Path of `GET` with `?name=…`, and, for a long list, `&after=TAG` and `&limit=N`; answers
/// [`Repository`]. Credentials come as `X-Registry-Auth`.
pub const PATH: &str = "/naru/repository";

/// Some of a repository's tags, in the registry's order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Repository {
    /// The name as people write it.
    pub name: String,
    /// Whether Docker itself vouches for it.
    pub official: bool,
    /// Those asked for.
    pub tags: Vec<RepositoryTag>,
    /// Whether there are more after them.
    pub more: bool,
}

/// One tag.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RepositoryTag {
    /// The tag.
    pub name: String,
    /// The digest of what it names; empty with an error.
    pub digest: String,
    /// What it has images for.
    pub images: Vec<RepositoryImage>,
    /// Why no more is known of it, such as that it is no image.
    pub error: Option<String>,
}

/// One image of a tag.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RepositoryImage {
    /// `linux/arm64`.
    pub platform: String,
    /// The digest of its manifest.
    pub digest: String,
    /// Bytes to download.
    pub size: Option<u64>,
}
