//! What a process has as its standard input and outputs.

use std::os::fd::OwnedFd;

use rustix::fs::{CWD, Mode, OFlags, openat};
use rustix::io::Errno;
use rustix::stdio::{dup2_stderr, dup2_stdin, dup2_stdout};

/// Descriptors for a process; `None` is `/dev/null`. Not used by a process with a terminal.
#[derive(Debug, Default)]
pub struct Stdio {
    /// What it reads.
    pub stdin: Option<OwnedFd>,
    /// What it writes.
    pub stdout: Option<OwnedFd>,
    /// Where it writes errors.
    pub stderr: Option<OwnedFd>,
}

impl Stdio {
    /// Makes them descriptors 0 to 2 of this process.
    pub(crate) fn install(self) -> Result<(), Errno> {
        let null = openat(CWD, "/dev/null", OFlags::RDWR | OFlags::CLOEXEC, Mode::empty())?;
        dup2_stdin(self.stdin.as_ref().unwrap_or(&null))?;
        dup2_stdout(self.stdout.as_ref().unwrap_or(&null))?;
        dup2_stderr(self.stderr.as_ref().unwrap_or(&null))
    }
}
