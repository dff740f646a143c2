//! What is seen of a container's mounts from outside of it: its root, the three files of the
//! network, and what was bound into it. Not what the kernel shows in it, nor its tmpfs.

use std::path::{Path, PathBuf};

use bollard_stubs::models::HostConfig;
use oci_spec::runtime::Mount;

use super::mounts::{NETWORK_FILES, RootParts, Wanted, bind_mount, mount, overlay};
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

/// An image's layers (bottom first), perhaps with a container's upper directory on them, to be
/// read. Nothing is claimed by it, so that the container can start meanwhile.
pub(crate) fn read_overlay(
    upper: Option<&Path>,
    layers: &[PathBuf],
    empty: &Path,
) -> Result<Mount> {
    let lower = layers.iter().rev().map(PathBuf::as_path);
    // OverlayFS wants two at least.
    let all = upper.into_iter().chain(lower).chain(std::iter::once(empty));
    let all: Vec<_> = all.map(|directory| directory.to_string_lossy().into_owned()).collect();
    mount("/", "overlay", "overlay", &[&format!("lowerdir={}", all.join(":"))])
}

/// The bind mounts whose source is there, parents first.
pub(crate) fn binds(directory: &Path, host_config: &HostConfig) -> Result<Vec<Mount>> {
    let files = NETWORK_FILES.map(|name| (directory.join(name), Path::new("/etc").join(name)));
    let files = files.into_iter().map(|(source, destination)| (source, destination, false));
    let wanted = Wanted::parse(host_config)?.binds;
    let wanted = wanted.into_iter().map(|bind| (bind.source, bind.destination, bind.read_only));
    let mut all: Vec<(PathBuf, PathBuf, bool)> =
        files.chain(wanted).filter(|(source, ..)| source.exists()).collect();
    all.sort_by_key(|(_, destination, _)| destination.components().count());
    all.iter()
        .map(|(source, destination, ro)| bind_mount(source, destination, *ro, "rprivate"))
        .collect()
}

/// Whether `path`, which has no links in it, can be written to.
pub(crate) fn writable(path: &Path, host_config: &HostConfig) -> Writable {
    // What cannot be read was refused when the container was created.
    let binds = Wanted::parse(host_config).unwrap_or_default().binds;
    let within = binds.iter().filter(|bind| path.starts_with(&bind.destination));
    let innermost = within.max_by_key(|bind| bind.destination.components().count());
    match innermost {
        Some(bind) if bind.read_only => Writable::NotTheMount,
        None if host_config.readonly_rootfs.unwrap_or_default() => Writable::NotTheRoot,
        _ => Writable::Yes,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_innermost_mount_says_whether_a_path_can_be_written_to() {
        let mut host_config = HostConfig {
            binds: Some(vec!["/a:/data".into(), "/b:/data/fixed:ro".into()]),
            ..HostConfig::default()
        };
        let mut expect = |path: &str, root_is_readonly: bool, expected| {
            host_config.readonly_rootfs = Some(root_is_readonly);
            assert_eq!(writable(Path::new(path), &host_config), expected, "{path}");
        };
        expect("/data/x", true, Writable::Yes);
        expect("/data/fixed/x", false, Writable::NotTheMount);
        expect("/database", true, Writable::NotTheRoot);
        expect("/database", false, Writable::Yes);
    }
}
