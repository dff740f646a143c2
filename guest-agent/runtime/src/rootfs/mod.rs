//! The container's file system: planned before the fork, built in the child.
//!
//! The child never mounts through a path of the image: it holds the new root as a descriptor
//! and resolves every destination below it. The new root is put on top of `/` of the child's
//! own mount namespace (walking from the process's root does not see what is mounted on it, so
//! sources are still found), and becomes the root when the image's part is done. Nothing of it
//! is ever visible on the host.

mod copy_up;
mod devices;
mod mask;
mod mounts;
mod options;
mod overlay;
mod resolve;
mod sysctl;
mod view;

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

use oci_spec::runtime::{Root, Spec};
use rustix::fs::{AtFlags, CWD, Mode, OFlags, StatxAttributes, StatxFlags, open, statx};
use rustix::io::Errno;
use rustix::mount::{
    MountPropagationFlags, MoveMountFlags, UnmountFlags, mount_change, move_mount, unmount,
};
use rustix::process::{chdir, chroot, fchdir, pivot_root};

use crate::error::{Context, Result, RuntimeError};
use crate::id_mappings::IdMappings;
use crate::namespaces::Namespaces;
use devices::Device;
use mounts::{MountPlan, clone_tree, set_readonly};
use resolve::Missing;
pub(crate) use resolve::RootDirectory;
use sysctl::Sysctls;
pub use view::{ViewRequest, ViewRoot, view};

/// All that is to be mounted, made and hidden.
#[derive(Debug)]
pub(crate) struct RootfsPlan {
    bundle: PathBuf,
    /// An overlay, or else the directory to bind.
    root: RootSource,
    propagation: MountPropagationFlags,
    mounts: Vec<MountPlan>,
    /// Empty if the container has the host's `/dev`.
    devices: Vec<Device>,
    sysctls: Sysctls,
    masked: Vec<PathBuf>,
    readonly_paths: Vec<PathBuf>,
    readonly: bool,
    /// The process's, which must be made before the root is read-only.
    working_directory: Option<PathBuf>,
}

#[derive(Debug)]
enum RootSource {
    Overlay(Box<MountPlan>),
    Directory(PathBuf),
}

impl RootfsPlan {
    /// Checks the parts of the specification that the file system is made from.
    pub(crate) fn from_spec(spec: &Spec, bundle: &Path, namespaces: &Namespaces) -> Result<Self> {
        let linux = spec.linux().as_ref();
        let no_users = IdMappings::default();
        let users = namespaces.users.as_ref().unwrap_or(&no_users);
        let mut mounts = Vec::new();
        let mut overlay = None;
        for mount in spec.mounts().iter().flatten() {
            let plan = MountPlan::from_spec(mount, bundle, users)?;
            if plan.destination != Path::new("/") {
                mounts.push(plan);
            } else if plan.kind == "overlay" && overlay.is_none() && mounts.is_empty() {
                overlay = Some(plan);
            } else {
                return Err(RuntimeError::invalid(
                    "a mount at / must be an overlay and the first of the mounts",
                ));
            }
        }
        let root = match (overlay, spec.root()) {
            (Some(overlay), _) => RootSource::Overlay(Box::new(overlay)),
            (None, Some(root)) => RootSource::Directory(bundle.join(root.path())),
            (None, None) => return Err(RuntimeError::invalid("the specification has no root")),
        };
        let has_own_dev = mounts
            .iter()
            .any(|mount| mount.destination == Path::new("/dev") && mount.options.bind.is_none());
        let devices = if has_own_dev {
            let extra = linux.and_then(|linux| linux.devices().as_ref()).into_iter().flatten();
            Device::defaults().map(Ok).chain(extra.map(Device::from_spec)).collect::<Result<_>>()?
        } else {
            Vec::new()
        };
        let paths = |list: Option<&Vec<String>>| -> Vec<PathBuf> {
            list.into_iter().flatten().map(PathBuf::from).collect()
        };
        Ok(Self {
            bundle: bundle.to_owned(),
            root,
            propagation: propagation(linux.and_then(|l| l.rootfs_propagation().as_deref()))?,
            mounts,
            devices,
            sysctls: Sysctls::from_spec(linux.and_then(|l| l.sysctl().as_ref()), namespaces)?,
            masked: paths(linux.and_then(|l| l.masked_paths().as_ref())),
            readonly_paths: paths(linux.and_then(|l| l.readonly_paths().as_ref())),
            readonly: spec.root().as_ref().and_then(Root::readonly).unwrap_or(false),
            working_directory: spec.process().as_ref().map(|process| process.cwd().clone()),
        })
    }

