//! Mount points of a container's record as mounts of the specification.

use std::path::{Path, PathBuf};

use oci_spec::runtime::Mount;

use super::mounts::mount;
use crate::container::{Bind, ImageMount, MountKind, MountPoint};
use crate::error::Result;

/// What every tmpfs is, unless its own options say otherwise.
pub(super) const TMPFS: [&str; 3] = ["noexec", "nosuid", "nodev"];

/// Where the kernel finds what is mounted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    Path(PathBuf),
    /// An image's, bottom first.
    Layers(Vec<PathBuf>),
    Memory,
}

/// The mount in the container. `empty` is a directory without anything in it.
pub(super) fn inside(point: &MountPoint, source: &Source, empty: &Path) -> Result<Mount> {
    let access = match &point.kind {
        MountKind::Bind(Bind { recursive: true, recursively_read_only: true, .. })
            if point.read_only =>
        {
            "rro"
        }
        _ if point.read_only => "ro",
        _ => "rw",
    };
    let propagation = match &point.kind {
        MountKind::Bind(bind) => bind.propagation.as_str(),
        _ => "rprivate",
    };
    made(point, source, empty, &[propagation, access])
}

/// The same as it is looked at from outside.
pub(super) fn outside(point: &MountPoint, source: &Source, empty: &Path) -> Result<Mount> {
    made(point, source, empty, &["rprivate", if point.read_only { "ro" } else { "rw" }])
}

fn made(point: &MountPoint, source: &Source, empty: &Path, options: &[&str]) -> Result<Mount> {
    let destination = point.destination.to_string_lossy();
    let subdir = subpath(&point.kind).map(|subpath| format!("X-mount.subdir={subpath}"));
    let mut options: Vec<&str> =
        subdir.iter().map(String::as_str).chain(options.iter().copied()).collect();
    match source {
        Source::Path(path) => {
            let recursive = !matches!(&point.kind, MountKind::Bind(bind) if !bind.recursive);
            options.insert(0, if recursive { "rbind" } else { "bind" });
            mount(&destination, "bind", &path.to_string_lossy(), &options)
        }
        Source::Layers(layers) => {
            let layers = lower(layers.iter().rev().map(PathBuf::as_path), empty);
            options.push(&layers);
            mount(&destination, "overlay", "overlay", &options)
        }
        Source::Memory => {
            let own = match &point.kind {
                MountKind::Tmpfs(options) => options.as_slice(),
                _ => &[],
            };
            let options: Vec<&str> =
                TMPFS.into_iter().chain(own.iter().map(String::as_str)).collect();
            mount(&destination, "tmpfs", "tmpfs", &options)
        }
    }
}

fn subpath(kind: &MountKind) -> Option<&str> {
    match kind {
        MountKind::Volume(volume) => volume.subpath.as_deref(),
        MountKind::Image(ImageMount { subpath, .. }) => subpath.as_deref(),
        _ => None,
    }
}

/// The option of an overlay that is only read. The topmost layer comes first.
pub(super) fn lower<'a>(layers: impl Iterator<Item = &'a Path>, empty: &'a Path) -> String {
    // OverlayFS wants two at least.
    let all = layers.chain(std::iter::once(empty));
    let all: Vec<_> = all.map(|directory| directory.to_string_lossy().into_owned()).collect();
    format!("lowerdir={}", all.join(":"))
}
