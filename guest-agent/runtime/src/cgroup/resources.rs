//! `linux.resources` as values for the files of a group.

use std::fs;
use std::io;
use std::path::Path;

use oci_spec::runtime::{LinuxBlockIo, LinuxCpu, LinuxMemory, LinuxResources};

use super::write_value;
use crate::error::{Context, Result, RuntimeError};

/// One value for one file.
#[derive(Debug, PartialEq, Eq)]
struct Setting {
    /// The limit's name in the specification.
    limit: &'static str,
    file: String,
    value: String,
}

impl Setting {
    /// The controller: what stands before the file name's first dot.
    fn controller(&self) -> &str {
        self.file.split('.').next().unwrap_or_default()
    }
}

/// What is to be written, in order.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Limits(Vec<Setting>);

impl Limits {
    /// Translates the version 1 terms of the specification.
    pub(super) fn from_spec(resources: &LinuxResources) -> Result<Self> {
        let mut limits = Self::default();
        if let Some(memory) = resources.memory() {
            limits.memory(memory)?;
        }
        if let Some(cpu) = resources.cpu() {
            limits.cpu(cpu)?;
        }
        if let Some(pids) = resources.pids() {
            // The specification has 0 and less as "no limit".
            let value = if pids.limit() > 0 { pids.limit() } else { -1 };
            limits.set("pids.limit", "pids.max", or_max(value));
        }
        if let Some(block_io) = resources.block_io() {
            limits.block_io(block_io)?;
        }
        for limit in resources.hugepage_limits().iter().flatten() {
            let file = format!("hugetlb.{}.max", limit.page_size());
            limits.set("hugepageLimits", file, or_max(limit.limit()));
        }
        if resources.rdma().as_ref().is_some_and(|rdma| !rdma.is_empty()) {
            return Err(RuntimeError::unsupported("linux.resources.rdma"));
        }
        limits.unified(resources)?;
        Ok(limits)
    }

    fn set(&mut self, limit: &'static str, file: impl Into<String>, value: impl Into<String>) {
        self.0.push(Setting { limit, file: file.into(), value: value.into() });
    }

    fn memory(&mut self, memory: &LinuxMemory) -> Result<()> {
        if memory.swappiness().is_some() {
            return Err(RuntimeError::unsupported("memory.swappiness with cgroup v2"));
        }
        if let Some(reservation) = memory.reservation() {
            self.set("memory.reservation", "memory.low", or_max(reservation));
        }
        if let Some(limit) = memory.limit() {
            self.set("memory.limit", "memory.max", or_max(limit));
        }
        // The specification's `swap` is memory and swap together.
        match (memory.swap(), memory.limit()) {
            (None, _) => {}
            (Some(-1), _) => self.set("memory.swap", "memory.swap.max", "max"),
            (Some(total), Some(limit)) if limit >= 0 && total >= limit => {
                self.set("memory.swap", "memory.swap.max", (total - limit).to_string());
            }
            (Some(total), limit) => {
                return Err(RuntimeError::invalid(format!(
                    "memory.swap {total} includes memory.limit, which is {limit:?}"
                )));
            }
        }
        Ok(())
    }

    fn cpu(&mut self, cpu: &LinuxCpu) -> Result<()> {
        if cpu.realtime_runtime().is_some() || cpu.realtime_period().is_some() {
            return Err(RuntimeError::unsupported("a real-time CPU limit with cgroup v2"));
        }
        if let Some(shares) = cpu.shares().filter(|shares| *shares > 0) {
            self.set("cpu.shares", "cpu.weight", weight_of(shares).to_string());
        }
        if let Some(idle) = cpu.idle() {
            self.set("cpu.idle", "cpu.idle", idle.to_string());
        }
        if cpu.quota().is_some() || cpu.period().is_some() {
            let quota = cpu.quota().filter(|quota| *quota > 0).unwrap_or(-1);
            let period = cpu.period().filter(|period| *period > 0).unwrap_or(100_000);
            self.set("cpu.quota", "cpu.max", format!("{} {period}", or_max(quota)));
        }
        if let Some(burst) = cpu.burst() {
            self.set("cpu.burst", "cpu.max.burst", burst.to_string());
        }
        if let Some(cpus) = cpu.cpus() {
            self.set("cpu.cpus", "cpuset.cpus", cpus.as_str());
        }
        if let Some(mems) = cpu.mems() {
            self.set("cpu.mems", "cpuset.mems", mems.as_str());
        }
        Ok(())
    }

