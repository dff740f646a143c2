//! Paths that a container may not read, or not write.

use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};

use rustix::fs::{FileType, fstat};
use rustix::io::Errno;
use rustix::mount::{MountAttrFlags, fsconfig_create, fsconfig_set_string};

use super::mounts::{attach, clone_at, mount_of, open_filesystem, set_readonly};
use super::resolve::{RootDirectory, look_on_host};
use crate::error::{Context, Result};

/// Covers files with the host's null device, and directories with an empty, read-only tmpfs.
pub(super) fn mask(root: &RootDirectory, paths: &[PathBuf]) -> Result<()> {
    if paths.is_empty() {
        return Ok(());
    }
    let null = look_on_host(Path::new("/dev/null")).context("open", "/dev/null")?;
    for path in paths {
        let Some(target) = present(root, path)? else { continue };
        let stat = fstat(&target).context("stat", path.display())?;
        let cover = if FileType::from_raw_mode(stat.st_mode) == FileType::Directory {
            empty_directory()
        } else {
            clone_at(&null, false)
        };
        cover.and_then(|cover| attach(cover, &target)).context("mask", path.display())?;
    }
    Ok(())
}

fn empty_directory() -> std::result::Result<OwnedFd, Errno> {
    let context = open_filesystem("tmpfs")?;
    fsconfig_set_string(&context, "source", "tmpfs")?;
    fsconfig_set_string(&context, "size", "0")?;
    fsconfig_set_string(&context, "nr_inodes", "2")?;
    fsconfig_set_string(&context, "mode", "755")?;
    fsconfig_create(&context)?;
    mount_of(&context, u64::from(MountAttrFlags::MOUNT_ATTR_RDONLY.bits()))
}

/// Binds paths onto themselves, read-only.
pub(super) fn make_readonly(root: &RootDirectory, paths: &[PathBuf]) -> Result<()> {
    for path in paths {
        let Some(target) = present(root, path)? else { continue };
        let mount = clone_at(target.as_fd(), false).context("bind", path.display())?;
        set_readonly(&mount, path.display())?;
        attach(&mount, &target).context("bind", path.display())?;
    }
    Ok(())
}

/// A path that the kernel or the image does not have needs no cover.
fn present(root: &RootDirectory, path: &Path) -> Result<Option<OwnedFd>> {
    match root.look(path) {
        Ok(target) => Ok(Some(target)),
        Err(Errno::NOENT | Errno::NOTDIR) => Ok(None),
        Err(errno) => Err(errno).context("open", path.display()),
    }
}
