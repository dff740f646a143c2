//! Which namespaces a container gets new, joins, or shares with the host.

use std::fmt::Write as _;
use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use nix::sched::{CloneFlags, setns};
use oci_spec::runtime::{Linux, LinuxNamespaceType};
use rustix::thread::{ThreadNameSpaceType, UnshareFlags};

use crate::error::{Context, Result, RuntimeError};
use crate::id_mappings::IdMappings;
use crate::sys::unshare;

/// `CLONE_NEWTIME`, which `nix` does not have.
const NEW_TIME: CloneFlags = CloneFlags::from_bits_retain(0x80);

/// The namespaces of a container, opened and ready.
#[derive(Debug)]
pub(crate) struct Namespaces {
    /// `CLONE_NEW*` of those that are made with the process.
    pub(crate) new: CloneFlags,
    /// Whether the process unshares its cgroup namespace itself. It cannot come with the clone:
    /// the kernel would root it in the parent's cgroup, not in the one the child is put into.
    pub(crate) new_cgroup: bool,
    /// A new time namespace, with its clocks' offsets.
    pub(crate) time: Option<TimeOffsets>,
    /// A new user namespace, with its mappings.
    pub(crate) users: Option<IdMappings>,
    /// A PID namespace to be born into.
    pub(crate) pid: Option<File>,
    /// The others to be joined, with their type.
    pub(crate) join: Vec<(CloneFlags, File)>,
}

impl Default for Namespaces {
    /// All are the host's.
    fn default() -> Self {
        Self {
            new: CloneFlags::empty(),
            new_cgroup: false,
            time: None,
            users: None,
            pid: None,
            join: Vec::new(),
        }
    }
}

impl Namespaces {
    /// Opens what is to be joined.
    pub(crate) fn from_spec(linux: Option<&Linux>) -> Result<Self> {
        let mut result = Self::default();
        for namespace in linux.and_then(|l| l.namespaces().as_deref()).unwrap_or_default() {
            let flag = flag(namespace.typ());
            match namespace.path() {
                Some(path) => result.join(flag, path)?,
                None if flag == CloneFlags::CLONE_NEWCGROUP => result.new_cgroup = true,
                None if flag == NEW_TIME => result.time = Some(TimeOffsets::from_spec(linux)?),
                None => result.new |= flag,
            }
        }
        if !result.new.contains(CloneFlags::CLONE_NEWNS) {
            return Err(RuntimeError::invalid("the container needs a mount namespace of its own"));
        }
        let mappings = IdMappings::from_spec(linux)?;
        let is_new_user = result.new.contains(CloneFlags::CLONE_NEWUSER);
        match (is_new_user, mappings.is_empty()) {
            (true, false) => result.users = Some(mappings),
            (false, true) => {}
            (true, true) => {
                return Err(RuntimeError::invalid("a user namespace needs uidMappings"));
            }
            (false, false) => {
                return Err(RuntimeError::invalid("uidMappings need a new user namespace"));
            }
        }
        if is_new_user && (result.pid.is_some() || !result.join.is_empty()) {
            // They belong to the host's user namespace, in which the container has no say.
            return Err(RuntimeError::unsupported(
                "joining a namespace from inside a new user namespace",
            ));
        }
        if result.time.is_none() && linux.is_some_and(|linux| linux.time_offsets().is_some()) {
            return Err(RuntimeError::invalid("timeOffsets need a new time namespace"));
        }
        Ok(result)
    }

    fn join(&mut self, flag: CloneFlags, path: &Path) -> Result<()> {
        if flag == CloneFlags::CLONE_NEWNS || flag == CloneFlags::CLONE_NEWUSER {
            let name = if flag == CloneFlags::CLONE_NEWNS { "mount" } else { "user" };
            return Err(RuntimeError::unsupported(format!("joining a {name} namespace")));
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
        self.time.as_ref().map_or(Ok(()), TimeOffsets::enter)
    }
}

/// The kernel's flag for a type of namespaces.
fn flag(typ: LinuxNamespaceType) -> CloneFlags {
    match typ {
        LinuxNamespaceType::Mount => CloneFlags::CLONE_NEWNS,
        LinuxNamespaceType::Cgroup => CloneFlags::CLONE_NEWCGROUP,
        LinuxNamespaceType::Uts => CloneFlags::CLONE_NEWUTS,
        LinuxNamespaceType::Ipc => CloneFlags::CLONE_NEWIPC,
        LinuxNamespaceType::User => CloneFlags::CLONE_NEWUSER,
        LinuxNamespaceType::Pid => CloneFlags::CLONE_NEWPID,
        LinuxNamespaceType::Network => CloneFlags::CLONE_NEWNET,
        LinuxNamespaceType::Time => NEW_TIME,
    }
}

/// The namespaces of a running container that a further process joins, beside its PID namespace.
pub(crate) fn joined_by_exec(linux: Option<&Linux>) -> ThreadNameSpaceType {
    let mut all = ThreadNameSpaceType::MOUNT
        | ThreadNameSpaceType::HOST_NAME_AND_NIS_DOMAIN_NAME
        | ThreadNameSpaceType::INTER_PROCESS_COMMUNICATION
        | ThreadNameSpaceType::NETWORK
        | ThreadNameSpaceType::CONTROL_GROUP;
    // These are joined only if the container has them: a kernel may not know time namespaces,
    // and joining one's own user namespace is an error.
    for namespace in linux.and_then(|l| l.namespaces().as_deref()).unwrap_or_default() {
        match namespace.typ() {
            LinuxNamespaceType::Time => all |= ThreadNameSpaceType::TIME,
            LinuxNamespaceType::User => all |= ThreadNameSpaceType::USER,
            _ => {}
        }
    }
    all
}

/// How far the clocks of a time namespace are from the host's.
#[derive(Debug, Default)]
pub(crate) struct TimeOffsets(String);

impl TimeOffsets {
    fn from_spec(linux: Option<&Linux>) -> Result<Self> {
        let mut text = String::new();
        for (clock, offset) in
            linux.and_then(|linux| linux.time_offsets().as_ref()).into_iter().flatten()
        {
            if clock != "monotonic" && clock != "boottime" {
                return Err(RuntimeError::invalid(format!("clock {clock:?} has no time offset")));
            }
            let (seconds, nanoseconds) =
                (offset.secs().unwrap_or(0), offset.nanosecs().unwrap_or(0));
            // Writing to a string cannot fail.
            let _ = writeln!(text, "{clock} {seconds} {nanoseconds}");
        }
        Ok(Self(text))
    }

    /// Makes the namespace; its clocks can be set only as long as nobody is in it.
    fn enter(&self) -> Result<()> {
        unshare(UnshareFlags::NEWTIME).context("unshare", "the time namespace")?;
        if !self.0.is_empty() {
            let path = "/proc/self/timens_offsets";
            let open = OpenOptions::new().write(true).open(path);
            open.and_then(|mut file| file.write_all(self.0.as_bytes())).context("write", path)?;
        }
        // Unsharing alone is for children.
        let path = "/proc/self/ns/time_for_children";
        let own = File::open(path).context("open", path)?;
        setns(&own, NEW_TIME).map_err(io::Error::from).context("join", path)
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