    fn block_io(&mut self, block_io: &LinuxBlockIo) -> Result<()> {
        if let Some(weight) = block_io.weight().filter(|weight| *weight > 0) {
            let weight = io_weight(weight);
            self.set("blockIO.weight", "io.weight", format!("default {weight}"));
        }
        for device in block_io.weight_device().iter().flatten() {
            if device.leaf_weight().is_some() {
                return Err(RuntimeError::unsupported("blockIO.weightDevice.leafWeight"));
            }
            let Some(weight) = device.weight().filter(|weight| *weight > 0) else { continue };
            let (major, minor, weight) = (device.major(), device.minor(), io_weight(weight));
            self.set("blockIO.weightDevice", "io.weight", format!("{major}:{minor} {weight}"));
        }
        let throttles = [
            ("rbps", block_io.throttle_read_bps_device()),
            ("wbps", block_io.throttle_write_bps_device()),
            ("riops", block_io.throttle_read_iops_device()),
            ("wiops", block_io.throttle_write_iops_device()),
        ];
        for (key, devices) in throttles {
            for device in devices.iter().flatten() {
                let (major, minor, rate) = (device.major(), device.minor(), device.rate());
                self.set("blockIO.throttle", "io.max", format!("{major}:{minor} {key}={rate}"));
            }
        }
        Ok(())
    }

    /// `unified` comes last, so that it has the last word.
    fn unified(&mut self, resources: &LinuxResources) -> Result<()> {
        for (file, value) in resources.unified().iter().flatten() {
            if file.contains('/') || !file.contains('.') || file.starts_with('.') {
                return Err(RuntimeError::invalid(format!(
                    "linux.resources.unified names {file:?}, which is no cgroup file"
                )));
            }
            self.set("unified", file.as_str(), value.as_str());
        }
        Ok(())
    }

    /// The controllers that the limits need.
    pub(super) fn controllers(&self) -> Vec<&str> {
        let mut names: Vec<&str> = self.0.iter().map(Setting::controller).collect();
        names.retain(|name| *name != "cgroup");
        names.sort_unstable();
        names.dedup();
        names
    }

    /// Refuses a limit whose controller is not among those the host has. That there is to be no
    /// limit needs no controller.
    pub(super) fn within(mut self, available: &[String]) -> Result<Self> {
        let is_there = |setting: &Setting| {
            let controller = setting.controller();
            controller == "cgroup" || available.iter().any(|name| name == controller)
        };
        self.0.retain(|setting| is_there(setting) || !setting.value.starts_with("max"));
        match self.0.iter().find(|setting| !is_there(setting)) {
            Some(setting) => Err(RuntimeError::MissingController {
                limit: setting.limit.to_owned(),
                controller: setting.controller().to_owned(),
            }),
            None => Ok(self),
        }
    }

    /// What stands in the files of these limits now.
    pub(super) fn read_back(&self, directory: &Path) -> Result<Self> {
        let mut found = Self::default();
        for setting in &self.0 {
            let path = directory.join(&setting.file);
            match fs::read_to_string(&path) {
                // Nothing at all would not be written: an empty set of processors is a line.
                Ok(text) => found.set(
                    setting.limit,
                    setting.file.as_str(),
                    text.trim_end().to_owned() + "\n",
                ),
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(error).context("read", path.display()),
            }
        }
        Ok(found)
    }

    /// Writes the limits into a group's files.
    pub(super) fn apply(&self, directory: &Path) -> Result<()> {
        for setting in &self.0 {
            let result = write_value(&directory.join(&setting.file), &setting.value);
            match result {
                // A kernel without swap accounting has no swap to limit.
                Err(RuntimeError::System { source, .. })
                    if setting.limit == "memory.swap" && is_missing(source.raw()) => {}
                result => result?,
            }
        }
        Ok(())
    }
}

fn is_missing(errno: i32) -> bool {
    io::Error::from_raw_os_error(errno).kind() == io::ErrorKind::NotFound
}

/// Negative values mean "no limit".
fn or_max(value: i64) -> String {
    if value < 0 { "max".to_owned() } else { value.to_string() }
}

/// A block I/O weight (10..=1000) as one of version 2 (1..=10000).
fn io_weight(weight: u16) -> u32 {
    1 + u32::from(weight).saturating_sub(10) * 9999 / 990
}

