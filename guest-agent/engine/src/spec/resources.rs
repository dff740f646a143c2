//! Limits: Docker's numbers in cgroup terms.

use bollard_stubs::models::HostConfig;
use oci_spec::runtime::{
    LinuxCpu, LinuxMemory, LinuxPids, LinuxResources, PosixRlimit, PosixRlimitBuilder,
    PosixRlimitType,
};

use super::block_io::block_io;
use super::cpuset::{check_cpus, check_memory_nodes};
use crate::error::{EngineError, Result};

/// The period in which `--cpus` is counted, in microseconds; Docker's.
const CPU_PERIOD_US: u64 = 100_000;

/// The least memory that a container can start in; Docker's number.
const MEMORY_MINIMUM_BYTES: i64 = 6 << 20;

/// The container's limits, devices apart; what was not asked for is not limited.
pub(crate) fn resources(host_config: &HostConfig) -> Result<LinuxResources> {
    let mut resources = LinuxResources::default();
    resources
        .set_memory(memory(host_config)?)
        .set_cpu(cpu(host_config)?)
        .set_block_io(block_io(host_config)?);
    if let Some(limit) = host_config.pids_limit.filter(|limit| *limit > 0) {
        let mut pids = LinuxPids::default();
        pids.set_limit(limit);
        resources.set_pids(Some(pids));
    }
    Ok(resources)
}

fn memory(host_config: &HostConfig) -> Result<Option<LinuxMemory>> {
    let set = |value: Option<i64>| value.filter(|value| *value != 0);
    let (limit, swap) = (set(host_config.memory), set(host_config.memory_swap));
    let reservation = set(host_config.memory_reservation);
    if limit.is_none() && swap.is_none() && reservation.is_none() {
        return Ok(None);
    }
    if limit.is_some_and(|limit| limit < MEMORY_MINIMUM_BYTES) {
        return Err(EngineError::Invalid("Minimum memory limit allowed is 6MB".to_owned()));
    }
    if swap.is_some_and(|swap| swap > 0) {
        let Some(limit) = limit else {
            return Err(EngineError::Invalid(
                "You should always set the Memory limit when using Memoryswap limit, see usage"
                    .to_owned(),
            ));
        };
        if swap.is_some_and(|swap| swap < limit) {
            return Err(EngineError::Invalid(
                "Minimum memoryswap limit should be larger than memory limit, see usage".to_owned(),
            ));
        }
    }
    let mut memory = LinuxMemory::default();
    memory.set_limit(limit).set_reservation(reservation);
    // Docker: without a word on swap a container may swap as much as it has memory.
    memory.set_swap(swap.or_else(|| limit.map(|limit| limit.saturating_mul(2))));
    Ok(Some(memory))
}

fn cpu(host_config: &HostConfig) -> Result<Option<LinuxCpu>> {
    let mut cpu = LinuxCpu::default();
    let mut any = false;
    let positive =
        |value: Option<i64>| value.and_then(|v| u64::try_from(v).ok()).filter(|v| *v > 0);
    if let Some(nano) = host_config.nano_cpus.filter(|nano| *nano != 0) {
        if host_config.cpu_quota.unwrap_or_default() != 0 {
            return Err(EngineError::Invalid(
                "Conflicting options: Nano CPUs and CPU Quota cannot both be set.".to_owned(),
            ));
        }
        let available = std::thread::available_parallelism().map_or(1, usize::from);
        let nano =
            u64::try_from(nano).ok().filter(|nano| *nano <= available as u64 * 1_000_000_000);
        let Some(nano) = nano else {
            return Err(EngineError::Invalid(format!(
                "range of CPUs is from 0.01 to {available}.00, as there are only {available} CPUs \
                 available"
            )));
        };
        let quota = nano / 1000 * CPU_PERIOD_US / 1_000_000;
        cpu.set_period(Some(CPU_PERIOD_US)).set_quota(i64::try_from(quota).ok());
        any = true;
    }
    check_schedule(host_config)?;
    if let Some(quota) = host_config.cpu_quota.filter(|quota| *quota != 0) {
        cpu.set_quota(Some(quota)).set_period(positive(host_config.cpu_period));
        any = true;
    }
    if let Some(shares) = positive(host_config.cpu_shares) {
        cpu.set_shares(Some(shares));
        any = true;
    }
    for (value, check, set) in [
        (
            &host_config.cpuset_cpus,
            check_cpus as fn(&str) -> Result<()>,
            LinuxCpu::set_cpus as fn(&mut _, _) -> &mut LinuxCpu,
        ),
        (&host_config.cpuset_mems, check_memory_nodes, LinuxCpu::set_mems),
    ] {
        if let Some(value) = value.as_ref().filter(|value| !value.is_empty()) {
            check(value)?;
            set(&mut cpu, Some(value.clone()));
            any = true;
        }
    }
    Ok(any.then_some(cpu))
}

