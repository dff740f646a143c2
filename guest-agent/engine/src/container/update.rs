//! Limits and restart policy of a container, changed while it lives.

use std::sync::Arc;

use bollard_stubs::models::{
    ContainerUpdateBody, HostConfig, RestartPolicy as AskedPolicy, RestartPolicyNameEnum,
};
use oci_spec::runtime::{LinuxPids, LinuxResources};

use super::Container;
use super::restart_policy::RestartPolicy;
use crate::engine::Engine;
use crate::error::{EngineError, Result};
use crate::processes::cgroup_controllers;
use crate::spec;

impl Engine {
    /// Changes what `asked` names, in the record and in a container that runs; all of it,
    /// or nothing.
    pub(crate) async fn update_container(
        &self,
        container: &Arc<Container>,
        asked: ContainerUpdateBody,
    ) -> Result<()> {
        let (engine, container) = (self.clone(), Arc::clone(container));
        self.run_to_end(async move {
            let updated = engine.update_now(&container, asked).await;
            updated.map_err(|error| EngineError::Update {
                container_id: container.id.clone(),
                source: Box::new(error),
            })
        })
        .await
    }

    async fn update_now(&self, container: &Container, asked: ContainerUpdateBody) -> Result<()> {
        refuse_unsupported(&asked)?;
        refuse_missing_controllers(&asked, &cgroup_controllers()?)?;
        let mut change = self.change(container).await?;
        let before = change.record.host_config.clone();
        let after = merged(&before, &asked)?;
        spec::validate(&after)?;
        RestartPolicy::parse(&after)?;
        let (wanted, present) = (limits(&after)?, limits(&before)?);
        let live = change.record.running() && wanted != present;
        if live {
            container.shim.update(wanted).await?;
        }
        change.record.host_config = after;
        if let Err(error) = change.keep().await {
            if live {
                container.shim.update(present).await?;
            }
            return Err(error);
        }
        self.container_event(container, "update", []);
        Ok(())
    }
}

/// All limits of a container that may change while it runs.
fn limits(host_config: &HostConfig) -> Result<LinuxResources> {
    let mut limits = spec::resources(host_config)?;
    limits.set_devices(None);
    if limits.pids().is_none() {
        let mut pids = LinuxPids::default();
        pids.set_limit(-1);
        // Said aloud only where it can have been otherwise.
        limits.set_pids(host_config.pids_limit.is_some().then_some(pids));
    }
    Ok(limits)
}

