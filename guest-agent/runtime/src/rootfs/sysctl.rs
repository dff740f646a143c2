//! Kernel parameters that belong to a namespace of the container.

use std::collections::HashMap;

use nix::sched::CloneFlags;
use rustix::fs::{Mode, OFlags, ResolveFlags, openat2};
use rustix::io::write;
use rustix::mount::fsconfig_create;

use super::mounts::{mount_of, open_filesystem};
use crate::error::{Context, Result, RuntimeError};
use crate::namespaces::Namespaces;

/// IPC parameters, all of which are the namespace's own.
const IPC: [&str; 8] = [
    "kernel.msgmax",
    "kernel.msgmnb",
    "kernel.msgmni",
    "kernel.sem",
    "kernel.shmall",
    "kernel.shmmax",
    "kernel.shmmni",
    "kernel.shm_rmid_forced",
];

/// File names below `/proc/sys` with their values.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Sysctls(Vec<(String, String)>);

impl Sysctls {
    /// Refuses parameters that would change the host.
    pub(super) fn from_spec(
        sysctls: Option<&HashMap<String, String>>,
        namespaces: &Namespaces,
    ) -> Result<Self> {
        let mut result = Vec::new();
        for (name, value) in sysctls.into_iter().flatten() {
            let name = name.replace('/', ".");
            let Some(flag) = namespace_of(&name) else {
                return Err(RuntimeError::invalid(format!(
                    "sysctl {name:?} is not in a separate kernel namespace"
                )));
            };
            if !namespaces.is_own(flag) {
                return Err(RuntimeError::invalid(format!(
                    "sysctl {name:?} would change the host, whose namespace the container shares"
                )));
            }
            result.push((name.replace('.', "/"), value.clone()));
        }
        Ok(Self(result))
    }

    /// Writes the values, through a procfs that is mounted nowhere, so that no file of the image
    /// can stand in for it.
    pub(super) fn apply(&self) -> Result<()> {
        if self.0.is_empty() {
            return Ok(());
        }
        let context = open_filesystem("proc").context("open", "procfs")?;
        fsconfig_create(&context).context("open", "procfs")?;
        let proc = mount_of(&context, 0).context("open", "procfs")?;
        for (name, value) in &self.0 {
            let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS;
            let path = format!("sys/{name}");
            let flags = OFlags::WRONLY | OFlags::CLOEXEC;
            let file =
                openat2(&proc, path, flags, Mode::empty(), resolve).context("open sysctl", name)?;
            write(&file, value.as_bytes()).context("set sysctl", name)?;
        }
        Ok(())
    }
}

fn namespace_of(name: &str) -> Option<CloneFlags> {
    if name.starts_with("net.") {
        Some(CloneFlags::CLONE_NEWNET)
    } else if name.starts_with("fs.mqueue.") || IPC.contains(&name) {
        Some(CloneFlags::CLONE_NEWIPC)
    } else if name == "kernel.hostname" || name == "kernel.domainname" {
        Some(CloneFlags::CLONE_NEWUTS)
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(name: &str, own: CloneFlags) -> bool {
        let sysctls = HashMap::from([(name.to_owned(), "1".to_owned())]);
        let namespaces = Namespaces { new: own, ..Namespaces::default() };
        Sysctls::from_spec(Some(&sysctls), &namespaces).is_ok()
    }

    #[test]
    fn only_parameters_of_the_containers_own_namespaces_can_be_set() {
        let own = CloneFlags::CLONE_NEWNET | CloneFlags::CLONE_NEWIPC;
        assert!(check("net.ipv4.ip_forward", own));
        assert!(check("kernel.shmmax", own));
        assert!(!check("net.ipv4.ip_forward", CloneFlags::CLONE_NEWIPC));
        assert!(!check("kernel.panic", own));
        assert!(!check("vm.overcommit_memory", own));
    }
}