/// CPU shares (2..=262144) as a weight (1..=10000), by the formula that the kernel's
/// documentation gave for the move to version 2 and that `runc` and `crun` use.
fn weight_of(shares: u64) -> u64 {
    1 + (shares.clamp(2, 262_144) - 2) * 9999 / 262_142
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limits(json: &str) -> anyhow::Result<Limits> {
        Ok(Limits::from_spec(&serde_json::from_str(json)?)?)
    }

    fn written(limits: &Limits) -> Vec<(&str, &str)> {
        limits.0.iter().map(|s| (s.file.as_str(), s.value.as_str())).collect()
    }

    #[test]
    fn limits_become_the_values_of_cgroup_v2() -> anyhow::Result<()> {
        let limits = limits(
            r#"{"memory": {"limit": 1000, "swap": 3000, "reservation": 500},
                "cpu": {"shares": 1024, "quota": 50000, "period": 100000, "cpus": "0-1"},
                "pids": {"limit": 10}}"#,
        )?;
        assert_eq!(
            written(&limits),
            [
                ("memory.low", "500"),
                ("memory.max", "1000"),
                ("memory.swap.max", "2000"),
                ("cpu.weight", "39"),
                ("cpu.max", "50000 100000"),
                ("cpuset.cpus", "0-1"),
                ("pids.max", "10"),
            ]
        );
        assert_eq!(limits.controllers(), ["cpu", "cpuset", "memory", "pids"]);
        Ok(())
    }

    #[test]
    fn block_devices_have_weights_and_rates_of_their_own() -> anyhow::Result<()> {
        let limits = limits(
            r#"{"blockIO": {"weight": 10, "weightDevice": [{"major": 8, "minor": 0, "weight": 1000}],
                "throttleReadBpsDevice": [{"major": 8, "minor": 0, "rate": 1024}],
                "throttleWriteIOPSDevice": [{"major": 8, "minor": 16, "rate": 5}]}}"#,
        )?;
        assert_eq!(
            written(&limits),
            [
                ("io.weight", "default 1"),
                ("io.weight", "8:0 10000"),
                ("io.max", "8:0 rbps=1024"),
                ("io.max", "8:16 wiops=5"),
            ]
        );
        assert_eq!(limits.controllers(), ["io"]);
        Ok(())
    }

    #[test]
    fn no_limit_is_written_as_max() -> anyhow::Result<()> {
        let limits = limits(
            r#"{"memory": {"limit": -1, "swap": -1}, "cpu": {"quota": -1}, "pids": {"limit": 0}}"#,
        )?;
        assert_eq!(
            written(&limits),
            [
                ("memory.max", "max"),
                ("memory.swap.max", "max"),
                ("cpu.max", "max 100000"),
                ("pids.max", "max"),
            ]
        );
        Ok(())
    }

    #[test]
    fn a_limit_without_its_controller_is_refused_by_name() -> anyhow::Result<()> {
        let available = ["cpu".to_owned()];
        let error = limits(r#"{"memory": {"limit": 1000}}"#)?.within(&available);
        let error = error.map(drop).map_err(|error| error.to_string());
        let expected =
            "memory.limit needs the cgroup v2 controller memory, which this host does not have";
        assert_eq!(error, Err(expected.to_owned()));
        let none = limits(r#"{"memory": {"limit": -1}, "pids": {"limit": 0}}"#)?;
        assert_eq!(none.within(&available)?, Limits::default(), "no limit needs no controller");
        Ok(())
    }

    #[test]
    fn what_stands_there_can_be_written_again() -> anyhow::Result<()> {
        let directory = tempfile::tempdir()?;
        for (file, text) in [("memory.max", "max\n"), ("cpuset.cpus", "\n")] {
            fs::write(directory.path().join(file), text)?;
        }
        let wanted = limits(r#"{"memory": {"limit": 9, "swap": 9}, "cpu": {"cpus": "0"}}"#)?;
        let before = wanted.read_back(directory.path())?;
        assert_eq!(written(&before), [("memory.max", "max\n"), ("cpuset.cpus", "\n")]);
        Ok(())
    }

    #[test]
    fn unified_cannot_name_a_file_elsewhere() {
        let result = limits(r#"{"unified": {"../../cgroup.procs": "1"}}"#);
        assert_eq!(result.ok(), None);
    }

    #[test]
    fn swap_below_the_memory_limit_is_refused() {
        assert_eq!(limits(r#"{"memory": {"limit": 1000, "swap": 500}}"#).ok(), None);
    }
}
