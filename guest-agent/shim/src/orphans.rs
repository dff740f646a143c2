//! Processes whose parents have died.
//!
//! In a container without a PID namespace of its own they would go to the host's first process;
//! the shim takes them, so that they end with the container.

use std::os::fd::{AsFd, BorrowedFd};

use nix::Result;
use nix::sys::prctl::set_child_subreaper;
use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use nix::sys::wait::{Id, WaitPidFlag, waitid, waitpid};

/// Tells when a child has died.
#[derive(Debug)]
pub(crate) struct Orphans(SignalFd);

impl Orphans {
    /// Makes this process the parent of its descendants' orphans.
    pub(crate) fn adopt() -> Result<Self> {
        set_child_subreaper(true)?;
        let mut signals = SigSet::empty();
        signals.add(Signal::SIGCHLD);
        signals.thread_block()?;
        let flags = SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK;
        Ok(Self(SignalFd::with_flags(&signals, flags)?))
    }

    /// Buries the dead, but for `own`, whose status somebody waits for.
    pub(crate) fn reap(&self, own: i32) {
        // What the signal says does not matter: several deaths can be one signal.
        while let Ok(Some(_)) = self.0.read_signal() {}
        let flags = WaitPidFlag::WEXITED | WaitPidFlag::WNOHANG | WaitPidFlag::WNOWAIT;
        while let Ok(Some(pid)) = waitid(Id::All, flags).map(|status| status.pid()) {
            if pid.as_raw() == own || waitpid(pid, None).is_err() {
                break;
            }
        }
    }
}

impl AsFd for Orphans {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}
