//! A container's file system seen from outside, whether the container runs or not.
//!
//! The mounts are put together by a thread that has a mount namespace of its own, and what it
//! gives away is a copy of them that is nowhere. It lasts as long as its descriptor: nothing of
//! it is ever visible on the host, and a process that is killed leaves nothing behind.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;
use std::thread;

use nix::sched::{CloneFlags, setns};
use oci_spec::runtime::Mount;
use rustix::fs::CWD;
use rustix::mount::{
    MountAttrFlags, MountPropagationFlags, MoveMountFlags, mount_change, move_mount,
};
use rustix::thread::UnshareFlags;

use super::mounts::{MountPlan, clone_tree};
use super::overlay::mount_overlay;
use super::resolve::RootDirectory;
use crate::error::{Context, Result, RuntimeError};
use crate::id_mappings::IdMappings;
use crate::sys::{MountAttributes, mount_setattr, unshare};

/// Where a container's root filesystem comes from.
#[derive(Clone, Copy, Debug)]
pub enum ViewRoot<'a> {
    /// The overlay of a container that does not run.
    Overlay(&'a Mount),
    /// The root of the mount namespace that the process of this pidfd is in.
    Process(BorrowedFd<'a>),
}

/// A view of a container's files to be made.
#[derive(Clone, Copy, Debug)]
pub struct ViewRequest<'a> {
    /// The root filesystem; what else is mounted in it is not seen.
    pub root: ViewRoot<'a>,
    /// Bind mounts to be seen, parents first. Their places are made where they are missing and
    /// the root can be written to, and where not the mount is left out.
    pub binds: &'a [Mount],
    /// A directory of the host that is used for a moment.
    pub scratch: &'a Path,
}

/// Makes a view: a directory that is the root of mounts which are nowhere else.
///
/// No device opens through it, whatever a container puts in the place of a file.
pub fn view(request: &ViewRequest<'_>) -> Result<OwnedFd> {
    let root = match request.root {
        ViewRoot::Overlay(overlay) => {
            let plan = MountPlan::from_spec(overlay, Path::new("/"), &IdMappings::default())?;
            apart(|| {
                leave_the_host()?;
                mount_overlay(&plan, request.scratch)
            })?
        }
        ViewRoot::Process(process) => apart(|| root_of(process))?,
    };
    restrict(root.as_fd())?;
    if request.binds.is_empty() {
        return Ok(root);
    }
    let view = apart(|| {
        leave_the_host()?;
        with_binds(root, request)
    })?;
    restrict(view.as_fd())?;
    Ok(view)
}

/// Takes away what a view does not need. A container can have made its root a shared mount;
/// what is bound into the view must not show up in the container.
fn restrict(view: BorrowedFd<'_>) -> Result<()> {
    let set = MountAttrFlags::MOUNT_ATTR_NODEV | MountAttrFlags::MOUNT_ATTR_NOSUID;
    let attributes = MountAttributes {
        set: set.bits().into(),
        propagation: MountPropagationFlags::PRIVATE.bits().into(),
        ..MountAttributes::default()
    };
    mount_setattr(view, true, attributes).context("set the options of", "a view")
}

/// Does `work` on a thread that then ends, with the namespaces that it entered.
fn apart<T: Send>(work: impl FnOnce() -> Result<T> + Send) -> Result<T> {
    thread::scope(|scope| scope.spawn(work).join())
        .unwrap_or_else(|_| Err(RuntimeError::invalid("the view of a container's files panicked")))
}

/// Gives the calling thread a copy of the host's mounts, which goes with it.
fn leave_the_host() -> Result<()> {
    unshare(UnshareFlags::NEWNS).context("unshare", "the mount namespace")?;
    mount_change("/", MountPropagationFlags::PRIVATE | MountPropagationFlags::REC)
        .context("set the propagation of", "/")
}

/// The mount at the root of a process's mount namespace, wherever the process has its own root
/// by now.
fn root_of(process: BorrowedFd<'_>) -> Result<OwnedFd> {
    unshare(UnshareFlags::FS).context("unshare", "the root directory")?;
    setns(process, CloneFlags::CLONE_NEWNS)
        .map_err(std::io::Error::from)
        .context("join", "the container's mount namespace")?;
    clone_tree(Path::new("/"), false).context("see", "the container's root filesystem")
}

fn with_binds(root: OwnedFd, request: &ViewRequest<'_>) -> Result<OwnedFd> {
    let scratch = request.scratch;
    move_mount(&root, "", CWD, scratch, MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH)
        .context("attach", "the root filesystem")?;
    let root = RootDirectory::new(root);
    for bind in request.binds {
        match MountPlan::from_spec(bind, Path::new("/"), &IdMappings::default())?
            .apply(&root, scratch)
        {
            Err(RuntimeError::System { source, .. })
                if matches!(source.raw(), libc::EROFS | libc::ENOENT | libc::ENOTDIR) => {}
            applied => applied?,
        }
    }
    clone_tree(scratch, true).context("see", "the container's files")
}
