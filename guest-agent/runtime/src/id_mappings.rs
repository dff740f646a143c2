//! User and group ids of a user namespace, as the host knows them.

use std::fmt::Write as _;
use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::os::fd::{AsFd, OwnedFd};

use nix::sched::CloneFlags;
use oci_spec::runtime::{Linux, LinuxIdMapping};
use rustix::io::retry_on_intr;
use rustix::process::{Pid, WaitId, WaitIdOptions, waitid};

use crate::channel::Channel;
use crate::error::{Context, Result, RuntimeError};
use crate::sys::{Forked, exit_now, fork};

/// Both maps, in the words of `/proc/PID/uid_map` (`user_namespaces(7)`).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct IdMappings {
    users: String,
    groups: String,
}

impl IdMappings {
    /// The mappings of a container.
    pub(crate) fn from_spec(linux: Option<&Linux>) -> Result<Self> {
        let list = |list: Option<&Vec<LinuxIdMapping>>| list.cloned().unwrap_or_default();
        Self::new(
            &list(linux.and_then(|linux| linux.uid_mappings().as_ref())),
            &list(linux.and_then(|linux| linux.gid_mappings().as_ref())),
        )
    }

    /// Both or neither must be given.
    pub(crate) fn new(users: &[LinuxIdMapping], groups: &[LinuxIdMapping]) -> Result<Self> {
        if users.is_empty() != groups.is_empty() {
            return Err(RuntimeError::invalid("uidMappings and gidMappings go together"));
        }
        Ok(Self { users: lines(users), groups: lines(groups) })
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.users.is_empty()
    }

    /// Gives them to a child that was born into a new user namespace.
    pub(crate) fn write(&self, child: Pid) -> Result<()> {
        for (file, map) in [("gid_map", &self.groups), ("uid_map", &self.users)] {
            let path = format!("/proc/{}/{file}", child.as_raw_pid());
            let open = OpenOptions::new().write(true).open(&path);
            // The kernel takes a map in one write only.
            open.and_then(|mut file| file.write_all(map.as_bytes())).context("write", path)?;
        }
        Ok(())
    }

    /// A user namespace that has them, and nobody in it: what the kernel wants for a mount.
    pub(crate) fn namespace(&self) -> Result<OwnedFd> {
        let (ours, theirs) = Channel::pair()?;
        let flags = u64::from(CloneFlags::CLONE_NEWUSER.bits().unsigned_abs());
        match fork(flags, None).context("clone", "a process for a user namespace")? {
            Forked::Child => {
                drop(ours);
                // The end of the channel is enough of a word.
                theirs.await_release();
                exit_now(0)
            }
            Forked::Parent { pid, pidfd } => {
                let path = format!("/proc/{}/ns/user", pid.as_raw_pid());
                let opened =
                    self.write(pid).and_then(|()| File::open(&path).context("open", &path));
                drop((ours, theirs));
                retry_on_intr(|| waitid(WaitId::PidFd(pidfd.as_fd()), WaitIdOptions::EXITED))
                    .context("wait for", "the process of a user namespace")?;
                opened.map(OwnedFd::from)
            }
        }
    }
}

fn lines(mappings: &[LinuxIdMapping]) -> String {
    let mut text = String::new();
    for map in mappings {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{} {} {}", map.container_id(), map.host_id(), map.size());
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn maps_read_as_the_kernel_wants_them() -> anyhow::Result<()> {
        let map: Vec<LinuxIdMapping> = serde_json::from_str(
            r#"[{"containerID": 0, "hostID": 100000, "size": 65536},
                {"containerID": 70000, "hostID": 5, "size": 1}]"#,
        )?;
        let mappings = IdMappings::new(&map, &map)?;
        assert_eq!(mappings.users, "0 100000 65536\n70000 5 1\n");
        let reason = "uidMappings and gidMappings go together";
        assert_eq!(IdMappings::new(&map, &[]), Err(RuntimeError::invalid(reason)));
        Ok(())
    }
}
