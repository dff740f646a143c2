//! What a container's processes may do: `--cap-add`, `--cap-drop`, `--privileged`.

use std::collections::HashSet;

use bollard_stubs::models::HostConfig;
use oci_spec::runtime::{Capability, LinuxCapabilities};

use crate::error::{EngineError, Result};

/// What a container may do unless told otherwise; Docker's fourteen.
const DEFAULT_CAPABILITIES: [Capability; 14] = [
    Capability::Chown,
    Capability::DacOverride,
    Capability::Fsetid,
    Capability::Fowner,
    Capability::Mknod,
    Capability::NetRaw,
    Capability::Setgid,
    Capability::Setuid,
    Capability::Setfcap,
    Capability::Setpcap,
    Capability::NetBindService,
    Capability::SysChroot,
    Capability::Kill,
    Capability::AuditWrite,
];

/// The last capability that exists (Linux 5.9: `CAP_CHECKPOINT_RESTORE`) is number 40.
const ALL_CAPABILITIES: &[&str] = &[
    "CHOWN",
    "DAC_OVERRIDE",
    "DAC_READ_SEARCH",
    "FOWNER",
    "FSETID",
    "KILL",
    "SETGID",
    "SETUID",
    "SETPCAP",
    "LINUX_IMMUTABLE",
    "NET_BIND_SERVICE",
    "NET_BROADCAST",
    "NET_ADMIN",
    "NET_RAW",
    "IPC_LOCK",
    "IPC_OWNER",
    "SYS_MODULE",
    "SYS_RAWIO",
    "SYS_CHROOT",
    "SYS_PTRACE",
    "SYS_PACCT",
    "SYS_ADMIN",
    "SYS_BOOT",
    "SYS_NICE",
    "SYS_RESOURCE",
    "SYS_TIME",
    "SYS_TTY_CONFIG",
    "MKNOD",
    "LEASE",
    "AUDIT_WRITE",
    "AUDIT_CONTROL",
    "SETFCAP",
    "MAC_OVERRIDE",
    "MAC_ADMIN",
    "SYSLOG",
    "WAKE_ALARM",
    "BLOCK_SUSPEND",
    "AUDIT_READ",
    "PERFMON",
    "BPF",
    "CHECKPOINT_RESTORE",
];

fn capability(name: &str) -> Result<Capability> {
    let bare = name.to_uppercase();
    let bare = bare.strip_prefix("CAP_").unwrap_or(&bare);
    serde_json::from_value(format!("CAP_{bare}").into()).map_err(|_| {
        EngineError::Invalid(format!("invalid CapAdd: unknown capability: \"CAP_{bare}\""))
    })
}

fn all_capabilities() -> Result<HashSet<Capability>> {
    ALL_CAPABILITIES.iter().map(|name| capability(name)).collect()
}

fn capability_set(host_config: &HostConfig) -> Result<HashSet<Capability>> {
    if host_config.privileged.unwrap_or_default() {
        return all_capabilities();
    }
    let is_all = |name: &String| name.eq_ignore_ascii_case("all");
    let added = host_config.cap_add.as_deref().unwrap_or_default();
    let dropped = host_config.cap_drop.as_deref().unwrap_or_default();
    let mut set = if added.iter().any(is_all) {
        all_capabilities()?
    } else if dropped.iter().any(is_all) {
        HashSet::new()
    } else {
        HashSet::from(DEFAULT_CAPABILITIES)
    };
    for name in added.iter().filter(|name| !is_all(name)) {
        set.insert(capability(name)?);
    }
    for name in dropped.iter().filter(|name| !is_all(name)) {
        set.remove(&capability(name)?);
    }
    Ok(set)
}

/// Root has its capabilities at once; anyone else may gain them through a set-uid
/// program, as in Docker. None is inheritable (CVE-2022-24769).
pub(super) fn capabilities(host_config: &HostConfig, root: bool) -> Result<LinuxCapabilities> {
    let set = capability_set(host_config)?;
    let mut capabilities = LinuxCapabilities::default();
    let held = if root { set.clone() } else { HashSet::new() };
    capabilities
        .set_bounding(Some(set))
        .set_permitted(Some(held.clone()))
        .set_effective(Some(held))
        .set_inheritable(None)
        .set_ambient(None);
    Ok(capabilities)
}

/// Refuses a capability that there is none of.
pub(super) fn validate(host_config: &HostConfig) -> Result<()> {
    capability_set(host_config).map(drop)
}
