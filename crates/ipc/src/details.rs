//! One container, looked at closely.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use ts_rs::TS;

/// What a container is made of and how it is, in a person's terms; `container.inspect` has all.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, TS)]
#[ts(export)]
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own, and shown alone")]
pub struct ContainerDetails {
    /// 64 hex digits.
    pub id: String,
    /// Without a leading slash.
    pub name: String,
    /// The image as it was named.
    pub image: String,
    /// The image itself: `sha256:…`.
    pub image_id: String,
    /// The engine's word, as in the list.
    pub state: String,
    /// The last exit status; 0 before the first end.
    #[ts(type = "number")]
    pub exit_code: i64,
    /// Why it could not start, or empty.
    pub error: String,
    /// Whether it ended because its memory was used up.
    pub out_of_memory: bool,
    /// When it was started last, as RFC 3339; empty before.
    pub started_at: String,
    /// When it ended last; empty before.
    pub finished_at: String,
    /// How often its restart policy has started it again.
    #[ts(type = "number")]
    pub restarts: i64,
    /// How its health check goes; none without one.
    pub health: Option<ContainerHealth>,
    /// The program and its arguments.
    pub command: Vec<String>,
    /// Where the program begins.
    pub working_dir: String,
    /// As whom it runs; empty for root.
    pub user: String,
    /// The name it has for itself.
    pub hostname: String,
    /// `KEY=value` each.
    pub env: Vec<String>,
    /// What it listens on, published or not.
    pub ports: Vec<ContainerPort>,
    /// What is mounted in it.
    pub mounts: Vec<ContainerMount>,
    /// The networks it is in.
    pub networks: Vec<ContainerEndpoint>,
    /// `no`, `always`, `unless-stopped`, `on-failure` or `on-failure:3`.
    pub restart_policy: String,
    /// The most memory it may have; 0 for no limit.
    #[ts(type = "number")]
    pub memory_bytes: i64,
    /// The most processor time, in billionths of a processor; 0 for no limit.
    #[ts(type = "number")]
    pub nano_cpus: i64,
    /// The most processes; 0 for no limit.
    #[ts(type = "number")]
    pub pids: i64,
    /// Whether it may do everything on the machine.
    pub privileged: bool,
    /// Whether its root cannot be written to.
    pub read_only: bool,
    /// Whether it has a terminal.
    pub tty: bool,
    /// Whether it is removed when it ends.
    pub auto_remove: bool,
    /// By name.
    pub labels: BTreeMap<String, String>,
}

/// How a health check goes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, TS)]
#[ts(export)]
pub struct ContainerHealth {
    /// `starting`, `healthy` or `unhealthy`.
    pub status: String,
    /// How many checks have failed in a row.
    #[ts(type = "number")]
    pub failing: i64,
    /// What the last check said.
    pub output: String,
}

/// A port that a container listens on.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, TS)]
#[ts(export)]
pub struct ContainerPort {
    /// The container's port.
    pub container_port: u16,
    /// `tcp`, `udp` or `sctp`.
    pub protocol: String,
    /// The host's address; empty when it is not published.
    pub host_ip: String,
    /// The host's port; 0 when it is not published.
    pub host_port: u16,
}

/// What is mounted in a container.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, TS)]
#[ts(export)]
pub struct ContainerMount {
    /// `volume`, `bind`, `tmpfs`, …
    pub kind: String,
    /// The volume's name, or the path on the machine.
    pub source: String,
    /// The path in the container.
    pub destination: String,
    /// Whether it cannot be written to.
    pub read_only: bool,
}

/// A container's place in a network.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, TS)]
#[ts(export)]
pub struct ContainerEndpoint {
    /// The network's name.
    pub network: String,
    /// Its address there; empty while it does not run.
    pub address: String,
    /// Its way out.
    pub gateway: String,
    /// The names that others there find it by.
    pub names: Vec<String>,
}

/// `container.rename`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[ts(export)]
pub struct ContainerRename {
    /// Name, id or unique id prefix.
    pub id: String,
    /// The new name.
    pub name: String,
}

/// `container.commit`: an image of what the container is now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[ts(export)]
pub struct ContainerCommit {
    /// Name, id or unique id prefix.
    pub id: String,
    /// The image's name, with or without a tag; empty for an image without one.
    pub reference: String,
}

/// `container.export`: all its files, as a tar archive on this computer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[ts(export)]
pub struct ContainerExport {
    /// Name, id or unique id prefix.
    pub id: String,
    /// Where to, as the person chose it; what is there is replaced.
    pub path: String,
}

/// The processes of a container, as `ps` has them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, TS)]
#[ts(export)]
pub struct ContainerProcesses {
    /// What the columns are called.
    pub titles: Vec<String>,
    /// A row for each process, as many cells as there are titles.
    pub rows: Vec<Vec<String>>,
}

/// `container.usage`: what these containers use now, those of a list that are in sight.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[ts(export)]
pub struct ContainerUsageOf {
    /// Their ids.
    pub ids: Vec<String>,
}

/// What a container has used. Processor time is a sum: two looks make a share.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, TS)]
#[ts(export)]
pub struct ContainerUsage {
    /// 64 hex digits.
    pub id: String,
    /// When the engine looked, in Unix milliseconds.
    #[ts(type = "number")]
    pub time_ms: i64,
    /// Milliseconds of one processor since the container's start.
    #[ts(type = "number")]
    pub cpu_ms: u64,
    /// Bytes that it needs, caches that can be dropped left out.
    #[ts(type = "number")]
    pub memory_bytes: u64,
}

/// `container.stats`: one sample a second until `stream.close`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[ts(export)]
pub struct ContainerStats {
    /// Name, id or unique id prefix.
    pub id: String,
    /// Chosen by the window; `stream.close` names it.
    pub stream_id: String,
}

/// What a container uses at a moment.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, TS)]
#[ts(export)]
pub struct StatsSample {
    /// Unix milliseconds; 0 in the last sample, which says that there are no more.
    #[ts(type = "number")]
    pub time_ms: i64,
    /// Of one processor: 1.5 is one and a half.
    pub cpus: f64,
    /// Bytes that it needs, caches that can be dropped left out.
    #[ts(type = "number")]
    pub memory_bytes: u64,
    /// The most that it may have: its own limit, or the machine's memory.
    #[ts(type = "number")]
    pub memory_limit: u64,
    /// Bytes received since its start, over all networks.
    #[ts(type = "number")]
    pub received: u64,
    /// Bytes sent.
    #[ts(type = "number")]
    pub sent: u64,
    /// Bytes read from disks.
    #[ts(type = "number")]
    pub read: u64,
    /// Bytes written.
    #[ts(type = "number")]
    pub written: u64,
    /// How many processes and threads it has.
    #[ts(type = "number")]
    pub pids: u64,
}
