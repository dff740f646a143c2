//! What engine and shim say to each other: one JSON object a line.
//!
//! On descriptor 0 of the shim, a socket pair:
//!
//! ```text
//! engine ──► ShimConfig                        shim ──► created | failed
//!        ──► start                                  ──► started | failed
//!                                                   ──► exited
//! ```
//!
//! On `shim.sock` in the run directory, one [`ShimRequest`] a connection, answered by one
//! [`ShimAnswer`]. After the answer `ok` to `attach`, the connection carries the process's
//! standard streams as Docker's attach does: towards the client raw bytes with a terminal, else
//! frames of a stream's number (1 or 2), three zero bytes, the length in big-endian, and the
//! bytes; towards the process raw bytes. After `ok` to `watch` follow [`ShimEvent`]s.
//!
//! After `ok` to `follow_log` the shim sends newlines: one each time that it has written to the
//! log. Some carry a descriptor (`SCM_RIGHTS`), which is the log's file, open for reading: the
//! first at once, and each further one when a new file takes its place. A follower that has these
//! misses nothing, however fast files are rotated away. The connection ends with the log.

use std::collections::BTreeMap;
use std::path::PathBuf;

use oci_spec::runtime::{LinuxResources, Process};
use serde::{Deserialize, Serialize};

/// The file name of the socket in the run directory.
pub const SOCKET_NAME: &str = "shim.sock";

/// What a shim is started for; the first line on descriptor 0.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShimConfig {
    /// The container's or the exec's id.
    pub id: String,
    /// The directory of the shim's socket.
    pub run_dir: PathBuf,
    /// What to run.
    pub target: Target,
    /// Whether the process has a terminal.
    pub tty: bool,
    /// Whether the process has a standard input; else it reads from `/dev/null`.
    pub open_stdin: bool,
    /// Whether the first client to end its input ends the process's.
    pub stdin_once: bool,
    /// Where the output is kept, if it is.
    pub log: Option<LogConfig>,
    /// Where the exit status is kept: an [`ExitRecord`].
    pub exit_path: PathBuf,
}

/// What a shim runs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Target {
    /// A new container.
    Container {
        /// The directory with the OCI specification, `config.json`.
        bundle: PathBuf,
        /// Whether a process of the runtime's own is the first, and looks after the program.
        init: bool,
    },
    /// One more process in a running container.
    Exec {
        /// The container's first process, in the shim's PID namespace.
        container_pid: i32,
        /// The container's bundle; the process gets its seccomp filter.
        bundle: PathBuf,
        /// The process.
        process: Box<Process>,
    },
}

/// A log of lines as Docker's `json-file` driver writes them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogConfig {
    /// The file.
    pub path: PathBuf,
    /// The size in bytes at which a new file is begun.
    pub max_size: Option<u64>,
    /// How many files there are at most, the present one included; 1 if not given. Older ones
    /// have `.1`, `.2` … at the end of their names.
    pub max_file: Option<u32>,
    /// What stands in every line as `attrs`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub attributes: BTreeMap<String, String>,
}

/// What happened to the process.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ShimEvent {
    /// It is set up and waits for `start`; clients can attach.
    Created {
        /// Its id in the shim's PID namespace.
        pid: i32,
    },
    /// It could not be set up or started; nothing is left of it, and the shim ends.
    Failed {
        /// What sort of failure.
        kind: FailureKind,
        /// What went wrong, in the words of `runc` where clients know them.
        message: String,
    },
    /// The program runs.
    Started {
        /// When, RFC 3339 with nanoseconds.
        at: String,
    },
    /// It ended. The [`ExitRecord`] is on disk.
    Exited(ExitRecord),
}

/// Sorts of failures, by what becomes of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FailureKind {
    /// There is no such program: exit code 127.
    NotFound,
    /// The program cannot be run: exit code 126.
    PermissionDenied,
    /// The kernel knows nobody who runs a program of this sort: exit code 126.
    UnknownFormat,
    /// The program is there, and what is to run it is not: exit code 127.
    NoInterpreter,
    /// The runtime or the host cannot do what is asked.
    Unsupported,
    /// The specification is wrong.
    InvalidArgument,
    /// Anything else.
    Internal,
}

/// How a process ended; also the content of the file at [`ShimConfig::exit_path`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExitRecord {
    /// The exit status, or 128 and the signal's number.
    pub code: i32,
    /// Whether the OOM killer has struck in the container.
    pub oom_killed: bool,
    /// When, RFC 3339 with nanoseconds.
    pub at: String,
}

/// What the engine asks on descriptor 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ControlRequest {
    /// Run the program.
    Start,
}

/// What a connection to `shim.sock` asks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ShimRequest {
    /// Be connected to the process's streams.
    Attach {
        /// Whether what the client sends is the process's input.
        stdin: bool,
        /// Whether the client gets the output.
        stdout: bool,
        /// Whether the client gets the error output.
        stderr: bool,
    },
    /// As `attach`, after what the log holds: answered by [`ShimAnswer::Attached`]. What is of a
    /// line whose end has not come yet, and so is not in the log, is sent first.
    AttachAfterLog {
        /// Whether what the client sends is the process's input.
        stdin: bool,
        /// Whether the client gets the output.
        stdout: bool,
        /// Whether the client gets the error output.
        stderr: bool,
    },
    /// Be given the log's files, and be told when something is written to them.
    FollowLog,
    /// Set the terminal's size.
    Resize {
        /// Lines.
        rows: u16,
        /// Columns.
        cols: u16,
    },
    /// Send a signal to the process.
    Signal {
        /// Its number.
        signal: i32,
    },
    /// End the process's input.
    CloseStdin,
    /// Stop all processes of the container where they are; answered once they stand.
    Pause,
    /// Let them go on.
    Resume,
    /// Change limits of the container; all of these, or none.
    Update {
        /// Those to be changed.
        resources: Box<LinuxResources>,
    },
    /// Be told what happens, beginning with what has happened.
    Watch,
    /// Be told how things stand: answered by [`ShimAnswer::State`].
    State,
}

/// What the shim answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ShimAnswer {
    /// It is done, or begins now.
    Ok,
    /// It cannot be done.
    Error {
        /// Why.
        message: String,
    },
    /// How things stand.
    State(ShimState),
    /// The client is attached; what came before is in the log.
    Attached(LogPosition),
}

/// A place in a log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogPosition {
    /// The file, by its inode: it has another name once it is rotated.
    pub inode: u64,
    /// How much of it came before.
    pub length: u64,
}

/// How things stand with a process.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShimState {
    /// Its id in the shim's PID namespace.
    pub pid: i32,
    /// When the program was started, if it was.
    pub started_at: Option<String>,
    /// How it ended, if it did.
    pub exited: Option<ExitRecord>,
    /// Whether it is paused.
    #[serde(default)]
    pub paused: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_enum_is_its_name_or_an_object_with_it() -> anyhow::Result<()> {
        assert_eq!(serde_json::to_string(&ControlRequest::Start)?, r#""start""#);
        let created = ShimEvent::Created { pid: 7 };
        assert_eq!(serde_json::to_string(&created)?, r#"{"created":{"pid":7}}"#);
        Ok(())
    }
}
