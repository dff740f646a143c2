//! An overlay as root filesystem, mounted where only the container sees it.

use std::ffi::CString;
use std::os::fd::OwnedFd;
use std::path::Path;

use rustix::io::Errno;
use rustix::mount::{
    MountFlags, UnmountFlags, fsconfig_create, fsconfig_set_flag, fsconfig_set_string, mount,
    unmount,
};

use super::mounts::{MountPlan, clone_tree, mount_of, open_filesystem};
use crate::error::{Context, Result, RuntimeError};

/// Mounts the overlay, not yet anywhere. `scratch` is a directory that the older way of
/// mounting can use for a moment.
pub(super) fn mount_overlay(plan: &MountPlan, scratch: &Path) -> Result<OwnedFd> {
    let lower = plan.options.value("lowerdir").ok_or_else(|| {
        RuntimeError::invalid("the overlay for the root filesystem has no lowerdir")
    })?;
    match by_layer(plan, lower) {
        // Before Linux 6.8 there is no `lowerdir+`.
        Err(Errno::INVAL) => by_option_string(plan, lower, scratch),
        result => result,
    }
    .context("mount", "the root overlay")
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
