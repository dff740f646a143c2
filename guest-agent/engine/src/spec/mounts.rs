//! The mounts of a container: its root, the kernel's file systems, what was asked for.

use std::path::{Path, PathBuf};

use bollard_stubs::models::{HostConfig, Mount as DockerMount, MountType};
use oci_spec::runtime::{Mount, MountBuilder};

use super::namespaces::{IpcMode, Joined};
use super::security::Security;
use crate::error::{EngineError, Result};

const SHM: &str = "/dev/shm";
pub(crate) const SHM_DEFAULT_BYTES: i64 = 64 << 20;
/// The files of the network, in the container's directory and in its `/etc`.
pub(super) const NETWORK_FILES: [&str; 3] = ["resolv.conf", "hostname", "hosts"];

/// One bind mount, as `-v` or `--mount type=bind` asks for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Bind {
    pub(crate) source: PathBuf,
    pub(crate) destination: PathBuf,
    pub(crate) read_only: bool,
    pub(crate) propagation: String,
    /// As `-v` has it behind the second colon.
    pub(crate) mode: String,
    /// `-v` makes a missing source directory, `--mount` refuses it.
    pub(crate) create_source: bool,
}

/// One `--tmpfs` or `--mount type=tmpfs`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Tmpfs {
    pub(crate) destination: PathBuf,
    pub(crate) options: Vec<String>,
}

/// All mounts that a host config asks for, checked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Wanted {
    pub(crate) binds: Vec<Bind>,
    pub(crate) tmpfs: Vec<Tmpfs>,
}

impl Wanted {
    /// Reads `Binds`, `Mounts` and `Tmpfs`; what makes no sense is refused by name.
    pub(crate) fn parse(host_config: &HostConfig) -> Result<Self> {
        let mut wanted = Self::default();
        for bind in host_config.binds.iter().flatten() {
            wanted.binds.push(parse_bind(bind)?);
        }
        for mount in host_config.mounts.iter().flatten() {
            wanted.add_mount(mount)?;
        }
        for (destination, options) in host_config.tmpfs.iter().flatten() {
            wanted.tmpfs.push(Tmpfs {
                destination: absolute(destination)?,
                options: options.split(',').filter(|o| !o.is_empty()).map(str::to_owned).collect(),
            });
        }
        let mut seen = std::collections::BTreeSet::new();
        let destinations = wanted.binds.iter().map(|bind| &bind.destination);
        for destination in destinations.chain(wanted.tmpfs.iter().map(|tmpfs| &tmpfs.destination)) {
            if !seen.insert(destination.clone()) {
                return Err(EngineError::Invalid(format!(
                    "Duplicate mount point: {}",
                    destination.display()
                )));
            }
        }
        Ok(wanted)
    }

    fn add_mount(&mut self, mount: &DockerMount) -> Result<()> {
        let target = mount.target.as_deref().unwrap_or_default();
        let invalid = |why: &str| {
            let kind = mount.typ.map(|kind| kind.to_string()).unwrap_or_default();
            EngineError::Invalid(format!("invalid mount config for type \"{kind}\": {why}"))
        };
        if target.is_empty() {
            return Err(invalid("field Target must not be empty"));
        }
        let destination = absolute(target).map_err(|error| invalid(&error.to_string()))?;
        let read_only = mount.read_only.unwrap_or_default();
        match mount.typ {
            Some(MountType::BIND) => {
                let source = mount.source.as_deref().unwrap_or_default();
                if !source.starts_with('/') {
                    return Err(invalid(&format!(
                        "invalid mount path: '{source}' mount path must be absolute"
                    )));
                }
                let options = mount.bind_options.as_ref();
                let create = options.and_then(|options| options.create_mountpoint).unwrap_or(false);
                let propagation = options
                    .and_then(|options| options.propagation)
                    .map(|propagation| propagation.to_string())
                    .filter(|propagation| !propagation.is_empty())
                    .unwrap_or_else(|| "rprivate".to_owned());
                if !create && !Path::new(source).exists() {
                    return Err(invalid(&format!("bind source path does not exist: {source}")));
                }
                self.binds.push(Bind {
                    source: source.into(),
                    destination,
                    read_only,
                    propagation,
                    mode: String::new(),
                    create_source: create,
                });
            }
            Some(MountType::TMPFS) => {
                if mount.source.as_ref().is_some_and(|source| !source.is_empty()) {
                    return Err(invalid("field Source must not be specified"));
                }
                let mut options = Vec::new();
                if let Some(tmpfs) = &mount.tmpfs_options {
                    options.extend(tmpfs.size_bytes.map(|bytes| format!("size={bytes}")));
                    options.extend(tmpfs.mode.map(|mode| format!("mode={mode:o}")));
                }
                if read_only {
                    options.push("ro".to_owned());
                }
                self.tmpfs.push(Tmpfs { destination, options });
            }
            other => {
                let kind = other.map(|kind| kind.to_string()).unwrap_or_default();
                return Err(EngineError::Unsupported(format!(
                    "mounts of type \"{kind}\" are not supported yet (target {target})"
                )));
            }
        }
        Ok(())
    }
}

