//! Which namespaces a container has for itself, and with whom it shares the others.

use std::path::PathBuf;

use bollard_stubs::models::HostConfig;
use oci_spec::runtime::{LinuxNamespace, LinuxNamespaceBuilder, LinuxNamespaceType};

use crate::container::Record;
use crate::error::{EngineError, Result};

/// `--pid`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PidMode<'a> {
    Private,
    Host,
    Container(&'a str),
}

/// `--ipc`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum IpcMode<'a> {
    /// A namespace of its own and no `/dev/shm`.
    None,
    Private,
    /// Its own, and others may join.
    Shareable,
    Host,
    Container(&'a str),
}

impl<'a> PidMode<'a> {
    pub(crate) fn parse(host_config: &'a HostConfig) -> Result<Self> {
        let mode = host_config.pid_mode.as_deref().unwrap_or_default();
        match (mode, mode.strip_prefix("container:")) {
            ("" | "private", _) => Ok(Self::Private),
            ("host", _) => Ok(Self::Host),
            (_, Some(name)) if !name.is_empty() => Ok(Self::Container(name)),
            _ => Err(EngineError::Invalid(format!("invalid PID mode: {mode}"))),
        }
    }
}

impl<'a> IpcMode<'a> {
    pub(crate) fn parse(host_config: &'a HostConfig) -> Result<Self> {
        let mode = host_config.ipc_mode.as_deref().unwrap_or_default();
        match (mode, mode.strip_prefix("container:")) {
            ("" | "private", _) => Ok(Self::Private),
            ("none", _) => Ok(Self::None),
            ("shareable", _) => Ok(Self::Shareable),
            ("host", _) => Ok(Self::Host),
            (_, Some(name)) if !name.is_empty() => Ok(Self::Container(name)),
            _ => Err(EngineError::Invalid(format!("invalid IPC mode: {mode}"))),
        }
    }
}

/// Whether the container has the host's UTS namespace, and with it the host's name.
pub(crate) fn has_host_uts(host_config: &HostConfig) -> bool {
    host_config.uts_mode.as_deref() == Some("host")
}

/// Checks the modes that have nothing but a name.
pub(super) fn validate(host_config: &HostConfig) -> Result<()> {
    PidMode::parse(host_config)?;
    IpcMode::parse(host_config)?;
    for (mode, name) in
        [(&host_config.uts_mode, "UTS mode"), (&host_config.userns_mode, "user namespace mode")]
    {
        let mode = mode.as_deref().unwrap_or_default();
        if !matches!(mode, "" | "host") {
            return Err(EngineError::Invalid(format!("invalid {name}: {mode}")));
        }
    }
    Ok(())
}

/// What of a container is another's, found when it starts.
#[derive(Clone, Debug, Default)]
pub(crate) struct Joined {
    /// The network namespace to join; none with `--network host`, whose is the host's.
    pub(crate) network: Option<PathBuf>,
    /// The process whose PID namespace it joins.
    pub(crate) pid: Option<i32>,
    /// The process whose IPC namespace it joins.
    pub(crate) ipc: Option<i32>,
    /// What to bind to `/dev/shm`.
    pub(crate) shm: Option<PathBuf>,
    /// Where `hosts`, `hostname` and `resolv.conf` are, if not in its own directory.
    pub(crate) network_files: Option<PathBuf>,
}

pub(super) fn namespaces(record: &Record, joined: &Joined) -> Result<Vec<LinuxNamespace>> {
    let host_config = &record.host_config;
    let of = |pid: Option<i32>, name: &str| {
        pid.map(|pid| PathBuf::from(format!("/proc/{pid}/ns/{name}")))
    };
    let mut wanted = vec![(LinuxNamespaceType::Mount, None)];
    if PidMode::parse(host_config)? != PidMode::Host {
        wanted.push((LinuxNamespaceType::Pid, of(joined.pid, "pid")));
    }
    if IpcMode::parse(host_config)? != IpcMode::Host {
        wanted.push((LinuxNamespaceType::Ipc, of(joined.ipc, "ipc")));
    }
    if !has_host_uts(host_config) {
        wanted.push((LinuxNamespaceType::Uts, None));
    }
    let cgroupns = host_config.cgroupns_mode.map(|mode| mode.to_string());
    if cgroupns.as_deref() != Some("host") {
        wanted.push((LinuxNamespaceType::Cgroup, None));
    }
    if record.network_mode() != "host" {
        wanted.push((LinuxNamespaceType::Network, joined.network.clone()));
    }
    let build = |(typ, path): (LinuxNamespaceType, Option<PathBuf>)| {
        let builder = LinuxNamespaceBuilder::default().typ(typ);
        let builder = match path {
            Some(path) => builder.path(path),
            None => builder,
        };
        builder.build().map_err(|error| EngineError::Invalid(error.to_string()))
    };
    wanted.into_iter().map(build).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::container::tests_support::record;

    #[test]
    fn modes_are_read_as_docker_reads_them() {
        let config = |mode: &str| HostConfig {
            pid_mode: Some(mode.to_owned()),
            ipc_mode: Some(mode.to_owned()),
            uts_mode: Some(mode.to_owned()),
            ..HostConfig::default()
        };
        let container = config("container:db");
        assert_eq!(PidMode::parse(&container).unwrap(), PidMode::Container("db"));
        assert_eq!(IpcMode::parse(&container).unwrap(), IpcMode::Container("db"));
        assert_eq!(IpcMode::parse(&config("shareable")).unwrap(), IpcMode::Shareable);
        for (mode, message) in [
            ("container:", "invalid PID mode: container:"),
            ("shareable", "invalid PID mode: shareable"),
            ("private", "invalid UTS mode: private"),
        ] {
            assert_eq!(validate(&config(mode)).unwrap_err().to_string(), message);
        }
    }

    #[test]
    fn what_is_the_hosts_has_no_namespace() {
        let mut record = record();
        record.host_config.pid_mode = Some("host".to_owned());
        record.host_config.ipc_mode = Some("container:other".to_owned());
        record.host_config.uts_mode = Some("host".to_owned());
        let joined = Joined { ipc: Some(7), ..Joined::default() };
        let namespaces = namespaces(&record, &joined).unwrap();
        let types: Vec<_> =
            namespaces.iter().map(|namespace| namespace.typ().to_string()).collect();
        assert_eq!(types, ["mnt", "ipc", "cgroup", "net"]);
        assert_eq!(namespaces[1].path().as_deref(), Some("/proc/7/ns/ipc".as_ref()));
    }
}
