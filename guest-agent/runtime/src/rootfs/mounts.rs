//! Mounts of the specification, made with the kernel's mount API of descriptors.
//!
//! A file system is first made as a mount that is nowhere (`fsmount(2)`, or `open_tree(2)` for
//! a bind), gets its attributes, and only then appears at its place (`move_mount(2)`), so that
//! it is never visible with fewer restrictions than it should have.

use std::fmt::Display;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};

use oci_spec::runtime::Mount;
use rustix::fs::{CWD, FileType, fstat};
use rustix::io::Errno;
use rustix::mount::{
    FsMountFlags, FsOpenFlags, MountAttrFlags, MountPropagationFlags, MoveMountFlags,
    OpenTreeFlags, fsconfig_create, fsconfig_set_flag, fsconfig_set_string, fsmount, fsopen,
    move_mount, open_tree,
};

use super::copy_up::copy_up;
use super::options::MountOptions;
use super::overlay::mount_overlay;
use super::resolve::{Missing, RootDirectory, look_beneath, look_on_host};
use crate::error::{Context, Result, RuntimeError};
use crate::id_mappings::IdMappings;
use crate::sys::{MountAttributes, map_ids, mount_setattr};

/// A mount of the specification, checked.
#[derive(Debug)]
pub(crate) struct MountPlan {
    pub(crate) destination: PathBuf,
    pub(crate) kind: String,
    pub(crate) source: PathBuf,
    pub(crate) options: MountOptions,
    /// How the owners of its files are mapped, if they are.
    ids: Option<IdMappings>,
    /// The mount of the host's that [`Self::prepare`] has made of it.
    prepared: Option<OwnedFd>,
}

impl MountPlan {
    /// `bundle` is what a relative source of a bind starts from, `container` how the container's
    /// own users are mapped.
    pub(crate) fn from_spec(mount: &Mount, bundle: &Path, container: &IdMappings) -> Result<Self> {
        let destination = mount.destination().clone();
        if !destination.is_absolute() {
            return Err(RuntimeError::invalid(format!(
                "mount destination {} is not absolute",
                destination.display()
            )));
        }
        let mut options = MountOptions::parse(mount.options().as_deref().unwrap_or_default());
        let mut kind = mount.typ().clone().unwrap_or_default();
        if kind == "bind" || kind == "rbind" {
            options.bind = Some(options.bind.unwrap_or(false) || kind == "rbind");
        }
        if options.bind.is_some() {
            "bind".clone_into(&mut kind);
        }
        // Version 1 trees are not ours; the container sees version 2.
        if kind == "cgroup" {
            "cgroup2".clone_into(&mut kind);
        }
        if kind.is_empty() {
            let destination = destination.display();
            return Err(RuntimeError::invalid(format!("mount of {destination} names no type")));
        }
        let source = mount.source().clone().unwrap_or_else(|| PathBuf::from(&kind));
        let source = if options.bind.is_some() { bundle.join(source) } else { source };
        if options.copies_up && kind != "tmpfs" {
            return Err(RuntimeError::invalid("tmpcopyup is an option of a tmpfs only"));
        }
        if options.subdirectory.is_some() && options.bind.is_none() && kind != "overlay" {
            return Err(RuntimeError::invalid("X-mount.subdir is for binds and overlays only"));
        }
        let ids = mapped_ids(mount, &options, container)?;
        Ok(Self { destination, kind, source, options, ids, prepared: None })
    }

    /// Does, in the parent, what the container may have no privileges for: only who has them on
    /// the whole file system may map its owners. And in the container's namespace no mount is the
    /// host's any more, to share what is mounted there.
    pub(crate) fn prepare(&mut self) -> Result<()> {
        let Some(recursive) = self.options.bind else { return Ok(()) };
        if self.ids.is_none() && !self.follows_source() {
            return Ok(());
        }
        let mount = self.clone_source(recursive)?;
        if let Some(ids) = &self.ids {
            let users = ids.namespace()?;
            let all = self.options.id_mapped.unwrap_or(false);
            map_ids(mount.as_fd(), all, users.as_fd())
                .context("map the ids of", self.source.display())?;
        }
        self.prepared = Some(mount);
        Ok(())
    }

