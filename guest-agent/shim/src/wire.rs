//! What engine and shim say to each other: one JSON object a line.
//!
//! On descriptor 0 the engine first sends a [`ShimConfig`], gets [`ShimEvent`]s, and
//! says [`Request::Start`]. On `shim.sock` each connection makes one request and gets
//! one [`Answer`]; after the answer to [`Request::Attach`] the connection is Docker's
//! attach stream, after that to [`Request::Watch`] it carries the events from the first.

use std::path::PathBuf;

use oci_spec::runtime::Process;
use serde::{Deserialize, Serialize};

/// What a shim is for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ShimConfig {
    /// The id of the container or exec.
    pub id: String,
    /// Where `shim.sock` goes.
    pub run_dir: PathBuf,
    /// Which process to make.
    pub target: Target,
    /// Whether the process has a terminal.
    pub tty: bool,
    /// Whether its input is open; otherwise it is `/dev/null`.
    pub open_stdin: bool,
    /// Whether its input closes with the first attached client's.
    pub stdin_once: bool,
    /// Where its output is written; nowhere for an exec.
    pub log: Option<LogConfig>,
    /// Where its exit status is written down, as a [`RecordedExit`].
    pub exit_path: PathBuf,
}

/// The process that a shim makes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Target {
    /// A container's first.
    Container {
        /// The directory of its `config.json`, an OCI runtime specification.
        bundle: PathBuf,
    },
    /// A further one in a running container.
    Exec {
        /// The container's first process, as the engine sees it.
        container_pid: i32,
        /// The container's bundle.
        bundle: PathBuf,
        /// The process to make.
        process: Process,
    },
}

/// Docker's json-file log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogConfig {
    /// The file.
    pub path: PathBuf,
    /// Bytes after which it is rotated; never without.
    pub max_size: Option<u64>,
    /// How many files there may be, the current one included.
    pub max_file: Option<u32>,
}

/// What happened to the process.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ShimEvent {
    /// It exists and waits for the word to run.
    Created {
        /// Its id, as the engine sees it.
        pid: i32,
    },
    /// It could not be made or started; the shim ends.
    Failed(Failure),
    /// It runs.
    Started {
        /// When, as RFC 3339 with nanoseconds.
        at: String,
    },
    /// It has ended, and all of its output is in the log.
    Exited {
        /// Its status, or 128 and the number of the signal that ended it.
        code: i32,
        /// Whether the kernel killed it for want of memory.
        oom_killed: bool,
        /// When, as RFC 3339 with nanoseconds.
        at: String,
    },
}

/// Why a process could not be made or started.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// What sort of failure it is.
    pub kind: FailureKind,
    /// One sentence without a full stop.
    pub message: String,
}

/// The sorts of failure that a caller tells apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FailureKind {
    /// The program is not there.
    NotFound,
    /// The program may not be run.
    PermissionDenied,
    /// The host lacks what was asked for.
    Unsupported,
    /// The specification makes no sense.
    InvalidArgument,
    /// Anything else.
    Internal,
}

/// What a shim is asked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Request {
    /// Let the process run. On descriptor 0 only.
    Start,
    /// Join its streams.
    Attach {
        /// The client's bytes are its input.
        stdin: bool,
        /// Send its output.
        stdout: bool,
        /// Send its errors.
        stderr: bool,
    },
    /// Set its terminal's size, in characters.
    Resize {
        /// Height.
        rows: u16,
        /// Width.
        cols: u16,
    },
    /// Send it a signal.
    Signal {
        /// The signal's number.
        signal: i32,
    },
    /// End its input.
    CloseStdin,
    /// Tell all events, from the first on.
    Watch,
}

/// The answer to a request on `shim.sock`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    /// Done.
    Ok,
    /// Not done, and why.
    Error {
        /// One sentence without a full stop.
        message: String,
    },
}

/// A process's end as it lies on disk.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecordedExit {
    /// As in [`ShimEvent::Exited`].
    pub code: i32,
    /// As in [`ShimEvent::Exited`].
    pub oom_killed: bool,
    /// As in [`ShimEvent::Exited`].
    pub at: String,
}
