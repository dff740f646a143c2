//! Low-rate notices to the window.

use serde::{Deserialize, Serialize};
use ts_rs::TS;

use crate::{MachineStatus, Settings};

/// Something changed; sent on the Tauri event `naru://event`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(tag = "type", rename_all = "snake_case")]
#[ts(export)]
pub enum AppEvent {
    /// The machine's status.
    Machine {
        /// All of it.
        status: MachineStatus,
    },
    /// Containers changed: list again.
    Containers,
    /// Images changed: list again.
    Images,
    /// Volumes, or who uses them, changed: list again.
    Volumes,
    /// Networks, or who is in them, changed: list again.
    Networks,
    /// Settings changed.
    Settings {
        /// All of them.
        settings: Settings,
    },
}
