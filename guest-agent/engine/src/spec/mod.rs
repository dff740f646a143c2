//! A container's record becomes an OCI runtime specification (version 1.2).

mod mounts;
pub(crate) mod outside;
mod resources;
mod seccomp;
mod users;

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use bollard_stubs::models::HostConfig;
use oci_spec::runtime::{
    Box as ConsoleSize, BoxBuilder as ConsoleSizeBuilder, Capability, Linux, LinuxCapabilities,
    LinuxNamespace, LinuxNamespaceBuilder, LinuxNamespaceType, Process, Root, Spec,
    get_default_maskedpaths, get_default_readonly_paths,
};

use crate::container::Record;
use crate::error::{EngineError, Result};

pub(crate) use mounts::{RootParts, Wanted as WantedMounts};
pub(crate) use outside::Writable;
pub(crate) use resources::resources;
pub(crate) use users::LayerFiles;

const OCI_VERSION: &str = "1.2.0";
const DEFAULT_PATH: &str = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

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

/// All that a specification is made from.
#[derive(Debug)]
pub(crate) struct SpecRequest<'a> {
    pub(crate) record: &'a Record,
    pub(crate) parts: RootParts<'a>,
    /// The network namespace to join; none with `--network host`, whose is the host's.
    pub(crate) netns: Option<&'a Path>,
    /// Where the container's control group goes, relative to the cgroup root.
    pub(crate) cgroup: &'a Path,
}

/// The whole specification of a container.
pub(crate) fn container_spec(request: &SpecRequest<'_>) -> Result<Spec> {
    let record = request.record;
    let host_config = &record.host_config;
    let files = LayerFiles::of(request.parts);
    let process = container_process(record, &files)?;

    let mut root = Root::default();
    root.set_path("rootfs".into()).set_readonly(host_config.readonly_rootfs);

    let mut linux = Linux::default();
    let privileged = host_config.privileged.unwrap_or_default();
    linux
        .set_resources(Some(resources::resources(host_config)?))
        .set_cgroups_path(Some(request.cgroup.to_owned()))
        .set_namespaces(Some(namespaces(record, request.netns)?))
        .set_sysctl(host_config.sysctls.clone())
        .set_masked_paths((!privileged).then(masked_paths))
        .set_readonly_paths((!privileged).then(get_default_readonly_paths))
        .set_seccomp(seccomp_profile(host_config, &process)?);

    let mut spec = Spec::default();
    spec.set_version(OCI_VERSION.to_owned())
        .set_hostname(record.config.hostname.clone())
        .set_domainname(record.config.domainname.clone().filter(|name| !name.is_empty()))
        .set_root(Some(root))
        .set_mounts(Some(mounts::mounts(request.parts, host_config)?))
        .set_process(Some(process))
        .set_linux(Some(linux));
    Ok(spec)
}

impl LayerFiles {
    /// The files of a container whose root has these parts.
    pub(crate) fn of(parts: RootParts<'_>) -> Self {
        let lower = parts.layers.iter().rev().cloned();
        Self { layers: std::iter::once(parts.upper.to_owned()).chain(lower).collect() }
    }
}

fn container_process(record: &Record, files: &LayerFiles) -> Result<Process> {
    let config = &record.config;
    let host_config = &record.host_config;
    let identity = files.identity(
        config.user.as_deref().unwrap_or_default(),
        host_config.group_add.as_deref().unwrap_or_default(),
    )?;
    let root = identity.user.uid() == 0;
    let mut process = Process::default();
    process
        .set_terminal(Some(record.tty()))
        .set_console_size(console_size(host_config.console_size.as_deref()))
        .set_args(Some(record.command.clone()))
        .set_env(Some(environment(record, &identity.home)))
        .set_cwd(working_directory(config.working_dir.as_deref()))
        .set_user(identity.user)
        .set_capabilities(Some(capabilities(host_config, root)?))
        .set_rlimits(resources::rlimits(host_config)?)
        .set_oom_score_adj(host_config.oom_score_adj.and_then(|score| i32::try_from(score).ok()))
        .set_no_new_privileges(Some(security(host_config)?.no_new_privileges));
    Ok(process)
}

/// What `docker exec` asks for.
#[derive(Clone, Debug, Default)]
pub(crate) struct ExecRequest {
    pub(crate) command: Vec<String>,
    pub(crate) env: Vec<String>,
    /// The container's own when empty.
    pub(crate) user: String,
    /// The container's own when empty.
    pub(crate) working_dir: String,
    pub(crate) tty: bool,
    /// Height and width.
    pub(crate) console_size: Option<Vec<usize>>,
    pub(crate) privileged: bool,
}

/// The process of an exec in the container `record`, with that container's filter.
pub(crate) fn exec_process(
    record: &Record,
    files: &LayerFiles,
    request: &ExecRequest,
) -> Result<Process> {
    let mut as_exec = record.clone();
    as_exec.command.clone_from(&request.command);
    as_exec.config.tty = Some(request.tty);
    as_exec.host_config.console_size.clone_from(&request.console_size);
    if !request.user.is_empty() {
        as_exec.config.user = Some(request.user.clone());
    }
    if !request.working_dir.is_empty() {
        as_exec.config.working_dir = Some(request.working_dir.clone());
    }
    if request.privileged {
        as_exec.host_config.privileged = Some(true);
    }
    as_exec.config.env.get_or_insert_default().extend(request.env.iter().cloned());
    container_process(&as_exec, files)
}