/// `--cpu-period` and `--cpu-quota`, in microseconds; 0 is not set. Docker's words.
fn check_schedule(host_config: &HostConfig) -> Result<()> {
    let period = host_config.cpu_period.unwrap_or_default();
    let quota = host_config.cpu_quota.unwrap_or_default();
    if period != 0 && !(1000..=1_000_000).contains(&period) {
        return Err(EngineError::Invalid(
            "CPU cfs period can not be less than 1ms (i.e. 1000) or larger than 1s (i.e. 1000000)"
                .to_owned(),
        ));
    }
    if (1..1000).contains(&quota) {
        return Err(EngineError::Invalid(
            "CPU cfs quota can not be less than 1ms (i.e. 1000)".to_owned(),
        ));
    }
    Ok(())
}

/// `--ulimit name=soft:hard`.
pub(crate) fn rlimits(host_config: &HostConfig) -> Result<Option<Vec<PosixRlimit>>> {
    let mut limits = Vec::new();
    for ulimit in host_config.ulimits.iter().flatten() {
        let name = ulimit.name.as_deref().unwrap_or_default();
        let typ: PosixRlimitType =
            serde_json::from_value(format!("RLIMIT_{}", name.to_uppercase()).into())
                .map_err(|_| EngineError::Invalid(format!("invalid ulimit type: {name}")))?;
        let bytes = |value: Option<i64>| {
            // -1 is unlimited.
            value.map_or(0, |value| u64::try_from(value).unwrap_or(u64::MAX))
        };
        let (soft, hard) = (bytes(ulimit.soft), bytes(ulimit.hard));
        if soft > hard {
            return Err(EngineError::Invalid(format!(
                "ulimit soft limit must be less than or equal to hard limit: {soft} > {hard}"
            )));
        }
        let limit = PosixRlimitBuilder::default().typ(typ).soft(soft).hard(hard).build();
        limits.push(limit.map_err(|error| EngineError::Invalid(error.to_string()))?);
    }
    Ok((!limits.is_empty()).then_some(limits))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cpus_become_a_quota() {
        let host_config = HostConfig { nano_cpus: Some(500_000_000), ..HostConfig::default() };
        let cpu = cpu(&host_config).unwrap().unwrap();
        assert_eq!((cpu.quota(), cpu.period()), (Some(50_000), Some(100_000)));
    }

    #[test]
    fn too_little_memory_is_refused() {
        let host_config = HostConfig { memory: Some(1024), ..HostConfig::default() };
        let error = resources(&host_config).unwrap_err();
        assert_eq!(error.to_string(), "Minimum memory limit allowed is 6MB");
    }

    #[test]
    fn nothing_asked_for_is_nothing_limited() {
        let resources = resources(&HostConfig::default()).unwrap();
        assert!(resources.memory().is_none() && resources.cpu().is_none());
        assert!(resources.pids().is_none());
    }
}
