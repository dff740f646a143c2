//! An overlay as root filesystem, mounted where only the container sees it.

use std::ffi::CString;
use std::fs::remove_dir_all;
use std::io::ErrorKind;
use std::os::fd::OwnedFd;
use std::path::Path;

use rustix::fs::CWD;
use rustix::io::Errno;
use rustix::mount::{
    MountFlags, MoveMountFlags, UnmountFlags, fsconfig_create, fsconfig_set_flag,
    fsconfig_set_string, mount, move_mount, unmount,
};

use super::mounts::{MountPlan, clone_at, clone_tree, mount_of, open_filesystem};
use super::resolve::look_beneath;
use crate::error::{Context, Result, RuntimeError};

/// Mounts the overlay, or the part of it that is asked for, not yet anywhere. `scratch` is a
/// directory that is mounted on for a moment by the older way of mounting, and to take a part.
pub(super) fn mount_overlay(plan: &MountPlan, scratch: &Path) -> Result<OwnedFd> {
    let lower = plan.options.value("lowerdir").ok_or_else(|| {
        RuntimeError::invalid("the overlay for the root filesystem has no lowerdir")
    })?;
    forget_volatile(plan)?;
    let name = plan.destination.display();
    let mount = match by_layer(plan, lower) {
        // Before Linux 6.8 there is no `lowerdir+`.
        Err(Errno::INVAL) => by_option_string(plan, lower, scratch),
        result => result,
    }
    .context("mount", format_args!("the overlay at {name}"))?;
    match &plan.options.subdirectory {
        Some(part) => part_of(&mount, part, scratch),
        None => Ok(mount),
    }
}

/// A mount that is nowhere cannot be copied in part.
fn part_of(mount: &OwnedFd, part: &Path, scratch: &Path) -> Result<OwnedFd> {
    let name = part.display();
    move_mount(mount, "", CWD, scratch, MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH)
        .context("attach", scratch.display())?;
    let found = look_beneath(mount, part).and_then(|place| clone_at(place, false));
    unmount(scratch, UnmountFlags::DETACH).context("unmount", scratch.display())?;
    found.context("find", name)
}

/// Names the layers one at a time, so that neither their number nor the length of all their
/// paths together meets a limit.
fn by_layer(plan: &MountPlan, lower: &str) -> std::result::Result<OwnedFd, Errno> {
    let context = open_filesystem("overlay")?;
    fsconfig_set_string(&context, "source", "overlay")?;
    for layer in lower.split(':') {
        fsconfig_set_string(&context, "lowerdir+", layer)?;
    }
    for (key, value) in &plan.options.data {
        match value {
            Some(_) if key == "lowerdir" => {}
            Some(value) => fsconfig_set_string(&context, key.as_str(), value.as_str())?,
            None => fsconfig_set_flag(&context, key.as_str())?,
        }
    }
    fsconfig_create(&context)?;
    mount_of(&context, plan.options.attributes.set)
}

/// `mount(2)`, whose options are one page at most.
fn by_option_string(
    plan: &MountPlan,
    lower: &str,
    scratch: &Path,
) -> std::result::Result<OwnedFd, Errno> {
    let mut options = format!("lowerdir={lower}");
    for (key, value) in plan.options.data.iter().filter(|(key, _)| key != "lowerdir") {
        options.push(',');
        options.push_str(key);
        if let Some(value) = value {
            options.push('=');
            options.push_str(value);
        }
    }
    let options = CString::new(options).map_err(|_| Errno::INVAL)?;
    mount("overlay", scratch, "overlay", MountFlags::empty(), options.as_c_str())?;
    let detached = clone_tree(scratch, false);
    unmount(scratch, UnmountFlags::DETACH)?;
    detached
}

/// The kernel marks the work directory of a `volatile` overlay, whose changes it does not sync,
/// and refuses it from then on: after a crash they may be half there. Whoever asks for
/// `volatile` again has said that this does not matter.
fn forget_volatile(plan: &MountPlan) -> Result<()> {
    let is_volatile = plan.options.data.iter().any(|(key, _)| key == "volatile");
    let Some(work) = plan.options.value("workdir").filter(|_| is_volatile) else { return Ok(()) };
    let mark = Path::new(work).join("work/incompat/volatile");
    match remove_dir_all(&mark) {
        Err(error) if error.kind() != ErrorKind::NotFound => {
            Err(error).context("remove", mark.display())
        }
        _ => Ok(()),
    }
}
