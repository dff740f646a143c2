//! What is set in the child between fork and exec.
#![expect(unsafe_code, reason = "code between fork and exec must be vouched for")]

use std::io;

use rustix::process::{Pid, Signal, getpid, getppid, set_parent_process_death_signal};
use tokio::process::Command;

/// Has the kernel kill the child when the thread that starts it ends.
///
/// The thread, not the process: start it from one that lives as long as the child.
pub(crate) fn die_with_parent(command: &mut Command) {
    let parent = getpid();
    // SAFETY: after the fork the closure makes two system calls, allocates nothing and
    // takes no lock.
    unsafe { command.pre_exec(move || arrange(parent)) };
}

fn arrange(parent: Pid) -> io::Result<()> {
    set_parent_process_death_signal(Some(Signal::KILL))?;
    // The parent may have died before the call.
    if getppid() == Some(parent) { Ok(()) } else { Err(io::ErrorKind::BrokenPipe.into()) }
}
