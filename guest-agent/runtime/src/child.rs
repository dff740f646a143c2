//! What the child does between the fork and the exec.

use std::convert::Infallible;
use std::os::fd::{AsFd, OwnedFd};
use std::panic::{AssertUnwindSafe, catch_unwind};

use rustix::fs::Mode;
use rustix::process::{DumpableBehavior, chdir, set_dumpable_behavior, setsid, umask};
use rustix::system::{setdomainname, sethostname};
use rustix::thread::{ThreadNameSpaceType, move_into_thread_name_spaces};

use crate::channel::{Channel, Report};
use crate::error::{Context, Result, RuntimeError};
use crate::namespaces::Namespaces;
use crate::process::{ProcessPlan, Stdio, Terminal};
use crate::rootfs::RootfsPlan;
use crate::sys;

/// Everything for the first process of a container.
#[derive(Debug)]
pub(crate) struct ContainerPlan {
    pub(crate) namespaces: Namespaces,
    pub(crate) rootfs: RootfsPlan,
    pub(crate) process: ProcessPlan,
    pub(crate) hostname: Option<String>,
    pub(crate) domainname: Option<String>,
}

/// Everything for a further process.
#[derive(Debug)]
pub(crate) struct ExecPlan {
    pub(crate) process: ProcessPlan,
    /// A pidfd of the container's first process.
    pub(crate) target: OwnedFd,
}

/// Runs the child to its end, which is the exec or the report of an error.
///
/// A panic must not unwind into the caller, which is the parent's code.
pub(crate) fn run(channel: &Channel, child: impl FnOnce(&Channel) -> Result<Infallible>) -> ! {
    let error = match catch_unwind(AssertUnwindSafe(|| child(channel))) {
        Ok(Ok(never)) => match never {},
        Ok(Err(error)) => error,
        Err(_) => RuntimeError::ChildEnded,
    };
    // If the parent is gone there is nobody to tell.
    let _ = channel.report(&Report::Failed(error), None);
    sys::exit_now(1)
}

impl ContainerPlan {
    pub(crate) fn run(mut self, stdio: Stdio, channel: &Channel) -> Result<Infallible> {
        prepare(&self.process)?;
        self.namespaces.enter()?;
        if let Some(name) = &self.hostname {
            sethostname(name.as_bytes()).context("set the hostname to", name)?;
        }
        if let Some(name) = &self.domainname {
            setdomainname(name.as_bytes()).context("set the domain name to", name)?;
        }
        let size = self.process.terminal;
        if size.is_none() {
            stdio.install().context("set", "the standard streams")?;
        }
        let mut master = None;
        let slave = self.rootfs.build(|root| {
            let Some(size) = size else { return Ok(None) };
            let terminal = Terminal::open_in(root, size)?;
            master = Some(terminal.master);
            Ok(Some(terminal.slave))
        })?;
        if let Some(slave) = slave {
            Terminal::install(&slave).context("set", "the terminal")?;
        }
        finish(&mut self.process, channel, master)
    }
}

impl ExecPlan {
    pub(crate) fn run(mut self, stdio: Stdio, channel: &Channel) -> Result<Infallible> {
        prepare(&self.process)?;
        let size = self.process.terminal;
        if size.is_none() {
            stdio.install().context("set", "the standard streams")?;
        }
        // The PID namespace is the one the child was born in.
        let namespaces = ThreadNameSpaceType::MOUNT
            | ThreadNameSpaceType::HOST_NAME_AND_NIS_DOMAIN_NAME
            | ThreadNameSpaceType::INTER_PROCESS_COMMUNICATION
            | ThreadNameSpaceType::NETWORK
            | ThreadNameSpaceType::CONTROL_GROUP;
        move_into_thread_name_spaces(self.target.as_fd(), namespaces)
            .context("join", "the container's namespaces")?;
        chdir("/").context("change to", "/")?;
        let mut master = None;
        if let Some(size) = size {
            let terminal = Terminal::open(size)?;
            Terminal::install(&terminal.slave).context("set", "the terminal")?;
            master = Some(terminal.master);
        }
        finish(&mut self.process, channel, master)
    }
}

/// The first steps, while the child still sees the host.
fn prepare(process: &ProcessPlan) -> Result<()> {
    sys::reset_signals().context("reset", "the signals")?;
    setsid().context("start", "a session")?;
    umask(Mode::empty());
    // Other processes of the container must not get at what this one still holds open.
    set_dumpable_behavior(DumpableBehavior::NotDumpable).context("hide", "the process")?;
    process.enter()
}

/// The last steps, inside.
fn finish(
    process: &mut ProcessPlan,
    channel: &Channel,
    master: Option<OwnedFd>,
) -> Result<Infallible> {
    sys::close_on_exec_from(3).context("close", "the other descriptors")?;
    let program = process.become_user()?;
    channel
        .report(&Report::Ready, master.as_ref().map(AsFd::as_fd))
        .context("report to", "the parent")?;
    drop(master);
    if !channel.await_release() {
        sys::exit_now(1);
    }
    Err(process.run(&program))
}
