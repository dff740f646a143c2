//! Volumes as the window sees them.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use ts_rs::TS;

/// One volume in the list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[ts(export)]
pub struct VolumeSummary {
    /// Its name, which is its id.
    pub name: String,
    /// The engine's word, such as `local`.
    pub driver: String,
    /// Where its files are inside the machine.
    pub mountpoint: String,
    /// Unix seconds; 0 when the engine does not say.
    #[ts(type = "number")]
    pub created: i64,
    /// What was given it at its making.
    pub labels: BTreeMap<String, String>,
    /// The containers that have it, running or not.
    pub users: Vec<VolumeUser>,
}

/// A container that has the volume.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[ts(export)]
pub struct VolumeUser {
    /// The container.
    pub container_id: String,
    /// Its name.
    pub container_name: String,
    /// Whether it runs now.
    pub running: bool,
    /// Where in the container the volume is.
    pub destination: String,
    /// Whether the container may only read it.
    pub read_only: bool,
}

/// The bytes that a volume takes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[ts(export)]
pub struct VolumeSize {
    /// The volume.
    pub name: String,
    /// Bytes on the machine's disk.
    #[ts(type = "number")]
    pub bytes: u64,
}

/// `volume.create`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, TS)]
#[ts(export)]
pub struct VolumeCreate {
    /// Its name; the engine makes one up when it is empty.
    pub name: String,
}

/// Names one volume.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[ts(export)]
pub struct VolumeRef {
    /// The whole name.
    pub name: String,
}