    /// Whether what is mounted below the source later on is to be seen in the container.
    fn follows_source(&self) -> bool {
        matches!(
            self.options.propagation,
            Some((MountPropagationFlags::SHARED | MountPropagationFlags::DOWNSTREAM, _))
        )
    }

    fn clone_source(&self, recursive: bool) -> Result<OwnedFd> {
        let source = self.source.display();
        let Some(part) = &self.options.subdirectory else {
            return clone_tree(&self.source, recursive).context("bind", source);
        };
        let place = look_on_host(&self.source).context("open", &source)?;
        let place = look_beneath(place, part).context("find", part.display())?;
        clone_at(place, recursive).context("bind", part.display())
    }

    /// Makes the mount and puts it at its place in the root. `scratch` is a directory that is
    /// mounted on for a moment where an overlay needs it.
    pub(crate) fn apply(&self, root: &RootDirectory, scratch: &Path) -> Result<()> {
        if let Some(recursive) = self.options.bind {
            return self.bind(root, recursive);
        }
        let mount = match self.kind.as_str() {
            "overlay" => mount_overlay(self, scratch)?,
            _ => self.filesystem()?,
        };
        let target = self.target(root, Missing::Directory)?;
        if self.options.copies_up {
            copy_up(&target, &mount).context("copy up", self.destination.display())?;
        }
        attach(&mount, &target).context("mount", self.destination.display())
    }

    fn bind(&self, root: &RootDirectory, recursive: bool) -> Result<()> {
        let source = self.source.display();
        let cloned;
        let mount = if let Some(prepared) = &self.prepared {
            prepared.as_fd()
        } else {
            cloned = self.clone_source(recursive)?;
            cloned.as_fd()
        };
        let stat = fstat(mount).context("stat", &source)?;
        let is_directory = FileType::from_raw_mode(stat.st_mode) == FileType::Directory;
        let missing = if is_directory { Missing::Directory } else { Missing::File };
        let target = self.target(root, missing)?;
        let own = if self.follows_source() {
            MountAttributes::default()
        } else {
            // A container's mounts are its own, whatever the source's are.
            propagation(MountPropagationFlags::PRIVATE)
        };
        let changes =
            [(self.options.recursive, true), (self.options.attributes, false), (own, true)];
        for (attributes, recursive) in changes {
            if attributes != MountAttributes::default() {
                mount_setattr(mount, recursive, attributes)
                    .context("set the options of", self.destination.display())?;
            }
        }
        attach(mount, &target)
            .context("bind", format_args!("{source} to {}", self.destination.display()))?;
        if let Some((flag, recursive)) = self.options.propagation
            && flag != MountPropagationFlags::PRIVATE
        {
            mount_setattr(mount, recursive, propagation(flag))
                .context("set the propagation of", self.destination.display())?;
        }
        Ok(())
    }

    /// Makes a file system that is not yet anywhere.
    pub(crate) fn filesystem(&self) -> Result<OwnedFd> {
        let name = self.destination.display();
        let context = open_filesystem(&self.kind).context("mount", &name)?;
        let source = self.source.to_string_lossy();
        fsconfig_set_string(&context, "source", &*source).context("mount", &name)?;
        for (key, value) in &self.options.data {
            let set = match value {
                Some(value) => fsconfig_set_string(&context, key.as_str(), value.as_str()),
                None => fsconfig_set_flag(&context, key.as_str()),
            };
            set.context("mount", format_args!("{name} with {key}"))?;
        }
        fsconfig_create(&context).context("mount", &name)?;
        let set = self.options.attributes.set | self.options.recursive.set;
        mount_of(&context, set).context("mount", &name)
    }

