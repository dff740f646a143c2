//! A program that containers cannot overwrite (CVE-2019-5736).

use std::env::{args_os, vars_os};
use std::ffi::CString;
use std::io;
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStrExt;

use nix::unistd::fexecve;
use rustix::fs::{CWD, StatVfsMountFlags, statvfs};
use rustix::mount::{MountAttrFlags, OpenTreeFlags, open_tree};

use crate::error::{Context, Result};
use crate::sys::{MountAttributes, mount_setattr};

const OWN: &str = "/proc/self/exe";

/// Runs this program again, with the same arguments and environment, from a read-only mount of
/// itself that is nowhere; returns if it runs from a read-only mount already.
pub fn run_from_readonly_clone() -> Result<()> {
    let mount = statvfs(OWN).context("stat", OWN)?;
    if mount.f_flag.contains(StatVfsMountFlags::RDONLY) {
        return Ok(());
    }
    let flags = OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC;
    let clone = open_tree(CWD, OWN, flags).context("clone the mount of", OWN)?;
    let set = u64::from(MountAttrFlags::MOUNT_ATTR_RDONLY.bits());
    mount_setattr(clone.as_fd(), false, MountAttributes { set, ..MountAttributes::default() })
        .context("make read-only", OWN)?;
    let arguments = args_os()
        .map(|argument| CString::new(argument.as_bytes()))
        .collect::<std::result::Result<Vec<_>, _>>()
        .map_err(io::Error::from)
        .context("read", "the arguments")?;
    let environment = vars_os()
        .map(|(name, value)| CString::new([name.as_bytes(), b"=", value.as_bytes()].concat()))
        .collect::<std::result::Result<Vec<_>, _>>()
        .map_err(io::Error::from)
        .context("read", "the environment")?;
    let error = match fexecve(&clone, &arguments, &environment) {
        Ok(never) => match never {},
        Err(errno) => io::Error::from(errno),
    };
    Err(error).context("run again", OWN)
}
