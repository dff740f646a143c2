//! A search for repositories, for whoever chooses one.

use serde::{Deserialize, Serialize};

/// Path of `GET` with `?term=…`, and `&limit=N`; answers [`FoundRepository`]s, in the order of
/// `GET /images/search`, which has not their marks. Credentials come as `X-Registry-Auth`.
pub const PATH: &str = "/naru/search";

/// A repository that a search has found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FoundRepository {
    /// Its name, as it can be pulled.
    pub name: String,
    /// What its owner says of it.
    pub description: String,
    /// How many like it.
    pub stars: i64,
    /// What its registry vouches for; none where it does not tell.
    pub mark: Option<Mark>,
}

/// What Docker Hub vouches for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mark {
    /// The repository is Docker's own.
    Official,
    /// It is known who publishes there.
    VerifiedPublisher,
    /// It is an open-source project that Docker sponsors.
    OpenSource,
}
