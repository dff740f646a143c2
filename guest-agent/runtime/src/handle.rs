//! A process that was made, and one that runs.
//!
//! ```text
//! Created ──start()──► Process ──wait()──► ExitStatus
//!    └──drop──► killed, reaped, cgroup removed
//! ```

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::io::retry_on_intr;
use rustix::process::{
    Pid, Signal, WaitId, WaitIdOptions, WaitIdStatus, pidfd_send_signal, waitid,
};

use crate::cgroup::Cgroup;
use crate::channel::{Channel, Report};
use crate::error::{Context, Result, RuntimeError};
use crate::hooks::HookPlan;
use crate::sys;

/// A child process with what belongs to it.
#[derive(Debug)]
pub(crate) struct Child {
    pid: Pid,
    pidfd: OwnedFd,
    channel: Channel,
    cgroup: Cgroup,
    /// Whether the cgroup was made for it.
    owns_cgroup: bool,
    /// The cgroup's OOM kills when the child was made.
    oom_kills_before: u64,
}

impl Child {
    pub(crate) fn new(
        (pid, pidfd, channel): (Pid, OwnedFd, Channel),
        cgroup: Cgroup,
        owns_cgroup: bool,
    ) -> Self {
        let oom_kills_before = cgroup.oom_kills();
        Self { pid, pidfd, channel, cgroup, owns_cgroup, oom_kills_before }
    }

    /// Ends a child that is not to run, and takes away what was made for it.
    fn discard(&self) {
        // Each step may find its work already done, and none can be done better a second time.
        let _ = pidfd_send_signal(&self.pidfd, Signal::KILL);
        let _ = retry_on_intr(|| waitid(WaitId::PidFd(self.pidfd.as_fd()), WaitIdOptions::EXITED));
        if self.owns_cgroup {
            drop(self.cgroup.remove());
        }
    }
}

/// A process that is set up and waits for [`Created::start`].
///
/// Dropped instead, it is killed, and what was made for it is removed.
#[derive(Debug)]
pub struct Created {
    child: Option<Child>,
    console: Option<OwnedFd>,
}

impl Created {
    /// Waits until the child has set itself up, and runs its hooks when it asks for them.
    #[tracing::instrument(level = "debug", skip_all)]
    pub(crate) fn await_ready(child: Child, hooks: &HookPlan) -> Result<Self> {
        loop {
            let failed = match child.channel.await_report() {
                Ok(Some((Report::Ready, console))) => {
                    return Ok(Self { child: Some(child), console });
                }
                Ok(Some((Report::Prepared, _))) => match hooks.run_outside(child.pid) {
                    Ok(()) => {
                        // A child that is dead says so by its report, or by none.
                        let _ = child.channel.release();
                        continue;
                    }
                    Err(error) => error,
                },
                failed => failure(failed),
            };
            child.discard();
            return Err(failed);
        }
    }

    /// The process's id in the caller's PID namespace.
    pub fn pid(&self) -> i32 {
        self.child.as_ref().map_or(0, |child| child.pid.as_raw_pid())
    }

    /// The master side of the process's terminal, if it has one; once.
    pub fn take_console(&mut self) -> Option<OwnedFd> {
        self.console.take()
    }

    /// Leaves the process to wait at its [`Gate`](crate::Gate) while the caller ends; one that has
    /// none ends with the caller.
    pub fn leave(mut self) {
        self.child = None;
    }

    /// Lets the process exec; returns when the program runs.
    #[tracing::instrument(name = "start_process", level = "debug", skip_all)]
    pub fn start(mut self) -> Result<Process> {
        let Some(child) = self.child.take() else { return Err(RuntimeError::ChildEnded) };
        // A child that is dead cannot be written to; its report or its absence says why.
        let released = child.channel.release().is_ok();
        match child.channel.await_report() {
            Ok(None) if released => Ok(Process {
                pid: child.pid,
                pidfd: child.pidfd,
                cgroup: child.cgroup,
                oom_kills_before: child.oom_kills_before,
            }),
            failed => {
                child.discard();
                Err(failure(failed))
            }
        }
    }
}

impl Drop for Created {
    fn drop(&mut self) {
        if let Some(child) = &self.child {
            child.discard();
        }
    }
}

/// Sends a signal by its number to the process of a pidfd. One that has ended is fine.
pub fn send_signal(pidfd: BorrowedFd<'_>, signal: i32) -> Result<()> {
    match sys::pidfd_send_signal(pidfd, signal) {
        Err(error) if error.raw_os_error() != Some(libc::ESRCH) => {
            Err(error).context("send", format_args!("signal {signal}"))
        }
        _ => Ok(()),
    }
}

fn failure(report: Result<Option<(Report, Option<OwnedFd>)>>) -> RuntimeError {
    match report {
        Ok(Some((Report::Failed(error), _))) | Err(error) => error,
        Ok(Some((Report::Ready | Report::Prepared, _)) | None) => RuntimeError::ChildEnded,
    }
}

/// How a process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ExitStatus {
    /// The exit status, or 128 and the signal's number.
    pub code: i32,
    /// The signal that ended it, if one did.
    pub signal: Option<i32>,
    /// Whether the OOM killer has struck in its cgroup while it ran.
    pub oom_killed: bool,
}

/// A running process. It can be polled: its descriptor is readable once it has ended.
#[derive(Debug)]
pub struct Process {
    pid: Pid,
    pidfd: OwnedFd,
    cgroup: Cgroup,
    oom_kills_before: u64,
}

impl Process {
    /// The process's id in the caller's PID namespace.
    pub fn pid(&self) -> i32 {
        self.pid.as_raw_pid()
    }

    /// The container's cgroup.
    pub fn cgroup(&self) -> &Cgroup {
        &self.cgroup
    }

    /// Sends a signal by its number. A process that has ended is fine.
    pub fn signal(&self, signal: i32) -> Result<()> {
        send_signal(self.pidfd.as_fd(), signal)
    }

    /// Waits for the process to end. To be called once.
    pub fn wait(&mut self) -> Result<ExitStatus> {
        let id = || WaitId::PidFd(self.pidfd.as_fd());
        let status = retry_on_intr(|| waitid(id(), WaitIdOptions::EXITED))
            .context("wait for", format_args!("process {}", self.pid()))?;
        Ok(self.exit_status(status.as_ref()))
    }

    fn exit_status(&self, status: Option<&WaitIdStatus>) -> ExitStatus {
        let signal = status.and_then(WaitIdStatus::terminating_signal);
        let code = status.and_then(WaitIdStatus::exit_status);
        ExitStatus {
            code: signal.map(|signal| 128 + signal).or(code).unwrap_or(0),
            signal,
            oom_killed: self.cgroup.oom_kills() > self.oom_kills_before,
        }
    }
}

impl AsFd for Process {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.pidfd.as_fd()
    }
}
