//! Containers as the window sees them.

use serde::{Deserialize, Serialize};
use ts_rs::TS;

use crate::ContainerPort;

/// One container in the list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[ts(export)]
pub struct ContainerSummary {
    /// 64 hex digits.
    pub id: String,
    /// Without a leading slash.
    pub name: String,
    /// The image as it was named.
    pub image: String,
    /// The engine's word: `created`, `running`, `paused`, `restarting`, `removing`, `exited`, `dead`.
    pub state: String,
    /// The engine's sentence: `Up 3 minutes`, `Exited (0) 2 hours ago`.
    pub status: String,
    /// The command line.
    pub command: String,
    /// Unix seconds.
    #[ts(type = "number")]
    pub created: i64,
    /// Published ports.
    pub ports: Vec<ContainerPort>,
    /// The compose project that it belongs to, or empty.
    pub project: String,
    /// Its service in that project, or empty.
    pub service: String,
    /// The services that this one needs, as compose says them.
    pub needs: Vec<String>,
}

/// A TCP port to publish.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[ts(export)]
pub struct PublishedPort {
    /// The host's address, such as `0.0.0.0`.
    pub host_ip: String,
    /// The host's port; 0 asks for any free one.
    pub host_port: u16,
    /// The container's port.
    pub container_port: u16,
}

/// `container.run`: creates and starts.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, TS)]
#[ts(export)]
pub struct ContainerRun {
    /// The image's name or id.
    pub image: String,
    /// The container's name; the engine makes one up when it is empty.
    pub name: String,
    /// Command and arguments; the image's own when empty.
    pub command: Vec<String>,
    /// `KEY=value` each.
    pub env: Vec<String>,
    /// Ports to publish.
    pub ports: Vec<PublishedPort>,
    /// Give it a terminal and keep its input open.
    pub interactive: bool,
    /// What is mounted in it.
    pub mounts: Vec<RunMount>,
    /// The most bytes of memory; 0 for no limit.
    #[ts(type = "number")]
    pub memory: u64,
    /// Billionths of a processor; 0 for no limit.
    #[ts(type = "number")]
    pub nano_cpus: u64,
    /// When the engine starts it again by itself.
    pub restart: Restart,
    /// The network it is in; empty for the usual one.
    pub network: String,
    /// Remove it when it ends.
    pub auto_remove: bool,
}

/// One mount of a new container.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[ts(export)]
pub struct RunMount {
    /// What is mounted.
    pub kind: RunMountKind,
    /// The volume's name, or the directory in the machine.
    pub source: String,
    /// Where in the container.
    pub target: String,
    /// Whether the container may only read it.
    pub read_only: bool,
}

/// What is mounted in a new container.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[ts(export)]
#[serde(rename_all = "lowercase")]
pub enum RunMountKind {
    /// A volume, which is made when there is none of its name.
    Volume,
    /// A directory that is there.
    Bind,
}

/// When the engine starts a container again by itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, TS)]
#[ts(export)]
#[serde(rename_all = "kebab-case")]
pub enum Restart {
    /// Never.
    #[default]
    No,
    /// When it fails.
    OnFailure,
    /// Always, but not after it was stopped on purpose.
    UnlessStopped,
    /// Always.
    Always,
}

/// Names one container, by name or id.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[ts(export)]
pub struct ContainerRef {
    /// Name, id or unique id prefix.
    pub id: String,
}

/// `container.remove`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[ts(export)]
pub struct ContainerRemove {
    /// Name, id or unique id prefix.
    pub id: String,
    /// Also when it runs: it is killed first.
    pub force: bool,
}

/// `container.logs`: what there is, then what comes, until `stream.close`. Each line begins with
/// when it was written, as RFC 3339, and a space.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[ts(export)]
pub struct ContainerLogs {
    /// Name, id or unique id prefix.
    pub id: String,
    /// Chosen by the window; `stream.close` names it.
    pub stream_id: String,
    /// How many of the last lines to begin with.
    pub tail: u32,
}

/// `container.save_logs`: all of its output so far, as a file on this computer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[ts(export)]
pub struct ContainerSaveLogs {
    /// Name, id or unique id prefix.
    pub id: String,
    /// Where to, as the person chose it; what is there is replaced.
    pub path: String,
    /// Whether each line begins with when it was written.
    pub timestamps: bool,
}

/// A piece of a container's output.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[ts(export)]
pub struct OutputChunk {
    /// `stdout`, `stderr`, or `end` (empty text) when there is no more.
    #[ts(type = "\"stdout\" | \"stderr\" | \"end\"")]
    pub source: String,
    /// Base64 of the bytes: they need not be UTF-8, and may end within a character.
    pub data: String,
}

/// `stream.close`: ends a log stream or a terminal's connection.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[ts(export)]
pub struct StreamClose {
    /// The stream to end; an unknown one is no error.
    pub stream_id: String,
}

/// `terminal.open`: an interactive shell in a running container.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[ts(export)]
pub struct TerminalOpen {
    /// Name, id or unique id prefix.
    pub id: String,
    /// Chosen by the window; names the terminal from now on.
    pub stream_id: String,
    /// Its height in characters.
    pub rows: u16,
    /// Its width in characters.
    pub cols: u16,
    /// What runs in it, a word each; the best shell that there is where it is empty.
    pub command: Vec<String>,
    /// Who it runs as: `name`, `uid`, `name:group`; the container's own user where it is empty.
    pub user: String,
}

/// `terminal.programs`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[ts(export)]
pub struct TerminalRef {
    /// The terminal.
    pub stream_id: String,
}

/// `terminal.programs`: what a terminal's shell has started that still runs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[ts(export)]
pub struct TerminalPrograms {
    /// Their command lines.
    pub commands: Vec<String>,
}

/// `terminal.write`: what the person typed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[ts(export)]
pub struct TerminalWrite {
    /// The terminal.
    pub stream_id: String,
    /// UTF-8 text.
    pub text: String,
}

/// `terminal.resize`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[ts(export)]
pub struct TerminalResize {
    /// The terminal.
    pub stream_id: String,
    /// Its height in characters.
    pub rows: u16,
    /// Its width in characters.
    pub cols: u16,
}
