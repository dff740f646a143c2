//! The mounts of a container: its root, the kernel's file systems, what was asked for.

use std::path::{Path, PathBuf};

use bollard_stubs::models::HostConfig;
use oci_spec::runtime::{Mount, MountBuilder};

use super::SpecRequest;
use super::namespaces::{IpcMode, Joined};
use super::points::{self, TMPFS};
use super::security::Security;
use crate::error::{EngineError, Result};

const SHM: &str = "/dev/shm";
pub(crate) const SHM_DEFAULT_BYTES: i64 = 64 << 20;
/// The files of the network, in the container's directory and in its `/etc`.
pub(super) const NETWORK_FILES: [&str; 3] = ["resolv.conf", "hostname", "hosts"];

/// Where the parts of a container's file system lie.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RootParts<'a> {
    /// The image's layers, bottom first.
    pub(crate) layers: &'a [PathBuf],
    pub(crate) upper: &'a Path,
    pub(crate) work: &'a Path,
    /// Holds `hosts`, `hostname` and `resolv.conf`.
    pub(crate) directory: &'a Path,
}

/// All mounts in their order: the root itself (as an overlay on `/`), the kernel's
/// file systems, the three files of the network, then what was asked for. What is asked for
/// takes the place of what would have been there.
pub(super) fn mounts(request: &SpecRequest<'_>, security: &Security) -> Result<Vec<Mount>> {
    let SpecRequest { record, parts, joined, .. } = *request;
    let asked = asked(request)?;
    let is_asked = |path: &Path| asked.iter().any(|mount| mount.destination() == path);
    let dev_is_asked = is_asked(Path::new("/dev"));
    let mut mounts = kernel_mounts(&record.host_config, joined, security)?;
    let network_files = joined.network_files.as_deref().unwrap_or(parts.directory);
    for file in NETWORK_FILES {
        let source = network_files.join(file);
        mounts.push(bind_mount(&source, &Path::new("/etc").join(file), false, "rprivate")?);
    }
    mounts.retain(|mount| {
        let destination = mount.destination();
        let is_within = dev_is_asked && destination.starts_with("/dev");
        !is_within && !is_asked(destination)
    });
    let volatile = record.host_config.auto_remove.unwrap_or_default();
    mounts.insert(0, overlay(parts, volatile)?);
    mounts.extend(asked);
    Ok(mounts)
}

fn kernel_mounts(
    host_config: &HostConfig,
    joined: &Joined,
    security: &Security,
) -> Result<Vec<Mount>> {
    let shm = host_config.shm_size.filter(|size| *size > 0).unwrap_or(SHM_DEFAULT_BYTES);
    let privileged = host_config.privileged.unwrap_or_default();
    let mode = |writable: bool| if writable { "rw" } else { "ro" };
    let (sys_mode, cgroup_mode) = (mode(privileged), mode(security.writable_cgroups));
    let mut mounts = vec![
        mount("/proc", "proc", "proc", &["nosuid", "noexec", "nodev"])?,
        mount("/dev", "tmpfs", "tmpfs", &["nosuid", "strictatime", "mode=755", "size=65536k"])?,
        mount(
            "/dev/pts",
            "devpts",
            "devpts",
            &["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"],
        )?,
        mount("/sys", "sysfs", "sysfs", &["nosuid", "noexec", "nodev", sys_mode])?,
        mount("/sys/fs/cgroup", "cgroup", "cgroup", &["nosuid", "noexec", "nodev", cgroup_mode])?,
        mount("/dev/mqueue", "mqueue", "mqueue", &["nosuid", "noexec", "nodev"])?,
    ];
    match &joined.shm {
        Some(shared) => mounts.push(bind_mount(shared, Path::new(SHM), false, "rprivate")?),
        None if IpcMode::parse(host_config)? == IpcMode::None => {}
        None => {
            let size = format!("size={shm}");
            let options = ["nosuid", "noexec", "nodev", "mode=1777", &size];
            mounts.push(mount(SHM, "tmpfs", "shm", &options)?);
        }
    }
    Ok(mounts)
}

/// What was asked for, a parent before what is mounted in it.
fn asked(request: &SpecRequest<'_>) -> Result<Vec<Mount>> {
    let SpecRequest { record, parts, mounts, .. } = *request;
    let mut asked = Vec::new();
    for (destination, options) in record.host_config.tmpfs.iter().flatten() {
        let own = options.split(',').filter(|option| !option.is_empty());
        let options: Vec<&str> = TMPFS.into_iter().chain(own).collect();
        asked.push(mount(destination, "tmpfs", "tmpfs", &options)?);
    }
    let empty = parts.directory.join("rootfs");
    for (point, source) in record.mount_points().iter().zip(mounts) {
        asked.push(points::inside(point, source, &empty)?);
    }
    asked.sort_by_key(|mount| mount.destination().components().count());
    Ok(asked)
}

/// `volatile` spares the disk a sync of all that was written: right for a container
/// whose files are thrown away with it.
pub(super) fn overlay(parts: RootParts<'_>, volatile: bool) -> Result<Mount> {
    // OverlayFS wants the topmost first.
    let lower: Vec<_> =
        parts.layers.iter().rev().map(|layer| layer.to_string_lossy().into_owned()).collect();
    let lower = format!("lowerdir={}", lower.join(":"));
    let upper = format!("upperdir={}", parts.upper.display());
    let work = format!("workdir={}", parts.work.display());
    let mut options = vec![lower.as_str(), &upper, &work];
    if volatile {
        options.push("volatile");
    }
    mount("/", "overlay", "overlay", &options)
}

pub(super) fn bind_mount(
    source: &Path,
    destination: &Path,
    ro: bool,
    propagation: &str,
) -> Result<Mount> {
    let access = if ro { "ro" } else { "rw" };
    mount(
        &destination.to_string_lossy(),
        "bind",
        &source.to_string_lossy(),
        &["rbind", propagation, access],
    )
}

/// A mount of the specification.
pub(crate) fn mount(destination: &str, typ: &str, source: &str, options: &[&str]) -> Result<Mount> {
    MountBuilder::default()
        .destination(destination)
        .typ(typ)
        .source(source)
        .options(options.iter().map(|&option| option.to_owned()).collect::<Vec<_>>())
        .build()
        .map_err(|error| EngineError::Invalid(format!("invalid mount at {destination}: {error}")))
}