/// The configuration with what is asked for in it, as Docker puts it together: what is 0 or
/// empty was not asked for.
fn merged(current: &HostConfig, asked: &ContainerUpdateBody) -> Result<HostConfig> {
    let set = |value: Option<i64>| value.filter(|value| *value != 0);
    let is_set = |value: Option<i64>| value.is_some_and(|value| value > 0);
    let conflict = |why: &str| Err(EngineError::Conflict(why.to_owned()));
    if is_set(asked.nano_cpus) && is_set(current.cpu_period) {
        return conflict(
            "Conflicting options: Nano CPUs cannot be updated as CPU Period has already been set",
        );
    }
    if is_set(asked.nano_cpus) && is_set(current.cpu_quota) {
        return conflict(
            "Conflicting options: Nano CPUs cannot be updated as CPU Quota has already been set",
        );
    }
    if is_set(asked.cpu_period) && is_set(current.nano_cpus) {
        return conflict(
            "Conflicting options: CPU Period cannot be updated as NanoCPUs has already been set",
        );
    }
    if is_set(asked.cpu_quota) && is_set(current.nano_cpus) {
        return conflict(
            "Conflicting options: CPU Quota cannot be updated as NanoCPUs has already been set",
        );
    }
    let swap = current.memory_swap.unwrap_or_default();
    if let Some(memory) = set(asked.memory)
        && set(asked.memory_swap).is_none()
        && (1..memory).contains(&swap)
    {
        return conflict(
            "Memory limit should be smaller than already set memoryswap limit, update the \
             memoryswap at the same time",
        );
    }

    let mut merged = current.clone();
    for (field, asked) in [
        (&mut merged.cpu_shares, asked.cpu_shares),
        (&mut merged.nano_cpus, asked.nano_cpus),
        (&mut merged.cpu_period, asked.cpu_period),
        (&mut merged.cpu_quota, asked.cpu_quota),
        (&mut merged.memory, asked.memory),
        (&mut merged.memory_swap, asked.memory_swap),
        (&mut merged.memory_reservation, asked.memory_reservation),
    ] {
        *field = set(asked).or(*field);
    }
    merged.blkio_weight = asked.blkio_weight.filter(|weight| *weight != 0).or(merged.blkio_weight);
    if let Some(limit) = asked.pids_limit {
        // Here 0 and less mean without a limit.
        merged.pids_limit = Some(limit.max(0));
    }
    for (field, asked) in [
        (&mut merged.cpuset_cpus, &asked.cpuset_cpus),
        (&mut merged.cpuset_mems, &asked.cpuset_mems),
    ] {
        if let Some(asked) = asked.as_ref().filter(|asked| !asked.is_empty()) {
            *field = Some(asked.clone());
        }
    }
    if let Some(policy) = &asked.restart_policy
        && policy.name.is_some_and(|name| name != RestartPolicyNameEnum::EMPTY)
    {
        let maximum_retry_count = policy.maximum_retry_count.or(Some(0));
        merged.restart_policy = Some(AskedPolicy { maximum_retry_count, ..policy.clone() });
        if merged.auto_remove == Some(true) && policy.name != Some(RestartPolicyNameEnum::NO) {
            return conflict(
                "Restart policy cannot be updated because AutoRemove is enabled for the container",
            );
        }
    }
    Ok(merged)
}

/// Refuses by name what would otherwise be dropped in silence.
fn refuse_unsupported(asked: &ContainerUpdateBody) -> Result<()> {
    fn given<T>(list: Option<&Vec<T>>) -> bool {
        list.is_some_and(|list| !list.is_empty())
    }
    let set = |value: Option<i64>| value.unwrap_or_default() != 0;
    let refused = [
        (given(asked.blkio_weight_device.as_ref()), "--blkio-weight-device"),
        (given(asked.blkio_device_read_bps.as_ref()), "--device-read-bps"),
        (given(asked.blkio_device_write_bps.as_ref()), "--device-write-bps"),
        (given(asked.blkio_device_read_iops.as_ref()), "--device-read-iops"),
        (given(asked.blkio_device_write_iops.as_ref()), "--device-write-iops"),
        (set(asked.cpu_realtime_period), "--cpu-rt-period"),
        (set(asked.cpu_realtime_runtime), "--cpu-rt-runtime"),
        (given(asked.devices.as_ref()), "devices"),
        (given(asked.device_cgroup_rules.as_ref()), "device rules"),
        (given(asked.device_requests.as_ref()), "device requests"),
        (given(asked.ulimits.as_ref()), "ulimits"),
    ];
    match refused.iter().find(|(asked, _)| *asked) {
        Some((_, what)) => Err(EngineError::Unsupported(format!(
            "not supported by this engine: {what} of a container that is there"
        ))),
        None => Ok(()),
    }
}