    /// The place of the mount. For `proc` and `sysfs` no link may lead there: what is written
    /// through them must reach the kernel, not a file of the image.
    fn target(&self, root: &RootDirectory, missing: Missing) -> Result<OwnedFd> {
        let destination = &self.destination;
        let target = root
            .look_or_create(destination, missing)
            .context("make mount point", destination.display())?;
        if self.kind != "proc" && self.kind != "sysfs" {
            return Ok(target);
        }
        root.look_without_links(destination).map_err(|_| {
            let destination = destination.display();
            RuntimeError::invalid(format!("mount point {destination} is behind a symbolic link"))
        })
    }
}

/// A mount's own mappings, or the container's if it only says that there are to be some.
fn mapped_ids(
    mount: &Mount,
    options: &MountOptions,
    container: &IdMappings,
) -> Result<Option<IdMappings>> {
    let own = IdMappings::new(
        mount.uid_mappings().as_deref().unwrap_or_default(),
        mount.gid_mappings().as_deref().unwrap_or_default(),
    )?;
    let ids = match (options.id_mapped, own.is_empty()) {
        (None, true) => return Ok(None),
        (_, false) => own,
        (Some(_), true) => container.clone(),
    };
    let destination = mount.destination().display();
    if ids.is_empty() {
        return Err(RuntimeError::invalid(format!("mount of {destination} has no id mappings")));
    }
    if options.bind.is_none() {
        return Err(RuntimeError::unsupported(format!(
            "mapping the ids of {destination}, which is not a bind mount,"
        )));
    }
    Ok(Some(ids))
}

/// A configuration context for a file system.
pub(super) fn open_filesystem(kind: &str) -> std::result::Result<OwnedFd, Errno> {
    fsopen(kind, FsOpenFlags::FSOPEN_CLOEXEC)
}

/// A mount of a configured file system; `attributes` are `MOUNT_ATTR_*`.
pub(super) fn mount_of(context: &OwnedFd, attributes: u64) -> std::result::Result<OwnedFd, Errno> {
    let attributes = MountAttrFlags::from_bits_retain(u32::try_from(attributes).unwrap_or(0));
    fsmount(context, FsMountFlags::FSMOUNT_CLOEXEC, attributes)
}

/// A copy of the mounts at a path of the host, not yet anywhere.
pub(super) fn clone_tree(path: &Path, recursive: bool) -> std::result::Result<OwnedFd, Errno> {
    let mut flags = OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC;
    if recursive {
        flags |= OpenTreeFlags::AT_RECURSIVE;
    }
    open_tree(CWD, path, flags)
}

/// A copy of the mount that a descriptor is on, or of all mounts, seen from there.
pub(super) fn clone_at(place: impl AsFd, recursive: bool) -> std::result::Result<OwnedFd, Errno> {
    let mut flags = OpenTreeFlags::OPEN_TREE_CLONE
        | OpenTreeFlags::OPEN_TREE_CLOEXEC
        | OpenTreeFlags::AT_EMPTY_PATH;
    if recursive {
        flags |= OpenTreeFlags::AT_RECURSIVE;
    }
    open_tree(place, "", flags)
}

/// Puts a mount on a place.
pub(super) fn attach(mount: impl AsFd, target: impl AsFd) -> std::result::Result<(), Errno> {
    let flags = MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH | MoveMountFlags::MOVE_MOUNT_T_EMPTY_PATH;
    move_mount(mount, "", target, "", flags)
}

/// Makes a mount read-only.
pub(super) fn set_readonly(mount: impl AsFd, name: impl Display) -> Result<()> {
    let set = u64::from(MountAttrFlags::MOUNT_ATTR_RDONLY.bits());
    mount_setattr(mount.as_fd(), false, MountAttributes { set, ..MountAttributes::default() })
        .context("make read-only", name)
}

fn propagation(flag: MountPropagationFlags) -> MountAttributes {
    MountAttributes { propagation: u64::from(flag.bits()), ..MountAttributes::default() }
}
