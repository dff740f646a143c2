//! One small process per container process: its stdio, its log, its exit status.
//!
//! The engine starts it with one end of a socket pair as descriptor 0 and may die at any time
//! after; the shim then goes on alone, and the next engine finds it through the socket in its
//! run directory. It has one thread and waits in one place, so that the runtime may fork it.
//!
//! ```text
//! configured ──► created ──start──► running ──► exited ──► gone
//!     │             │ engine dies      the exit status is on disk before anyone hears of it;
//!     └─ failed ◄───┘                  clients get all output before the end
//! ```

#![cfg_attr(test, expect(clippy::panic_in_result_fn, reason = "a test asserts"))]

mod client;
mod clock;
mod control;
mod error;
mod exit;
mod log;
mod orphans;
mod output;
mod process;
mod shim;
mod stdin;
pub mod wire;

use std::path::Path;

pub use error::ShimError;
pub use naru_runtime::{Cgroup, RuntimeError, ViewRequest, ViewRoot, view};

use control::Control;
use shim::Shim;

/// Runs a shim to its end; `run_dir` is where its socket will be.
///
/// Descriptor 0 is a stream socket to the engine. The process must have one thread. `SIGPIPE`
/// must be ignored, as it is in every Rust program. A process that cannot be set up is told to
/// the engine as an event and is no error of the shim.
pub fn run(run_dir: &Path) -> Result<(), ShimError> {
    let mut control = Control::from_stdin()?;
    let config = control.configuration()?;
    Shim::create(config, run_dir, control)?.map_or(Ok(()), Shim::run)
}
