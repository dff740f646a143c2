//! How a container is, and what may become of it.
//!
//! ```text
//!                       ┌──pause──► Paused ──exit──┐
//!                       │◄─unpause──┘              ▼
//! Created ──start──► Running ──────────exit──────► Exited ──start──► Running
//! ```
//!
//! Only the methods of [`State`] lead from one status to another.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::shim::Exit;

/// How a container is.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct State {
    pub(crate) status: Status,
    /// As the engine's PID namespace sees it; 0 when it does not run.
    pub(crate) pid: i32,
    /// Of the last end; 0 again while it runs.
    pub(crate) exit_code: i32,
    pub(crate) oom_killed: bool,
    /// Why the last start failed.
    pub(crate) error: String,
    pub(crate) started_at: Option<Timestamp>,
    pub(crate) finished_at: Option<Timestamp>,
    /// How often it has ended; `wait?condition=next-exit` counts by it.
    pub(crate) exits: u64,
}

/// Where in its life a container is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Status {
    #[default]
    Created,
    Running,
    /// Its processes stand still.
    Paused,
    Exited,
}

/// Why a container cannot be brought into a state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Denied {
    NotRunning,
    AlreadyPaused,
    NotPaused,
}

impl Status {
    /// Docker's word.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Running => "running",
            Self::Paused => "paused",
            Self::Exited => "exited",
        }
    }
}

impl State {
    /// Whether there is a process, be it paused.
    pub(crate) fn has_process(&self) -> bool {
        matches!(self.status, Status::Running | Status::Paused)
    }

    pub(super) fn start(&mut self, pid: i32, at: Timestamp) {
        self.status = Status::Running;
        self.pid = pid;
        self.exit_code = 0;
        self.oom_killed = false;
        self.error.clear();
        self.started_at = Some(at);
        self.finished_at = None;
    }

    pub(super) fn exit(&mut self, exit: Exit) {
        self.status = Status::Exited;
        self.pid = 0;
        self.exit_code = exit.code;
        self.oom_killed = exit.oom_killed;
        self.finished_at = Some(exit.at);
        self.exits += 1;
    }

    pub(super) fn pause(&mut self) -> Result<(), Denied> {
        match self.status {
            Status::Running => self.status = Status::Paused,
            Status::Paused => return Err(Denied::AlreadyPaused),
            Status::Created | Status::Exited => return Err(Denied::NotRunning),
        }
        Ok(())
    }

    pub(super) fn unpause(&mut self) -> Result<(), Denied> {
        if self.status != Status::Paused {
            return Err(Denied::NotPaused);
        }
        self.status = Status::Running;
        Ok(())
    }
}