fn console_size(size: Option<&[usize]>) -> Option<ConsoleSize> {
    let &[height, width] = size? else { return None };
    if height == 0 || width == 0 {
        return None;
    }
    ConsoleSizeBuilder::default().height(height as u64).width(width as u64).build().ok()
}

fn working_directory(wanted: Option<&str>) -> PathBuf {
    match wanted {
        None | Some("") => "/".into(),
        Some(path) => Path::new("/").join(path),
    }
}

/// `PATH`, `HOSTNAME`, `TERM` and `HOME` unless set, then what was asked for; a later
/// word on the same variable wins.
fn environment(record: &Record, home: &str) -> Vec<String> {
    let hostname = record.config.hostname.as_deref().unwrap_or_default();
    let mut env = vec![DEFAULT_PATH.to_owned(), format!("HOSTNAME={hostname}")];
    if record.tty() {
        env.push("TERM=xterm".to_owned());
    }
    let asked = record.config.env.iter().flatten().cloned();
    for variable in asked.chain(std::iter::once(format!("HOME={home}"))) {
        let name = variable.split('=').next().unwrap_or_default().to_owned();
        let present = env.iter().position(|known| known.split('=').next() == Some(&name));
        match present {
            // HOME was added by us last and yields to what was asked for.
            Some(_) if name == "HOME" && variable == format!("HOME={home}") => {}
            Some(index) if variable.contains('=') => env[index] = variable,
            // A bare name takes the variable away.
            Some(index) => drop(env.remove(index)),
            None if variable.contains('=') => env.push(variable),
            None => {}
        }
    }
    env
}

fn capability(name: &str) -> Result<Capability> {
    let bare = name.to_uppercase();
    let bare = bare.strip_prefix("CAP_").unwrap_or(&bare);
    serde_json::from_value(format!("CAP_{bare}").into()).map_err(|_| {
        EngineError::Invalid(format!("invalid CapAdd: unknown capability: \"{name}\""))
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
fn capabilities(host_config: &HostConfig, root: bool) -> Result<LinuxCapabilities> {
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

/// What `--security-opt` asked for.
struct Security {
    no_new_privileges: bool,
    seccomp_unconfined: bool,
}

fn security(host_config: &HostConfig) -> Result<Security> {
    let mut security = Security { no_new_privileges: false, seccomp_unconfined: false };
    for option in host_config.security_opt.iter().flatten() {
        let (key, value) = match option.split_once(['=', ':']) {
            Some((key, value)) => (key, value),
            None => (option.as_str(), ""),
        };
        match (key, value) {
            ("no-new-privileges", "" | "true") => security.no_new_privileges = true,
            ("no-new-privileges", "false") => security.no_new_privileges = false,
            ("seccomp", "unconfined") => security.seccomp_unconfined = true,
            ("seccomp", "builtin") | ("apparmor", "unconfined") | ("label", "disable") => {}
            _ => {
                return Err(EngineError::Unsupported(format!(
                    "security option \"{key}\" with this value is not supported yet"
                )));
            }
        }
    }
    Ok(security)
}

/// Checks what only shows when the specification is made, before anything is kept.
pub(crate) fn validate(host_config: &HostConfig) -> Result<()> {
    security(host_config)?;
    capability_set(host_config)?;
    resources::resources(host_config)?;
    resources::rlimits(host_config)?;
    Ok(())
}

fn seccomp_profile(
    host_config: &HostConfig,
    process: &Process,
) -> Result<Option<oci_spec::runtime::LinuxSeccomp>> {
    if host_config.privileged.unwrap_or_default() || security(host_config)?.seccomp_unconfined {
        return Ok(None);
    }
    let capabilities = process.capabilities().as_ref().and_then(|all| all.bounding().clone());
    Ok(Some(seccomp::default_profile(&capabilities.unwrap_or_default())))
}

/// Docker's list, which is longer than the OCI library's.
fn masked_paths() -> Vec<String> {
    let mut paths = get_default_maskedpaths();
    for path in ["/proc/interrupts", "/sys/devices/virtual/powercap"] {
        paths.push(path.to_owned());
    }
    paths
}

fn namespaces(record: &Record, netns: Option<&Path>) -> Result<Vec<LinuxNamespace>> {
    let host_config = &record.host_config;
    let is_host = |mode: &Option<String>| mode.as_deref() == Some("host");
    let mut wanted = vec![LinuxNamespaceType::Mount];
    if !is_host(&host_config.pid_mode) {
        wanted.push(LinuxNamespaceType::Pid);
    }
    if !is_host(&host_config.ipc_mode) {
        wanted.push(LinuxNamespaceType::Ipc);
    }
    if !is_host(&host_config.uts_mode) {
        wanted.push(LinuxNamespaceType::Uts);
    }
    let cgroupns = host_config.cgroupns_mode.map(|mode| mode.to_string());
    if cgroupns.as_deref() != Some("host") {
        wanted.push(LinuxNamespaceType::Cgroup);
    }
    let mut namespaces = Vec::new();
    for typ in wanted {
        namespaces.push(LinuxNamespaceBuilder::default().typ(typ));
    }
    if record.network_mode() != "host" {
        let network = LinuxNamespaceBuilder::default().typ(LinuxNamespaceType::Network);
        namespaces.push(match netns {
            Some(path) => network.path(path),
            None => network,
        });
    }
    namespaces
        .into_iter()
        .map(|builder| builder.build().map_err(|error| EngineError::Invalid(error.to_string())))
        .collect()
}
