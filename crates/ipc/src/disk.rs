//! Where the machine's bytes are.

use serde::{Deserialize, Serialize};
use ts_rs::TS;

/// What takes room on the data disk, by kind.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, TS)]
#[ts(export)]
pub struct DiskUsage {
    /// Images; what several of them share is counted once.
    pub images: DiskPart,
    /// What containers wrote outside of volumes.
    pub containers: DiskPart,
    /// Volumes.
    pub volumes: DiskPart,
    /// Steps of builds, kept for the next one.
    pub build_cache: DiskPart,
}

/// All things of one kind.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, TS)]
#[ts(export)]
pub struct DiskPart {
    /// Bytes of all of them.
    #[ts(type = "number")]
    pub bytes: u64,
    /// Bytes that come back when all that nobody uses is removed.
    #[ts(type = "number")]
    pub reclaimable: u64,
    /// How many there are.
    pub count: u32,
    /// The largest of them, the largest first.
    pub largest: Vec<DiskItem>,
}

/// One thing that takes room.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, TS)]
#[ts(export)]
pub struct DiskItem {
    /// What the engine calls it: an id, or a volume's name.
    pub id: String,
    /// What a person calls it.
    pub name: String,
    /// Bytes of its own.
    #[ts(type = "number")]
    pub bytes: u64,
    /// Whether something uses it.
    pub used: bool,
}

/// What a removal gave back.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, TS)]
#[ts(export)]
pub struct Freed {
    /// Bytes.
    #[ts(type = "number")]
    pub bytes: u64,
}

/// The machine as its engine sees it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, TS)]
#[ts(export)]
pub struct MachineFacts {
    /// Processors.
    #[ts(type = "number")]
    pub cpus: i64,
    /// Bytes of memory.
    #[ts(type = "number")]
    pub memory_bytes: i64,
    /// The kernel's version.
    pub kernel: String,
    /// The engine's version.
    pub engine: String,
    /// `x86_64`, `aarch64`.
    pub architecture: String,
    /// Where the engine keeps its things.
    pub root: String,
}

/// `machine.console`: what the machine's console said, then what it says, until `stream.close`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[ts(export)]
pub struct MachineConsole {
    /// Chosen by the window; `stream.close` names it.
    pub stream_id: String,
}
