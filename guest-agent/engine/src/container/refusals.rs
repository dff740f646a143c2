//! What is refused when a container is made, not because it is still to come.

use bollard_stubs::models::{ContainerConfig, HostConfig, HostConfigIsolationEnum as Isolation};

use crate::error::{EngineError, Result};
use crate::spec::has_host_uts;

/// Refuses, with the reason, what this engine or its kernel is not made for.
pub(super) fn refuse_for_good(host_config: &HostConfig) -> Result<()> {
    let asked = |value: Option<i64>| value.unwrap_or_default() != 0;
    let refused = [
        (
            host_config.storage_opt.as_ref().is_some_and(|options| !options.is_empty()),
            "--storage-opt is supported only for overlay over xfs with 'pquota' mount option",
        ),
        (
            host_config.oom_kill_disable == Some(true),
            "--oom-kill-disable is not supported: cgroup v2 has no such switch",
        ),
        (
            host_config.memory_swappiness.is_some_and(|swappiness| swappiness >= 0),
            "--memory-swappiness is not supported: cgroup v2 has no such switch",
        ),
        (
            asked(host_config.cpu_realtime_period) || asked(host_config.cpu_realtime_runtime),
            "--cpu-rt-period and --cpu-rt-runtime are not supported: cgroup v2 has no such limits",
        ),
        (
            asked(host_config.cpu_count)
                || asked(host_config.cpu_percent)
                || asked(host_config.io_maximum_iops)
                || asked(host_config.io_maximum_bandwidth),
            "--cpu-count, --cpu-percent, --io-maxiops and --io-maxbandwidth are not supported: \
             they are for Windows containers",
        ),
    ];
    if let Some((_, reason)) = refused.iter().find(|(asked, _)| *asked) {
        return Err(EngineError::Unsupported((*reason).to_owned()));
    }
    if let Some(isolation @ (Isolation::HYPERV | Isolation::PROCESS)) = host_config.isolation {
        return Err(EngineError::Invalid(format!(
            "Invalid isolation: \"{isolation}\" - linux only supports 'default'"
        )));
    }
    if let Some(request) = host_config.device_requests.iter().flatten().next() {
        let capabilities: Vec<String> = request
            .capabilities
            .iter()
            .flatten()
            .map(|all| format!("[{}]", all.join(" ")))
            .collect();
        return Err(EngineError::Unsupported(format!(
            "could not select device driver {:?} with capabilities: [{}]: --gpus is not \
             supported: there is no GPU that a container could use",
            request.driver.as_deref().unwrap_or_default(),
            capabilities.join(" ")
        )));
    }
    let runtime = host_config.runtime.as_deref().unwrap_or_default();
    // What scripts name that were written for Docker's own.
    if !matches!(runtime, "" | "naru" | "runc" | "io.containerd.runc.v2") {
        return Err(EngineError::Invalid(format!("unknown or invalid runtime name: {runtime}")));
    }
    Ok(())
}

/// What has no meaning in the network or with the name of another; Docker's words.
pub(super) fn refuse_conflicts(config: &ContainerConfig, host_config: &HostConfig) -> Result<()> {
    let given = |list: &Option<Vec<String>>| list.as_ref().is_some_and(|list| !list.is_empty());
    let named = config.hostname.as_ref().is_some_and(|name| !name.is_empty());
    let network = host_config.network_mode.as_deref().unwrap_or_default();
    let joins = network.starts_with("container:");
    let published = host_config.port_bindings.as_ref().is_some_and(|ports| !ports.is_empty())
        || host_config.publish_all_ports.unwrap_or_default();
    let conflicts = [
        (named && has_host_uts(host_config), "hostname and the UTS mode"),
        (named && joins, "hostname and the network mode"),
        (joins && given(&host_config.links), "links and the network mode"),
        (joins && given(&host_config.dns), "dns and the network mode"),
        (
            joins && given(&host_config.extra_hosts),
            "custom host-to-IP mapping and the network mode",
        ),
        (joins && published, "port publishing and the container type network mode"),
        (
            joins && given(&config.exposed_ports),
            "port exposing and the container type network mode",
        ),
    ];
    match conflicts.iter().find(|(conflict, _)| *conflict) {
        Some((_, what)) => Err(EngineError::Invalid(format!("conflicting options: {what}"))),
        None if network == "container:" => {
            Err(EngineError::Invalid("invalid container format container:<name|id>".to_owned()))
        }
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use bollard_stubs::models::DeviceRequest;

    use super::*;

    #[test]
    fn what_never_works_is_refused_with_the_reason() {
        let gpu = DeviceRequest {
            capabilities: Some(vec![vec!["gpu".to_owned()]]),
            ..DeviceRequest::default()
        };
        for (host_config, message) in [
            (
                HostConfig { device_requests: Some(vec![gpu]), ..HostConfig::default() },
                "could not select device driver \"\" with capabilities: [[gpu]]: --gpus is not \
                 supported",
            ),
            (
                HostConfig { oom_kill_disable: Some(true), ..HostConfig::default() },
                "--oom-kill-disable is not supported: cgroup v2",
            ),
            (
                HostConfig { runtime: Some("kata".to_owned()), ..HostConfig::default() },
                "unknown or invalid runtime name: kata",
            ),
        ] {
            let error = refuse_for_good(&host_config).unwrap_err().to_string();
            assert!(error.starts_with(message), "{error}");
        }
        refuse_for_good(&HostConfig::default()).unwrap();
    }

    #[test]
    fn a_container_in_anothers_network_has_no_name_or_ports_of_its_own() {
        let host_config = HostConfig {
            network_mode: Some("container:db".to_owned()),
            publish_all_ports: Some(true),
            ..HostConfig::default()
        };
        let error = refuse_conflicts(&ContainerConfig::default(), &host_config).unwrap_err();
        assert_eq!(
            error.to_string(),
            "conflicting options: port publishing and the container type network mode"
        );
        let config =
            ContainerConfig { hostname: Some("own".to_owned()), ..ContainerConfig::default() };
        let error = refuse_conflicts(&config, &host_config).unwrap_err();
        assert_eq!(error.to_string(), "conflicting options: hostname and the network mode");
    }
}
