//! What is seen of a container's mounts from outside of it: its root, the three files of the
//! network, and what was bound into it. Not what the kernel shows in it, nor its tmpfs.

use std::path::{Path, PathBuf};

use bollard_stubs::models::HostConfig;
use oci_spec::runtime::Mount;

use super::mounts::{NETWORK_FILES, RootParts, bind_mount, mount, overlay};
use super::points::{Source, lower, outside};
use crate::container::{MountKind, Record};
use crate::error::Result;

/// How a path of a container is mounted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Writable {
    Yes,
    /// It is in a bind mount that is read-only.
    NotTheMount,
    /// It is in the root filesystem, which is read-only.
    NotTheRoot,
}

/// The root of a container that does not run, to be written to.
pub(crate) fn root_overlay(parts: RootParts<'_>, host_config: &HostConfig) -> Result<Mount> {
    overlay(parts, host_config.auto_remove.unwrap_or_default())
}

/// The root of a step of a build, to be written to. What it writes becomes a layer, which is
/// synced then.
pub(crate) fn build_overlay(parts: RootParts<'_>) -> Result<Mount> {
    overlay(parts, true)
}

/// An image's layers (bottom first), perhaps with a container's upper directory on them, to be
/// read. Nothing is claimed by it, so that the container can start meanwhile.
pub(crate) fn read_overlay(
    upper: Option<&Path>,
    layers: &[PathBuf],
    empty: &Path,
) -> Result<Mount> {
    let layers = layers.iter().rev().map(PathBuf::as_path);
    mount("/", "overlay", "overlay", &[&lower(upper.into_iter().chain(layers), empty)])
}

/// What is mounted and has a source that is there, parents first.
pub(crate) fn binds(directory: &Path, record: &Record, sources: &[Source]) -> Result<Vec<Mount>> {
    let empty = directory.join("rootfs");
    let is_there = |source: &Source| match source {
        Source::Path(path) => path.exists(),
        Source::Layers(_) => true,
        Source::Memory => false,
    };
    let points = record.mount_points();
    let mut all = Vec::new();
    for name in NETWORK_FILES {
        let (source, destination) = (directory.join(name), Path::new("/etc").join(name));
        let is_taken = points.iter().any(|point| point.destination == destination);
        if !is_taken && source.exists() {
            all.push(bind_mount(&source, &destination, false, "rprivate")?);
        }
    }
    for (point, source) in points.iter().zip(sources).filter(|(_, source)| is_there(source)) {
        all.push(outside(point, source, &empty)?);
    }
    all.sort_by_key(|mount| mount.destination().components().count());
    Ok(all)
}

/// Whether `path`, which has no links in it, can be written to.
pub(crate) fn writable(path: &Path, record: &Record) -> Writable {
    let points = record.mount_points().iter();
    let within = points.filter(|point| path.starts_with(&point.destination));
    // What is in memory is not seen from outside.
    let within = within.filter(|point| !matches!(point.kind, MountKind::Tmpfs(_)));
    let innermost = within.max_by_key(|point| point.destination.components().count());
    match innermost {
        Some(point) if point.read_only => Writable::NotTheMount,
        None if record.host_config.readonly_rootfs.unwrap_or_default() => Writable::NotTheRoot,
        _ => Writable::Yes,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::container::{Bind, MountPoint, tests_support};

    #[test]
    fn the_innermost_mount_says_whether_a_path_can_be_written_to() {
        let mut record = tests_support::record();
        let bind = |destination: &str, read_only| MountPoint {
            destination: destination.into(),
            read_only,
            mode: String::new(),
            kind: MountKind::Bind(Bind {
                source: "/a".into(),
                propagation: "rprivate".to_owned(),
                create_source: false,
                recursive: true,
                recursively_read_only: false,
            }),
        };
        record.mounts = Some(vec![bind("/data", false), bind("/data/fixed", true)]);
        let mut expect = |path: &str, root_is_readonly: bool, expected| {
            record.host_config.readonly_rootfs = Some(root_is_readonly);
            assert_eq!(writable(Path::new(path), &record), expected, "{path}");
        };
        expect("/data/x", true, Writable::Yes);
        expect("/data/fixed/x", false, Writable::NotTheMount);
        expect("/database", true, Writable::NotTheRoot);
        expect("/database", false, Writable::Yes);
    }
}