fn absolute(path: &str) -> Result<PathBuf> {
    if path.starts_with('/') && path != "/" {
        return Ok(path.into());
    }
    if path == "/" {
        return Err(EngineError::Invalid(
            "invalid specification: destination can't be '/'".to_owned(),
        ));
    }
    Err(EngineError::Invalid(format!("invalid mount path: '{path}' mount path must be absolute")))
}

/// `source:destination[:options]`, options being `ro`, `rw`, a propagation, or the
/// labels `z` and `Z`, which mean nothing without `SELinux`.
fn parse_bind(text: &str) -> Result<Bind> {
    let parts: Vec<&str> = text.split(':').collect();
    let (source, destination, options) = match parts[..] {
        [source, destination] => (source, destination, ""),
        [source, destination, options] => (source, destination, options),
        _ => {
            return Err(EngineError::Invalid(format!("invalid volume specification: '{text}'")));
        }
    };
    if !source.starts_with('/') {
        return Err(EngineError::Unsupported(format!(
            "named volumes are not supported yet: '{text}'"
        )));
    }
    let mut bind = Bind {
        source: source.into(),
        destination: absolute(destination).map_err(|error| {
            EngineError::Invalid(format!(
                "invalid volume specification: '{text}': invalid mount config for type \"bind\": \
                 {error}"
            ))
        })?,
        read_only: false,
        propagation: "rprivate".to_owned(),
        mode: options.to_owned(),
        create_source: true,
    };
    for option in options.split(',').filter(|option| !option.is_empty()) {
        match option {
            "ro" => bind.read_only = true,
            "rw" | "z" | "Z" | "consistent" | "cached" | "delegated" => {}
            "private" | "rprivate" | "shared" | "rshared" | "slave" | "rslave" => {
                option.clone_into(&mut bind.propagation);
            }
            _ => {
                return Err(EngineError::Invalid(format!("invalid mode: {options}")));
            }
        }
    }
    Ok(bind)
}

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
/// file systems, the three files of the network, then what was asked for.
pub(super) fn mounts(
    parts: RootParts<'_>,
    host_config: &HostConfig,
    joined: &Joined,
    security: &Security,
) -> Result<Vec<Mount>> {
    let wanted = Wanted::parse(host_config)?;
    let shm = host_config.shm_size.filter(|size| *size > 0).unwrap_or(SHM_DEFAULT_BYTES);
    let privileged = host_config.privileged.unwrap_or_default();
    let mode = |writable: bool| if writable { "rw" } else { "ro" };
    let (sys_mode, cgroup_mode) = (mode(privileged), mode(security.writable_cgroups));

    let mut mounts = vec![
        overlay(parts, host_config.auto_remove.unwrap_or_default())?,
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
    let network_files = joined.network_files.as_deref().unwrap_or(parts.directory);
    for file in NETWORK_FILES {
        let source = network_files.join(file);
        mounts.push(bind_mount(&source, &Path::new("/etc").join(file), false, "rprivate")?);
    }
    // A parent before what is mounted in it.
    let mut asked: Vec<(PathBuf, Mount)> = Vec::new();
    for tmpfs in wanted.tmpfs {
        let mut options = vec!["noexec", "nosuid", "nodev"];
        options.extend(tmpfs.options.iter().map(String::as_str));
        let destination = tmpfs.destination.to_string_lossy().into_owned();
        asked.push((tmpfs.destination, mount(&destination, "tmpfs", "tmpfs", &options)?));
    }
    for bind in wanted.binds {
        let made = bind_mount(&bind.source, &bind.destination, bind.read_only, &bind.propagation)?;
        asked.push((bind.destination, made));
    }
    asked.sort_by_key(|(destination, _)| destination.components().count());
    mounts.extend(asked.into_iter().map(|(_, mount)| mount));
    Ok(mounts)
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

pub(super) fn mount(destination: &str, typ: &str, source: &str, options: &[&str]) -> Result<Mount> {
    MountBuilder::default()
        .destination(destination)
        .typ(typ)
        .source(source)
        .options(options.iter().map(|&option| option.to_owned()).collect::<Vec<_>>())
        .build()
        .map_err(|error| EngineError::Invalid(format!("invalid mount at {destination}: {error}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn binds_are_read_as_docker_reads_them() {
        let bind = parse_bind("/src:/dst:ro,rshared").unwrap();
        assert!(bind.read_only);
        assert_eq!(bind.propagation, "rshared");
        for (text, message) in [
            ("/src", "invalid volume specification: '/src'"),
            ("/src:dst", "mount path must be absolute"),
            ("/src:/dst:nope", "invalid mode: nope"),
            ("/src:/", "destination can't be '/'"),
        ] {
            let error = parse_bind(text).unwrap_err().to_string();
            assert!(error.contains(message), "{text}: {error}");
        }
    }

    #[test]
    fn a_mount_point_is_given_once() {
        let host_config = HostConfig {
            binds: Some(vec!["/a:/x".into(), "/b:/x".into()]),
            ..HostConfig::default()
        };
        let error = Wanted::parse(&host_config).unwrap_err();
        assert_eq!(error.to_string(), "Duplicate mount point: /x");
    }
}
