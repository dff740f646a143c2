//! Projects that the computer's own compose brings up.

use serde::{Deserialize, Serialize};
use ts_rs::TS;

/// The compose that the computer has.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[ts(export)]
pub struct ComposeFound {
    /// How it is called, such as `docker compose`; none when there is none.
    pub program: Option<String>,
    /// What it says of its version.
    pub version: String,
}

/// `project.up`: answers when the services are started. `stream.close` ends it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[ts(export)]
pub struct ProjectUp {
    /// The compose file's path from the root.
    pub file: String,
    /// Chosen by the window; `stream.close` names it.
    pub stream_id: String,
}

/// Names one project.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[ts(export)]
pub struct ProjectRef {
    /// What compose calls it.
    pub name: String,
}

/// `project.down`: answers when its containers and networks are gone. `stream.close` ends it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[ts(export)]
pub struct ProjectDown {
    /// What compose calls it.
    pub name: String,
    /// Whether its volumes go too, with what is in them.
    pub volumes: bool,
    /// Chosen by the window; `stream.close` names it.
    pub stream_id: String,
}
