//! A container from its specification.

use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};

use nix::sched::CloneFlags;
use oci_spec::runtime::Spec;
use rustix::fs::stat;
use rustix::io::retry_on_intr;
use rustix::process::{Pid, WaitId, WaitIdOptions, waitid};

use crate::cgroup::Cgroup;
use crate::channel::Channel;
use crate::child::{self, ContainerPlan, Ending};
use crate::error::{Context, Result, RuntimeError};
use crate::gate::Gate;
use crate::handle::{Child, Created};
use crate::hooks::HookPlan;
use crate::id_mappings::IdMappings;
use crate::namespaces::{ChildPidNamespace, Namespaces};
use crate::process::{ProcessPlan, Stdio};
use crate::rootfs::RootfsPlan;
use crate::sys::{Forked, fork};

/// What [`create`] needs to know.
#[derive(Debug)]
pub struct CreateRequest<'a> {
    /// The container's name, for its cgroup if the specification names none.
    pub id: &'a str,
    /// The OCI runtime specification.
    pub spec: &'a Spec,
    /// The absolute directory that relative paths in the specification start from.
    pub bundle: &'a Path,
    /// The standard streams; not used if the process has a terminal.
    pub stdio: Stdio,
    /// How many of the caller's descriptors, from 3 on, the process gets.
    pub preserved: u32,
    /// Whether a process of the runtime's own stays as the container's first one: it forwards
    /// signals to the program, buries orphans, and ends as the program does.
    pub supervised: bool,
    /// Where the process waits for its start, instead of on the caller:
    /// [`Created::leave`] then leaves it there.
    pub gate: Option<Gate>,
}

/// Makes a container: when this returns, its namespaces, cgroup and file system are there, and
/// its process waits to exec.
///
/// The first mount of the specification may be of type `overlay` with the destination `/`; it
/// then is the root filesystem, and `root.path` is not used.
///
/// After an error nothing is left: no process, no mount, no cgroup. The calling process must
/// have one thread.
#[tracing::instrument(level = "debug", skip_all)]
pub fn create(request: CreateRequest<'_>) -> Result<Created> {
    let CreateRequest { id, spec, bundle, stdio, preserved, supervised, gate } = request;
    require_single_thread()?;
    let linux = spec.linux().as_ref();
    let process = spec
        .process()
        .as_ref()
        .ok_or_else(|| RuntimeError::invalid("the specification has no process"))?;
    refuse_unsupported(spec)?;
    let namespaces = Namespaces::from_spec(linux)?;
    let hooks = HookPlan::from_spec(id, spec, bundle)?;
    let own_uts = namespaces.is_own(CloneFlags::CLONE_NEWUTS);
    if !own_uts && (spec.hostname().is_some() || spec.domainname().is_some()) {
        return Err(RuntimeError::invalid("a hostname needs a UTS namespace"));
    }
    let mut plan = ContainerPlan {
        rootfs: RootfsPlan::from_spec(spec, bundle, &namespaces)?,
        process: ProcessPlan::from_spec(process, linux)?,
        hostname: spec.hostname().clone(),
        domainname: spec.domainname().clone(),
        namespaces,
        hooks: hooks.clone(),
        ending: Ending { preserved, is_supervised: supervised, gate },
    };
    plan.rootfs.prepare()?;
    let cgroup_path = linux.and_then(|l| l.cgroups_path().clone());
    let cgroup_path = cgroup_path.unwrap_or_else(|| PathBuf::from(id));
    let resources = linux.and_then(|l| l.resources().as_ref());
    let cgroup = Cgroup::create(&cgroup_path, resources)?;
    let child = match start_child(plan, stdio, &cgroup) {
        Ok(child) => child,
        Err(error) => {
            // Nothing runs in it, and the first error is the one to tell.
            drop(cgroup.remove());
            return Err(error);
        }
    };
    Created::await_ready(Child::new(child, cgroup, true), &hooks)
}

#[tracing::instrument(level = "debug", skip_all)]
fn start_child(
    plan: ContainerPlan,
    stdio: Stdio,
    cgroup: &Cgroup,
) -> Result<(Pid, OwnedFd, Channel)> {
    let directory = cgroup.open()?;
    let (ours, theirs) = Channel::pair()?;
    let born_in = plan.namespaces.pid.as_ref().map(ChildPidNamespace::set).transpose()?;
    let flags = u64::from(plan.namespaces.new.bits().unsigned_abs());
    match fork(flags, Some(directory.as_fd())).context("clone", "a process")? {
        Forked::Child => {
            drop(ours);
            child::run(&theirs, |channel| plan.run(stdio, channel))
        }
        Forked::Parent { pid, pidfd } => {
            drop(born_in);
            let prepared = match &plan.namespaces.users {
                Some(mappings) => map_users(pid, mappings, &plan.process, &ours),
                None => Ok(()),
            };
            if let Err(error) = prepared {
                // The channel closes, at which the child ends; it must not stay a zombie.
                drop(ours);
                let _ =
                    retry_on_intr(|| waitid(WaitId::PidFd(pidfd.as_fd()), WaitIdOptions::EXITED));
                return Err(error);
            }
            Ok((pid, pidfd, ours))
        }
    }
}

/// What the child of a user namespace waits for, having no privileges on the host.
fn map_users(
    child: Pid,
    mappings: &IdMappings,
    process: &ProcessPlan,
    channel: &Channel,
) -> Result<()> {
    process.enter(Some(child))?;
    mappings.write(child)?;
    channel.release().context("write to", "the container's process")
}

/// A child of a process with threads would hold the locks of threads that it does not have.
pub(crate) fn require_single_thread() -> Result<()> {
    // A directory has two links more than it has subdirectories, of which there is one a thread.
    let task = stat("/proc/self/task").context("stat", "/proc/self/task")?;
    if task.st_nlink == 3 {
        return Ok(());
    }
    Err(RuntimeError::invalid("the runtime was called from a process with several threads"))
}

fn refuse_unsupported(spec: &Spec) -> Result<()> {
    let Some(linux) = spec.linux() else { return Ok(()) };
    let refused = [
        ("linux.intelRdt", linux.intel_rdt().is_some()),
        ("linux.memoryPolicy", linux.memory_policy().is_some()),
        ("linux.netDevices", linux.net_devices().is_some()),
        ("linux.mountLabel", linux.mount_label().as_ref().is_some_and(|label| !label.is_empty())),
    ];
    let found = refused.into_iter().find(|(_, asked)| *asked);
    found.map_or(Ok(()), |(what, _)| Err(RuntimeError::unsupported(what)))
}
