//! The machine as the window sees it.

use serde::{Deserialize, Serialize};
use ts_rs::TS;

use crate::{Hint, IpcError};

/// Where the machine is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
#[ts(export)]
pub enum MachineState {
    /// Off.
    Stopped,
    /// On its way up; `steps` says how far.
    Starting,
    /// The engine answers.
    Running,
    /// On its way down.
    Stopping,
    /// It ended by itself or could not start; `error` says why.
    Failed,
}

/// How far one step of the start-up is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
#[ts(export)]
pub enum StepState {
    /// Not begun.
    Pending,
    /// Going on.
    Running,
    /// Done.
    Done,
    /// Failed; the machine's error says why.
    Failed,
}

/// One named step of the start-up, in the order in which they happen.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[ts(export)]
pub struct StartStep {
    /// `qemu`, `image`, `disk`, `boot`, `channel`, `handshake`, `engine`: the window
    /// has a text for each.
    pub name: String,
    /// How far it is.
    pub state: StepState,
    /// How long it took or has taken, in milliseconds.
    #[ts(type = "number")]
    pub duration_ms: u64,
}

/// The machine now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[ts(export)]
pub struct MachineStatus {
    /// Where it is in its life.
    pub state: MachineState,
    /// The start-up's steps; empty until the first start.
    pub steps: Vec<StartStep>,
    /// `kvm`, `hvf`, `whpx` or `tcg`, once chosen.
    pub accelerator: Option<String>,
    /// What a person can do so that it runs faster. An older owner of the machine gives none.
    #[serde(default)]
    pub advice: Vec<Hint>,
    /// `vsock` or `virtio-serial`, once chosen.
    pub carrier: Option<String>,
    /// Why it failed.
    pub error: Option<IpcError>,
    /// The end of the guest's console, when it failed.
    pub console_tail: Vec<String>,
}

/// What the machine uses at one moment, of which a chart is made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, TS)]
#[ts(export)]
pub struct MachineUsage {
    /// Milliseconds since the machine started.
    #[ts(type = "number")]
    pub time_ms: u64,
    /// Milliseconds that its processors have worked since then, all of them together.
    #[ts(type = "number")]
    pub cpu_ms: u64,
    /// How many processors it has.
    pub cpus: u32,
    /// Bytes of memory that are taken and cannot be given up.
    #[ts(type = "number")]
    pub memory_bytes: u64,
    /// Bytes of memory that it has.
    #[ts(type = "number")]
    pub memory_total_bytes: u64,
    /// Bytes that are taken on its data disk.
    #[ts(type = "number")]
    pub disk_bytes: u64,
    /// Bytes that its data disk has.
    #[ts(type = "number")]
    pub disk_total_bytes: u64,
}

/// `machine.diagnostics`: what somebody who helps needs to see, in a file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[ts(export)]
pub struct Diagnostics {
    /// The archive's path.
    pub path: String,
}

/// What `docker` needs to know, and who we are.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[ts(export)]
pub struct AppInfo {
    /// Naru's version.
    pub version: String,
    /// `linux`, `macos` or `windows`.
    pub platform: String,
    /// The processor's kind: `x86_64` or `aarch64`.
    pub architecture: String,
    /// The name of the docker context that leads to this engine.
    pub docker_context: String,
    /// The address `docker` connects to, such as `unix:///run/user/1000/naru/docker.sock`.
    pub docker_host: String,
    /// The name of the bundled image, which runs without a network.
    pub demo_image: String,
}
