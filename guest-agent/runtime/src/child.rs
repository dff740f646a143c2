//! What the child does between the fork and the exec.

use std::convert::Infallible;
use std::os::fd::{AsFd, OwnedFd};
use std::panic::{AssertUnwindSafe, catch_unwind};

use rustix::fs::{Gid, Mode, Uid};
use rustix::io::Errno;
use rustix::process::{DumpableBehavior, chdir, set_dumpable_behavior, setsid, umask};
use rustix::system::{setdomainname, sethostname};
use rustix::thread::{
    ThreadNameSpaceType, move_into_thread_name_spaces, set_thread_res_gid, set_thread_res_uid,
};

use crate::channel::{Channel, Report};
use crate::error::{Context, Result, RuntimeError};
use crate::gate::Gate;
use crate::hooks::HookPlan;
use crate::namespaces::Namespaces;
use crate::process::{ProcessPlan, Program, Stdio, Terminal};
use crate::rootfs::RootfsPlan;
use crate::{supervisor, sys};

/// Everything for the first process of a container.
#[derive(Debug)]
pub(crate) struct ContainerPlan {
    pub(crate) namespaces: Namespaces,
    pub(crate) rootfs: RootfsPlan,
    pub(crate) process: ProcessPlan,
    pub(crate) hostname: Option<String>,
    pub(crate) domainname: Option<String>,
    pub(crate) hooks: HookPlan,
    pub(crate) ending: Ending,
}

/// Everything for a further process.
#[derive(Debug)]
pub(crate) struct ExecPlan {
    pub(crate) process: ProcessPlan,
    /// A pidfd of the container's first process.
    pub(crate) target: OwnedFd,
    /// Those to join, beside the PID namespace, which the child was born in.
    pub(crate) namespaces: ThreadNameSpaceType,
    pub(crate) preserved: u32,
}

/// How the child gets from its set-up to the exec.
#[derive(Debug, Default)]
pub(crate) struct Ending {
    /// Descriptors from 3 on that the program gets.
    pub(crate) preserved: u32,
    /// Whether a copy of the child stays as the first process.
    pub(crate) is_supervised: bool,
    /// What to wait at once the parent has been told that all is ready.
    pub(crate) gate: Option<Gate>,
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
        if self.namespaces.users.is_some() {
            // The parent writes the mappings; until then the child is nobody.
            if !channel.await_release() {
                sys::exit_now(1);
            }
            become_root().context("become", "the user namespace's root")?;
            prepare()?;
        } else {
            prepare()?;
            self.process.enter(None)?;
        }
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
        let hooks = &self.hooks;
        let slave = self.rootfs.build(
            |root| {
                let Some(size) = size else { return Ok(None) };
                let terminal = Terminal::open_in(root, size)?;
                master = Some(terminal.master);
                Ok(Some(terminal.slave))
            },
            || hooks.before_pivot(channel),
        )?;
        if let Some(slave) = slave {
            Terminal::install(&slave).context("set", "the terminal")?;
        }
        self.process.create_working_directory()?;
        finish(&mut self.process, channel, master, self.ending, &self.hooks)
    }
}

impl ExecPlan {
    pub(crate) fn run(mut self, stdio: Stdio, channel: &Channel) -> Result<Infallible> {
        prepare()?;
        self.process.enter(None)?;
        let size = self.process.terminal;
        if size.is_none() {
            stdio.install().context("set", "the standard streams")?;
        }
        move_into_thread_name_spaces(self.target.as_fd(), self.namespaces)
            .context("join", "the container's namespaces")?;
        chdir("/").context("change to", "/")?;
        let mut master = None;
        if let Some(size) = size {
            let terminal = Terminal::open(size)?;
            Terminal::install(&terminal.slave).context("set", "the terminal")?;
            master = Some(terminal.master);
        }
        let ending = Ending { preserved: self.preserved, ..Ending::default() };
        finish(&mut self.process, channel, master, ending, &HookPlan::default())
    }
}

/// The first steps, while the child still sees the host.
fn prepare() -> Result<()> {
    sys::reset_signals().context("reset", "the signals")?;
    setsid().context("start", "a session")?;
    umask(Mode::empty());
    // Other processes of the container must not get at what this one still holds open.
    set_dumpable_behavior(DumpableBehavior::NotDumpable).context("hide", "the process")?;
    match sys::join_new_keyring() {
        // A kernel without keyrings has none to keep apart.
        Err(error) if error.raw_os_error() != Some(libc::ENOSYS) => {
            Err(error).context("join", "a new session keyring")
        }
        _ => Ok(()),
    }
}

/// The child of a new user namespace has all capabilities in it, and nobody's ids.
fn become_root() -> std::result::Result<(), Errno> {
    set_thread_res_gid(Gid::ROOT, Gid::ROOT, Gid::ROOT)?;
    set_thread_res_uid(Uid::ROOT, Uid::ROOT, Uid::ROOT)
}

/// The last steps, inside.
fn finish(
    process: &mut ProcessPlan,
    channel: &Channel,
    master: Option<OwnedFd>,
    ending: Ending,
    hooks: &HookPlan,
) -> Result<Infallible> {
    let first = ending.preserved.saturating_add(3);
    sys::close_on_exec_from(first).context("close", "the other descriptors")?;
    let program = process.become_user()?;
    channel
        .report(&Report::Ready, master.as_ref().map(AsFd::as_fd))
        .context("report to", "the parent")?;
    drop(master);
    let Some(gate) = ending.gate else {
        if !channel.await_release() {
            sys::exit_now(1);
        }
        return start(process, &program, ending.is_supervised, hooks);
    };
    // From here on the one who opens the gate is told what goes wrong.
    let opener = gate.await_opening()?;
    run(&opener, |_| start(process, &program, ending.is_supervised, hooks))
}

fn start(
    process: &mut ProcessPlan,
    program: &Program,
    is_supervised: bool,
    hooks: &HookPlan,
) -> Result<Infallible> {
    hooks.before_start()?;
    if is_supervised {
        supervisor::split(|| process.confine())?;
    }
    Err(process.run(program))
}
