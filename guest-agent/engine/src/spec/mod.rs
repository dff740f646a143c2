//! A container's record becomes an OCI runtime specification (version 1.2).

mod block_io;
mod capabilities;
mod cpuset;
mod devices;
mod mounts;
mod namespaces;
pub(crate) mod outside;
mod points;
mod profile;
mod resources;
mod seccomp;
mod security;
mod users;

use std::path::{Path, PathBuf};

use bollard_stubs::models::HostConfig;
use oci_spec::runtime::{
    Box as ConsoleSize, BoxBuilder as ConsoleSizeBuilder, Linux, Process, Root, Spec,
};

use crate::container::Record;
use crate::error::{EngineError, Result};

use devices::Devices;
pub(crate) use mounts::{RootParts, SHM_DEFAULT_BYTES, mount};
pub(crate) use namespaces::{IpcMode, Joined, PidMode, has_host_uts};
pub(crate) use outside::Writable;
pub(crate) use points::Source;
pub(crate) use resources::resources;
use security::Security;
pub(crate) use users::{LayerFiles, named_group, named_user, names_in};

const OCI_VERSION: &str = "1.2.0";
const DEFAULT_PATH: &str = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// All that a specification is made from.
#[derive(Debug)]
pub(crate) struct SpecRequest<'a> {
    pub(crate) record: &'a Record,
    pub(crate) parts: RootParts<'a>,
    /// Where its mount points come from, in their order.
    pub(crate) mounts: &'a [Source],
    /// What of it is another container's.
    pub(crate) joined: &'a Joined,
    /// Where the container's control group goes, relative to the cgroup root.
    pub(crate) cgroup: &'a Path,
}

/// The whole specification of a container.
#[tracing::instrument(level = "debug", skip_all)]
pub(crate) fn container_spec(request: &SpecRequest<'_>) -> Result<Spec> {
    let record = request.record;
    let host_config = &record.host_config;
    let files = LayerFiles::of(request.parts);
    let process = container_process(record, &files)?;

    let mut root = Root::default();
    root.set_path("rootfs".into()).set_readonly(host_config.readonly_rootfs);

    let privileged = host_config.privileged.unwrap_or_default();
    let security = Security::parse(host_config)?;
    let devices = Devices::parse(host_config)?;
    let mut resources = resources::resources(host_config)?;
    resources.set_devices(Some(devices.rules));
    // `--security-opt systempaths=unconfined` is an empty list.
    let paths = |asked: &Option<Vec<String>>, default: &[&str]| {
        let default = || default.iter().copied().map(str::to_owned).collect();
        (!privileged).then(|| asked.clone().unwrap_or_else(default))
    };
    let mounts = mounts::mounts(request, &security)?;
    let mut linux = Linux::default();
    linux
        .set_resources(Some(resources))
        .set_devices(Some(devices.nodes))
        .set_cgroups_path(Some(request.cgroup.to_owned()))
        .set_namespaces(Some(namespaces::namespaces(record, request.joined)?))
        .set_sysctl(host_config.sysctls.clone())
        .set_masked_paths(paths(&host_config.masked_paths, &MASKED_PATHS))
        .set_readonly_paths(paths(&host_config.readonly_paths, &READONLY_PATHS))
        .set_seccomp(security.filter(privileged, &process));

    let domainname = record.config.domainname.clone().filter(|name| !name.is_empty());
    let own_uts = !has_host_uts(host_config);
    let mut spec = Spec::default();
    spec.set_version(OCI_VERSION.to_owned())
        .set_hostname(record.config.hostname.clone().filter(|_| own_uts))
        .set_domainname(domainname.filter(|_| own_uts))
        .set_root(Some(root))
        .set_mounts(Some(mounts))
        .set_process(Some(process))
        .set_annotations(host_config.annotations.clone())
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
        .set_capabilities(Some(capabilities::capabilities(host_config, root)?))
        .set_rlimits(resources::rlimits(host_config)?)
        .set_oom_score_adj(host_config.oom_score_adj.and_then(|score| i32::try_from(score).ok()))
        .set_no_new_privileges(Some(Security::parse(host_config)?.no_new_privileges));
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

/// Checks what only shows when the specification is made, before anything is kept.
pub(crate) fn validate(host_config: &HostConfig) -> Result<()> {
    Security::parse(host_config)?;
    capabilities::validate(host_config)?;
    namespaces::validate(host_config)?;
    Devices::parse(host_config)?;
    resources::resources(host_config)?;
    resources::rlimits(host_config)?;
    if host_config.annotations.iter().flatten().any(|(key, _)| key.is_empty()) {
        return Err(EngineError::Invalid(
            "invalid Annotations: the empty string is not permitted as an annotation key"
                .to_owned(),
        ));
    }
    Ok(())
}

/// What of `/proc` and `/sys` nobody sees: Docker's list.
pub(crate) const MASKED_PATHS: [&str; 12] = [
    "/proc/asound",
    "/proc/acpi",
    "/proc/interrupts",
    "/proc/kcore",
    "/proc/keys",
    "/proc/latency_stats",
    "/proc/timer_list",
    "/proc/timer_stats",
    "/proc/sched_debug",
    "/proc/scsi",
    "/sys/firmware",
    "/sys/devices/virtual/powercap",
];

/// And what nobody writes to.
pub(crate) const READONLY_PATHS: [&str; 5] =
    ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"];
