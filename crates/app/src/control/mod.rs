//! How Naru's processes on one computer share one machine.
//!
//! One process owns the machine: it holds the owner's lock and serves the control
//! socket. The others ask it. A connection carries one request, a JSON object on one
//! line; the answer is one [`Reply`] a line: to `watch` every status from now on, to
//! the others one line.

pub(crate) mod client;
pub(crate) mod server;

use naru_ipc::{IpcError, MachineStatus};
use serde::{Deserialize, Serialize};

/// Both processes must speak the same one; an update can leave an old owner running.
const VERSION: u32 = 1;
/// The longest line either side accepts.
const MAX_LINE: u64 = 1 << 20;

/// What another process asks of the owner.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Request {
    version: u32,
    operation: Operation,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Operation {
    Status,
    Watch,
    Start,
    Stop,
    Reset,
}

/// What the owner answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "reply", rename_all = "snake_case")]
enum Reply {
    Done,
    Failed { error: IpcError },
    Status { status: MachineStatus },
}
