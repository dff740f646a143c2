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

/// A path in a volume.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[ts(export)]
pub struct VolumePath {
    /// The volume.
    pub name: String,
    /// From the volume's top.
    pub path: String,
}

/// `volume.download`: a copy on this computer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[ts(export)]
pub struct VolumeDownload {
    /// The volume.
    pub name: String,
    /// The path in the volume.
    pub path: String,
    /// The file to write, as the person chose it; what is there is replaced.
    pub local: String,
    /// Whether it is a folder, of which an archive is written.
    pub folder: bool,
}

/// `volume.backup`: all files of a volume in one archive. `stream.close` ends it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[ts(export)]
pub struct VolumeBackup {
    /// The volume.
    pub name: String,
    /// The file to write; what is there is replaced.
    pub path: String,
    /// Chosen by the window; `stream.close` names it.
    pub stream_id: String,
}

/// `volume.restore`: an archive becomes all that is in a volume, which is made if there is none.
/// `stream.close` ends it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[ts(export)]
pub struct VolumeRestore {
    /// The volume.
    pub name: String,
    /// The file to read.
    pub path: String,
    /// What is in the volume may go; else one that is not empty is refused.
    pub replace: bool,
    /// Chosen by the window; `stream.close` names it.
    pub stream_id: String,
}

/// `volume.clone`: a volume with the files of another. `stream.close` ends it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[ts(export)]
pub struct VolumeClone {
    /// The volume that there is.
    pub name: String,
    /// The name of the new one.
    pub to: String,
    /// Chosen by the window; `stream.close` names it.
    pub stream_id: String,
}

/// Names one volume.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[ts(export)]
pub struct VolumeRef {
    /// The whole name.
    pub name: String,
}
