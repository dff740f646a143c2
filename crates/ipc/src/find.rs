//! What registries have.

use serde::{Deserialize, Serialize};
use ts_rs::TS;

/// `registry.search`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[ts(export)]
pub struct RegistrySearch {
    /// Docker Hub's when empty, else a `host[:port]`.
    pub registry: String,
    /// What is looked for.
    pub term: String,
}

/// A repository that was found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[ts(export)]
pub struct FoundRepository {
    /// The name that it is pulled by.
    pub name: String,
    /// What its owner says of it.
    pub description: String,
    /// How many people have starred it.
    pub stars: u32,
    /// Who vouches for it, if the registry tells.
    pub mark: Option<Mark>,
}

/// Who vouches for a repository.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[ts(export)]
#[serde(rename_all = "snake_case")]
pub enum Mark {
    /// Docker itself.
    Official,
    /// A publisher that is known to be who it says it is.
    VerifiedPublisher,
    /// A project of free software that Docker sponsors.
    OpenSource,
}

/// `registry.repository`: some of a repository's tags.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[ts(export)]
pub struct RepositoryQuery {
    /// `busybox`, `ghcr.io/owner/name`.
    pub name: String,
    /// The last tag that is known already, or empty.
    pub after: String,
}

/// Some of a repository's tags, in the registry's order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[ts(export)]
pub struct Repository {
    /// The name as people write it.
    pub name: String,
    /// Whether Docker vouches for it.
    pub official: bool,
    /// The tags.
    pub tags: Vec<RepositoryTag>,
    /// Whether there are more after them.
    pub more: bool,
}

/// One tag.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[ts(export)]
pub struct RepositoryTag {
    /// The tag.
    pub name: String,
    /// What it has images for.
    pub images: Vec<RepositoryImage>,
    /// Why no more is known of it; empty when more is.
    pub error: String,
}

/// One image of a tag.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[ts(export)]
pub struct RepositoryImage {
    /// `linux/arm64`.
    pub platform: String,
    /// Bytes to download.
    #[ts(type = "number | null")]
    pub size: Option<u64>,
}

/// `registry.login`: proves to the registry who one is, and keeps it where `docker login` does.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[ts(export)]
pub struct RegistryLogin {
    /// Docker Hub's when empty, else a `host[:port]`.
    pub registry: String,
    /// The user's name there.
    pub username: String,
    /// The password, or a token.
    pub password: String,
}

impl std::fmt::Debug for RegistryLogin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { registry, username, password: _ } = self;
        f.debug_struct("RegistryLogin")
            .field("registry", registry)
            .field("username", username)
            .finish_non_exhaustive()
    }
}

/// Somebody that the person has logged in as.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[ts(export)]
pub struct RegistryAccount {
    /// Docker Hub's when empty, else a `host[:port]`.
    pub registry: String,
    /// The user's name there; empty where a token stands for it.
    pub username: String,
}

/// `registry.logout`: forgets who one is there, as `docker logout` does.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[ts(export)]
pub struct RegistryLogout {
    /// Docker Hub when empty, else a `host[:port]`.
    pub registry: String,
}
