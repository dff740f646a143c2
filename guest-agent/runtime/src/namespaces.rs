//! Which namespaces a container gets new, joins, or shares with the host.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use nix::sched::{CloneFlags, setns};
use oci_spec::runtime::{LinuxNamespace, LinuxNamespaceType};
use rustix::thread::UnshareFlags;

use crate::error::{Context, Result, RuntimeError};
use crate::sys::unshare;

/// The namespaces of a container, opened and ready.
#[derive(Debug)]
pub(crate) struct Namespaces {
    /// `CLONE_NEW*` of those that are made with the process.
    pub(crate) new: CloneFlags,
    /// Whether the process unshares its cgroup namespace itself. It cannot come with the clone:
    /// the kernel would root it in the parent's cgroup, not in the one the child is put into.
    pub(crate) new_cgroup: bool,
    /// A PID namespace to be born into.
    pub(crate) pid: Option<File>,
    /// The others to be joined, with their type.
    pub(crate) join: Vec<(CloneFlags, File)>,
}

impl Namespaces {
    /// Opens what is to be joined.
    pub(crate) fn from_spec(namespaces: &[LinuxNamespace]) -> Result<Self> {
        let mut result =
            Self { new: CloneFlags::empty(), new_cgroup: false, pid: None, join: Vec::new() };
        for namespace in namespaces {
            let flag = match namespace.typ() {
                LinuxNamespaceType::Mount => CloneFlags::CLONE_NEWNS,
                LinuxNamespaceType::Cgroup => CloneFlags::CLONE_NEWCGROUP,
                LinuxNamespaceType::Uts => CloneFlags::CLONE_NEWUTS,
                LinuxNamespaceType::Ipc => CloneFlags::CLONE_NEWIPC,
                LinuxNamespaceType::Pid => CloneFlags::CLONE_NEWPID,
                LinuxNamespaceType::Network => CloneFlags::CLONE_NEWNET,
                typ @ (LinuxNamespaceType::User | LinuxNamespaceType::Time) => {
                    return Err(RuntimeError::unsupported(format!("a {typ} namespace")));
                }
            };
            match namespace.path() {
                Some(path) => result.join(flag, path)?,
                None if flag == CloneFlags::CLONE_NEWCGROUP => result.new_cgroup = true,
                None => result.new |= flag,
            }
        }
        if !result.new.contains(CloneFlags::CLONE_NEWNS) {
            return Err(RuntimeError::invalid("the container needs a mount namespace of its own"));
        }
        Ok(result)
    }

    fn join(&mut self, flag: CloneFlags, path: &Path) -> Result<()> {
        if flag == CloneFlags::CLONE_NEWNS {
            return Err(RuntimeError::unsupported("joining a mount namespace"));
        }
        let file = File::open(path).context("open namespace", path.display())?;
        if flag == CloneFlags::CLONE_NEWPID {
            self.pid = Some(file);
        } else {
            self.join.push((flag, file));
        }
        Ok(())
    }

    /// Whether the container does not share this namespace with the host.
    pub(crate) fn is_own(&self, flag: CloneFlags) -> bool {
        self.new.contains(flag) || self.join.iter().any(|(joined, _)| *joined == flag)
    }

    /// Joins and unshares, in the child, all that did not come with the clone.
    pub(crate) fn enter(&self) -> Result<()> {
        for (flag, file) in &self.join {
            setns(file, *flag).map_err(io::Error::from).context("join namespace", flag.bits())?;
        }
        if self.new_cgroup {
            unshare(UnshareFlags::NEWCGROUP).context("unshare", "the cgroup namespace")?;
        }
        Ok(())
    }
}

/// While it lives, children of this process are born into another PID namespace.
///
/// `setns(2)` with a PID namespace changes nothing for the caller itself, so that one fork is
/// enough, and the child is still the caller's own.
#[derive(Debug)]
pub(crate) struct ChildPidNamespace {
    own: OwnedFd,
}

impl ChildPidNamespace {
    /// `target` is a namespace file or a pidfd.
    pub(crate) fn set(target: &impl AsFd) -> Result<Self> {
        let own = File::open("/proc/self/ns/pid").context("open", "/proc/self/ns/pid")?.into();
        setns(target, CloneFlags::CLONE_NEWPID)
            .map_err(io::Error::from)
            .context("join", "the container's PID namespace")?;
        Ok(Self { own })
    }
}

impl Drop for ChildPidNamespace {
    fn drop(&mut self) {
        // Joining the namespace that one is in cannot be refused; were it, the next child would
        // end up in the container, and that child reports errors of its own.
        let _ = setns(&self.own, CloneFlags::CLONE_NEWPID);
    }
}
