//! One more process in a running container.

use std::os::fd::{AsFd, OwnedFd};

use oci_spec::runtime::{Linux, Process};
use rustix::process::{Pid, PidfdFlags, pidfd_open};

use crate::cgroup::Cgroup;
use crate::channel::Channel;
use crate::child::{self, ExecPlan};
use crate::create::require_single_thread;
use crate::error::{Context, Result, RuntimeError};
use crate::handle::{Child, Created};
use crate::hooks::HookPlan;
use crate::namespaces::{ChildPidNamespace, joined_by_exec};
use crate::process::{ProcessPlan, Stdio};
use crate::sys::{Forked, fork};

/// What [`exec`] needs to know.
#[derive(Debug)]
pub struct ExecRequest<'a> {
    /// The container's first process, by its id in the caller's PID namespace.
    pub container: i32,
    /// The process to start.
    pub process: &'a Process,
    /// The container's own part of the specification: the process gets its filter and its
    /// personality, and joins its namespaces.
    pub linux: Option<&'a Linux>,
    /// The standard streams; not used if the process has a terminal.
    pub stdio: Stdio,
    /// How many of the caller's descriptors, from 3 on, the process gets.
    pub preserved: u32,
}

/// Makes a process in a container's namespaces and cgroup, ready to exec.
///
/// The process is the caller's child, whatever PID namespace it is in. The calling process must
/// have one thread. The container must not be frozen: the new process would be too, and this
/// would wait for it.
pub fn exec(request: ExecRequest<'_>) -> Result<Created> {
    let ExecRequest { container, process, linux, stdio, preserved } = request;
    require_single_thread()?;
    let container = Pid::from_raw(container)
        .ok_or_else(|| RuntimeError::invalid("the container has no process"))?;
    let process = ProcessPlan::from_spec(process, linux)?;
    let target = pidfd_open(container, PidfdFlags::empty())
        .context("open", format_args!("process {}", container.as_raw_pid()))?;
    let cgroup = Cgroup::of(container)?;
    let namespaces = joined_by_exec(linux);
    let plan = ExecPlan { process, target, namespaces, preserved };
    let child = start_child(plan, stdio, &cgroup)?;
    Created::await_ready(Child::new(child, cgroup, false), &HookPlan::default())
}

fn start_child(plan: ExecPlan, stdio: Stdio, cgroup: &Cgroup) -> Result<(Pid, OwnedFd, Channel)> {
    let directory = cgroup.open()?;
    let (ours, theirs) = Channel::pair()?;
    let born_in = ChildPidNamespace::set(&plan.target)?;
    match fork(0, Some(directory.as_fd())).context("clone", "a process")? {
        Forked::Child => {
            drop(ours);
            child::run(&theirs, |channel| plan.run(stdio, channel))
        }
        Forked::Parent { pid, pidfd } => {
            drop(born_in);
            Ok((pid, pidfd, ours))
        }
    }
}
