//! Devices: which nodes a container has, and which it may use.

use std::fs;
use std::io;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};

use bollard_stubs::models::{DeviceMapping, HostConfig};
use nix::sys::stat::{major, minor};
use oci_spec::runtime::{
    LinuxDevice, LinuxDeviceBuilder, LinuxDeviceCgroup, LinuxDeviceCgroupBuilder, LinuxDeviceType,
};

use crate::error::{EngineError, Result};

/// What is not looked into for devices: other instances are the container's own.
const SKIPPED: [&str; 9] =
    ["pts", "shm", "fd", "mqueue", ".lxc", ".lxd-mounts", ".udev", "console", "ptmx"];

const CHAR: LinuxDeviceType = LinuxDeviceType::C;
const BLOCK: LinuxDeviceType = LinuxDeviceType::B;

/// Nodes and rules of a container.
#[derive(Debug, Default)]
pub(super) struct Devices {
    /// Beside those that every container has.
    pub(super) nodes: Vec<LinuxDevice>,
    pub(super) rules: Vec<LinuxDeviceCgroup>,
}

impl Devices {
    /// Looks at the host's devices that are asked for.
    pub(super) fn parse(host_config: &HostConfig) -> Result<Self> {
        let privileged = host_config.privileged.unwrap_or_default();
        let mut devices = Self { nodes: Vec::new(), rules: default_rules(privileged)? };
        if privileged {
            devices.nodes = nodes_below(Path::new("/dev"), Path::new("/dev"))?;
        }
        for mapping in host_config.devices.iter().flatten() {
            devices.map(mapping)?;
        }
        for rule in host_config.device_cgroup_rules.iter().flatten() {
            devices.rules.push(parse_rule(rule)?);
        }
        Ok(devices)
    }

    fn map(&mut self, mapping: &DeviceMapping) -> Result<()> {
        let host = Path::new(mapping.path_on_host.as_deref().unwrap_or_default());
        let inside = match mapping.path_in_container.as_deref() {
            None | Some("") => host,
            Some(path) => Path::new(path),
        };
        let access = match mapping.cgroup_permissions.as_deref() {
            None | Some("") => "rwm",
            Some(access) if access.chars().all(|c| "rwm".contains(c)) => access,
            Some(access) => {
                return Err(EngineError::Invalid(format!("invalid device mode: {access}")));
            }
        };
        let failed = |reason: &str| {
            EngineError::Invalid(format!(
                "error gathering device information while adding custom device \"{}\": {reason}",
                host.display()
            ))
        };
        if !inside.is_absolute() {
            return Err(failed("its path in the container is not absolute"));
        }
        // A link, such as those below /dev/disk, stands for what it leads to.
        let found = fs::metadata(host).map_err(|error| failed(&reason(&error)))?;
        let nodes = if found.is_dir() {
            nodes_below(host, inside)?
        } else {
            vec![node(&found, inside)?.ok_or_else(|| failed("not a device node"))?]
        };
        if nodes.is_empty() {
            return Err(failed("no device in this directory"));
        }
        for node in nodes {
            self.rules.push(rule(node.typ(), Some(node.major()), Some(node.minor()), access)?);
            // A node of the same name gives way to the one that is named.
            self.nodes.retain(|known| known.path() != node.path());
            self.nodes.push(node);
        }
        Ok(())
    }
}

/// The error as Docker words it.
fn reason(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::NotFound => "no such file or directory".to_owned(),
        io::ErrorKind::PermissionDenied => "permission denied".to_owned(),
        _ => error.to_string(),
    }
}

/// The device with this metadata, or nothing if it is none.
fn node(found: &fs::Metadata, path: &Path) -> Result<Option<LinuxDevice>> {
    let typ = match found.file_type() {
        typ if typ.is_char_device() => CHAR,
        typ if typ.is_block_device() => BLOCK,
        _ => return Ok(None),
    };
    let number = |number: u64| i64::try_from(number).unwrap_or_default();
    LinuxDeviceBuilder::default()
        .path(path)
        .typ(typ)
        .major(number(major(found.rdev())))
        .minor(number(minor(found.rdev())))
        .file_mode(found.mode() & 0o7777)
        .uid(found.uid())
        .gid(found.gid())
        .build()
        .map(Some)
        .map_err(|error| EngineError::Invalid(format!("device {}: {error}", path.display())))
}

/// All devices in a directory and below, links left out.
fn nodes_below(host: &Path, inside: &Path) -> Result<Vec<LinuxDevice>> {
    let mut nodes = Vec::new();
    let mut todo: Vec<(PathBuf, PathBuf)> = vec![(host.to_owned(), inside.to_owned())];
    while let Some((host, inside)) = todo.pop() {
        let entries = fs::read_dir(&host).map_err(EngineError::io("reading", &host))?;
        for entry in entries.flatten() {
            let name = entry.file_name();
            // A device that is unplugged meanwhile is none.
            let Ok(found) = fs::symlink_metadata(entry.path()) else { continue };
            if SKIPPED.iter().any(|skipped| name == *skipped) {
                continue;
            }
            if found.is_dir() {
                todo.push((entry.path(), inside.join(&name)));
            } else if let Some(node) = node(&found, &inside.join(&name))? {
                nodes.push(node);
            }
        }
    }
    Ok(nodes)
}