    /// Does, in the parent, what the child may have no privileges for.
    #[tracing::instrument(name = "prepare_rootfs", level = "debug", skip_all)]
    pub(crate) fn prepare(&mut self) -> Result<()> {
        self.mounts.iter_mut().try_for_each(MountPlan::prepare)
    }

    /// Builds the file system in the child's new mount namespace. `terminal` gets the root when
    /// `/dev` is there, and returns the terminal for `/dev/console`; `before_pivot` comes last
    /// before the root is the process's.
    pub(crate) fn build(
        &self,
        terminal: impl FnOnce(&RootDirectory) -> Result<Option<OwnedFd>>,
        before_pivot: impl FnOnce() -> Result<()>,
    ) -> Result<Option<OwnedFd>> {
        mount_change("/", self.propagation | MountPropagationFlags::REC)
            .context("set the propagation of", "/")?;
        let root = self.attach_root()?;
        for mount in &self.mounts {
            mount.apply(&root, &self.bundle)?;
        }
        for device in &self.devices {
            device.create(&root)?;
        }
        if !self.devices.is_empty() {
            devices::create_links(&root)?;
        }
        let terminal = terminal(&root)?;
        if let Some(terminal) = &terminal {
            devices::bind_console(&root, terminal.as_fd())?;
        }
        self.sysctls.apply()?;
        mask::mask(&root, &self.masked)?;
        mask::make_readonly(&root, &self.readonly_paths)?;
        if self.readonly {
            if let Some(directory) = &self.working_directory {
                // What cannot be made, in a mount perhaps, is told where the process goes there.
                drop(root.look_or_create(directory, Missing::Directory));
            }
            set_readonly(&root, "the root filesystem")?;
        }
        before_pivot()?;
        change_root(root.as_fd())?;
        Ok(terminal)
    }

    fn attach_root(&self) -> Result<RootDirectory> {
        let root = match &self.root {
            RootSource::Overlay(plan) => overlay::mount_overlay(plan, &self.bundle)?,
            RootSource::Directory(path) => {
                clone_tree(path, true).context("bind", path.display())?
            }
        };
        move_mount(&root, "", CWD, "/", MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH)
            .context("attach", "the root filesystem")?;
        Ok(RootDirectory::new(root))
    }
}

/// How mounts of the host reach the container's namespace: by default they come in, and
/// nothing goes out.
fn propagation(name: Option<&str>) -> Result<MountPropagationFlags> {
    match name {
        None | Some("" | "rslave" | "slave") => Ok(MountPropagationFlags::DOWNSTREAM),
        Some("rprivate" | "private") => Ok(MountPropagationFlags::PRIVATE),
        Some("rshared" | "shared") => Ok(MountPropagationFlags::SHARED),
        Some(other) => Err(RuntimeError::unsupported(format!("linux.rootfsPropagation {other:?}"))),
    }
}

/// Makes the mount at `root` the process's root and lets go of all others.
fn change_root(root: BorrowedFd<'_>) -> Result<()> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let old_root = open("/", flags, Mode::empty()).context("open", "the old root")?;
    fchdir(root).context("change to", "the root filesystem")?;
    match pivot_root(".", ".") {
        // The old root now lies on top of the new one. It must not carry the unmounting to the
        // host, so it stops being a peer first; those mounts of the new one that follow the
        // host's go on to.
        Ok(()) => {
            fchdir(&old_root).context("change to", "the old root")?;
            let flags = MountPropagationFlags::DOWNSTREAM | MountPropagationFlags::REC;
            mount_change(".", flags).context("set the propagation of", "the old root")?;
            unmount(".", UnmountFlags::DETACH).context("unmount", "the old root")?;
        }
        // The host runs from its initial ramfs, which cannot be pivoted away, but which the new
        // root covers. From on top of the root of a mount no `..` leads below; from on top of a
        // mere directory it would, so that a host in a chroot gets the error.
        Err(Errno::INVAL) if is_mount_root("/")? => {
            chroot(".").context("change to", "the root filesystem")?;
        }
        Err(errno) => return Err(errno).context("pivot to", "the root filesystem"),
    }
    chdir("/").context("change to", "/")
}

/// Whether a path is the root of a mount; what is mounted on the process's root does not count.
fn is_mount_root(path: &str) -> Result<bool> {
    let found =
        statx(CWD, path, AtFlags::empty(), StatxFlags::BASIC_STATS).context("stat", path)?;
    Ok(found.stx_attributes.contains(StatxAttributes::MOUNT_ROOT))
}