/// Refuses a limit that the kernel has no controller for, before anything changes.
fn refuse_missing_controllers(asked: &ContainerUpdateBody, available: &[String]) -> Result<()> {
    let set = |value: Option<i64>| value.unwrap_or_default() != 0;
    let text = |value: &Option<String>| value.as_ref().is_some_and(|text| !text.is_empty());
    let needed = [
        (set(asked.memory), "--memory", "memory"),
        (set(asked.memory_swap), "--memory-swap", "memory"),
        (set(asked.memory_reservation), "--memory-reservation", "memory"),
        (set(asked.nano_cpus), "--cpus", "cpu"),
        (set(asked.cpu_shares), "--cpu-shares", "cpu"),
        (set(asked.cpu_period), "--cpu-period", "cpu"),
        (set(asked.cpu_quota), "--cpu-quota", "cpu"),
        (text(&asked.cpuset_cpus), "--cpuset-cpus", "cpuset"),
        (text(&asked.cpuset_mems), "--cpuset-mems", "cpuset"),
        (asked.pids_limit.is_some_and(|limit| limit > 0), "--pids-limit", "pids"),
        (asked.blkio_weight.unwrap_or_default() != 0, "--blkio-weight", "io"),
    ];
    let missing = needed.iter().find(|(asked, _, controller)| {
        *asked && !available.iter().any(|available| available == controller)
    });
    match missing {
        Some((_, what, controller)) => Err(EngineError::Unsupported(format!(
            "{what} needs the cgroup v2 controller {controller}, which this host does not have"
        ))),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use bollard_stubs::models::RestartPolicy as Asked;

    use super::*;

    fn asked() -> ContainerUpdateBody {
        // What the command line sends for what it was not given.
        ContainerUpdateBody {
            memory: Some(0),
            cpuset_cpus: Some(String::new()),
            restart_policy: Some(Asked {
                name: Some(RestartPolicyNameEnum::EMPTY),
                maximum_retry_count: Some(0),
            }),
            ..ContainerUpdateBody::default()
        }
    }

    #[test]
    fn what_was_not_asked_for_stays() {
        let current = HostConfig {
            memory: Some(100 << 20),
            cpuset_cpus: Some("0".to_owned()),
            pids_limit: Some(5),
            ..HostConfig::default()
        };
        assert_eq!(merged(&current, &asked()).unwrap(), current);
        let asked = ContainerUpdateBody { pids_limit: Some(0), cpu_shares: Some(7), ..asked() };
        let merged = merged(&current, &asked).unwrap();
        assert_eq!((merged.pids_limit, merged.cpu_shares), (Some(0), Some(7)));
        let limits = limits(&merged).unwrap();
        assert_eq!(limits.pids().map(|pids| pids.limit()), Some(-1), "the old limit is lifted");
        assert!(limits.devices().is_none());
    }

    #[test]
    fn contradictions_are_refused_in_dockers_words() {
        let quota = HostConfig { cpu_quota: Some(5000), ..HostConfig::default() };
        let cpus = ContainerUpdateBody { nano_cpus: Some(500_000_000), ..asked() };
        let error = merged(&quota, &cpus).unwrap_err();
        assert!(error.to_string().ends_with("as CPU Quota has already been set"), "{error}");

        let swap = HostConfig { memory_swap: Some(50 << 20), ..HostConfig::default() };
        let memory = ContainerUpdateBody { memory: Some(60 << 20), ..asked() };
        let error = merged(&swap, &memory).unwrap_err();
        assert!(error.to_string().starts_with("Memory limit should be smaller"), "{error}");

        let passing = HostConfig { auto_remove: Some(true), ..HostConfig::default() };
        let policy = Asked { name: Some(RestartPolicyNameEnum::ALWAYS), maximum_retry_count: None };
        let always = ContainerUpdateBody { restart_policy: Some(policy), ..asked() };
        let error = merged(&passing, &always).unwrap_err();
        assert!(error.to_string().contains("because AutoRemove is enabled"), "{error}");
    }

    #[test]
    fn a_limit_without_its_controller_is_refused_by_name() {
        let asked = ContainerUpdateBody { pids_limit: Some(9), ..asked() };
        refuse_missing_controllers(&asked, &["pids".to_owned()]).unwrap();
        let error = refuse_missing_controllers(&asked, &["cpu".to_owned()]).unwrap_err();
        let said =
            "--pids-limit needs the cgroup v2 controller pids, which this host does not have";
        assert_eq!(error.to_string(), said);
    }
}
