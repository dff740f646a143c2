//! The runtime's command line: `naru-oci create | start | state | kill | delete | …`, as podman,
//! containerd and test suites call `runc`.
//!
//! ```text
//!            create             start                exit            delete
//! (nothing) ───────► created ──────────► running ──────────► stopped ───────► (nothing)
//! ```
//!
//! Nothing of it stays between two commands but the container's process and its directory:
//!
//! ```text
//! ROOT/<id>/   state.json    what was made: process, cgroup, bundle
//!              config.json   the specification as it was then
//!              start.sock    where the process waits for its start
//!              lock          held by the command that changes something
//! ```
//!
//! The directory appears under its name only when it is complete, and what is made after it is
//! named in it: a command that is killed leaves nothing that `delete --force` does not find.
//! Whether a container is created, running or stopped is not written down but asked of the
//! kernel, so that it is always true.
//!
//! Knows the runtime, and nothing of the engine.

#![cfg_attr(test, expect(clippy::panic_in_result_fn, reason = "a test asserts"))]

mod arguments;
mod command;
mod console;
mod error;
mod log;
mod process;
mod store;

use std::ffi::OsString;
use std::process::ExitCode;

use clap::Parser;

use arguments::Arguments;
pub use error::OciError;
use log::Log;

/// The name under which the agent is this program.
pub const NAME: &str = "naru-oci";

/// Runs one command. The first of the words is the program's name. The process must have one
/// thread.
pub fn run(words: impl Iterator<Item = OsString>) -> ExitCode {
    let arguments = Arguments::parse_from(words);
    let log = Log::new(&arguments.global);
    match command::run(arguments, &log) {
        Ok(status) => ExitCode::from(status),
        Err(error) => {
            log.error(&naru_error::chain(&error));
            ExitCode::FAILURE
        }
    }
}