/// Docker's device rules: making any node is harmless, using one is for the list.
fn default_rules(privileged: bool) -> Result<Vec<LinuxDeviceCgroup>> {
    type Numbers = (LinuxDeviceType, Option<i64>, Option<i64>, &'static str);
    const USABLE: [Numbers; 11] = [
        (CHAR, None, None, "m"),
        (BLOCK, None, None, "m"),
        (CHAR, Some(1), Some(3), "rwm"), // null
        (CHAR, Some(1), Some(5), "rwm"), // zero
        (CHAR, Some(1), Some(7), "rwm"), // full
        (CHAR, Some(1), Some(8), "rwm"), // random
        (CHAR, Some(1), Some(9), "rwm"), // urandom
        (CHAR, Some(5), Some(0), "rwm"), // tty
        (CHAR, Some(5), Some(1), "rwm"), // console
        (CHAR, Some(5), Some(2), "rwm"), // ptmx
        (CHAR, Some(136), None, "rwm"),  // pts
    ];
    let mut everything = rule(LinuxDeviceType::A, None, None, "rwm")?;
    everything.set_allow(privileged);
    let mut rules = vec![everything];
    if !privileged {
        for (typ, major, minor, access) in USABLE {
            rules.push(rule(typ, major, minor, access)?);
        }
    }
    Ok(rules)
}

fn rule(
    typ: LinuxDeviceType,
    major: Option<i64>,
    minor: Option<i64>,
    access: &str,
) -> Result<LinuxDeviceCgroup> {
    let mut builder = LinuxDeviceCgroupBuilder::default().allow(true).typ(typ).access(access);
    if let Some(major) = major {
        builder = builder.major(major);
    }
    if let Some(minor) = minor {
        builder = builder.minor(minor);
    }
    builder.build().map_err(|error| EngineError::Invalid(format!("device rule: {error}")))
}

/// `c 1:3 mr`, where a number may be `*`.
fn parse_rule(text: &str) -> Result<LinuxDeviceCgroup> {
    let invalid = || EngineError::Invalid(format!("invalid device cgroup rule format: '{text}'"));
    let mut words = text.split(' ');
    let (Some(typ), Some(numbers), Some(access), None) =
        (words.next(), words.next(), words.next(), words.next())
    else {
        return Err(invalid());
    };
    let typ = match typ {
        "a" => LinuxDeviceType::A,
        "b" => BLOCK,
        "c" => CHAR,
        _ => return Err(invalid()),
    };
    let number = |text: &str| match text {
        "*" => Ok(None),
        digits if digits.bytes().all(|byte| byte.is_ascii_digit()) => {
            digits.parse().map(Some).map_err(|_| invalid())
        }
        _ => Err(invalid()),
    };
    let (major, minor) = numbers.split_once(':').ok_or_else(invalid)?;
    if !(1..=3).contains(&access.len()) || !access.chars().all(|c| "rwm".contains(c)) {
        return Err(invalid());
    }
    rule(typ, number(major)?, number(minor)?, access)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_are_read_as_docker_reads_them() {
        let rule = parse_rule("c 10:* rw").unwrap();
        assert_eq!((rule.typ(), rule.major(), rule.minor()), (Some(CHAR), Some(10), None));
        for text in ["", "c 1:3", "x 1:3 r", "c 1 r", "c 1:-3 r", "c 1:3 rx", "c 1:3 r w", "c 1:3 "]
        {
            let error = parse_rule(text).unwrap_err().to_string();
            assert_eq!(error, format!("invalid device cgroup rule format: '{text}'"));
        }
    }

    #[test]
    fn a_device_is_known_by_its_numbers() {
        let mapping = DeviceMapping {
            path_on_host: Some("/dev/null".to_owned()),
            path_in_container: Some("/dev/other".to_owned()),
            cgroup_permissions: Some("r".to_owned()),
        };
        let mut devices = Devices::default();
        devices.map(&mapping).unwrap();
        let (node, rule) = (&devices.nodes[0], &devices.rules[0]);
        assert_eq!((node.typ(), node.major(), node.minor()), (CHAR, 1, 3));
        assert_eq!(node.path(), Path::new("/dev/other"));
        assert_eq!((rule.major(), rule.access().as_deref()), (Some(1), Some("r")));
    }

    #[test]
    fn what_is_no_device_is_refused_in_dockers_words() {
        for (path, reason) in
            [("/nosuch", "no such file or directory"), ("/proc/version", "not a device node")]
        {
            let mapping =
                DeviceMapping { path_on_host: Some(path.to_owned()), ..DeviceMapping::default() };
            let error = Devices::default().map(&mapping).unwrap_err().to_string();
            assert_eq!(
                error,
                format!(
                    "error gathering device information while adding custom device \"{path}\": \
                     {reason}"
                )
            );
        }
    }
}
