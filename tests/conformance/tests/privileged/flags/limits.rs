//! Limits: what the kernel was told, or a refusal by name where it has no such controller.

use anyhow::ensure;
use naru_test_framework::Engine;

use super::{refused, shown};
use crate::has_controller;

/// Whether `file` of the container's group has the line `expected`, where there is the controller.
fn limits(options: &[&str], controller: &str, file: &str, expected: &str) -> anyhow::Result<()> {
    let engine = Engine::with_busybox()?;
    let path = format!("/sys/fs/cgroup/{file}");
    let run = [&["run", "--rm"], options, &["busybox", "cat", &path]].concat();
    let output = engine.docker(&run)?;
    if !has_controller(&engine, controller)? {
        let said = format!("needs the cgroup v2 controller {controller}, which this host");
        ensure!(output.failure(125)?.contains(&said), "{output:?}");
        return Ok(());
    }
    let found = output.success()?.lines().any(|line| line == expected);
    ensure!(found, "{file} of {options:?} is {}", output.stdout);
    Ok(())
}

#[test]
fn memory_is_a_hard_limit() -> anyhow::Result<()> {
    limits(&["--memory", "64m"], "memory", "memory.max", "67108864")?;
    let said = refused(&["-m", "4m"], 125)?;
    ensure!(said.contains("Minimum memory limit allowed is 6MB"), "{said}");
    Ok(())
}

#[test]
fn memory_swap_counts_the_memory_too() -> anyhow::Result<()> {
    limits(&["-m", "64m", "--memory-swap", "96m"], "memory", "memory.swap.max", "33554432")?;
    limits(&["-m", "64m", "--memory-swap", "-1"], "memory", "memory.swap.max", "max")?;
    let said = refused(&["-m", "64m", "--memory-swap", "32m"], 125)?;
    ensure!(said.contains("Minimum memoryswap limit should be larger than memory limit"), "{said}");
    Ok(())
}

#[test]
fn memory_reservation_is_a_soft_limit() -> anyhow::Result<()> {
    limits(&["--memory-reservation", "32m"], "memory", "memory.low", "33554432")
}

#[test]
fn cpus_are_a_part_of_the_time() -> anyhow::Result<()> {
    limits(&["--cpus", "0.5"], "cpu", "cpu.max", "50000 100000")?;
    let said = refused(&["--cpus", "1000"], 125)?;
    ensure!(said.contains("ange of CPUs is from 0.01 to "), "{said}");
    Ok(())
}

#[test]
fn cpu_period_and_cpu_quota_are_taken_as_they_are() -> anyhow::Result<()> {
    let options = ["--cpu-period", "50000", "--cpu-quota", "20000"];
    limits(&options, "cpu", "cpu.max", "20000 50000")?;
    let said = refused(&["--cpu-period", "10"], 125)?;
    ensure!(said.contains("CPU cfs period can not be less than 1ms"), "{said}");
    Ok(())
}

#[test]
fn cpu_shares_become_a_weight() -> anyhow::Result<()> {
    limits(&["--cpu-shares", "512"], "cpu", "cpu.weight", "20")
}

#[test]
fn cpuset_cpus_are_the_only_ones() -> anyhow::Result<()> {
    limits(&["--cpuset-cpus", "0"], "cpuset", "cpuset.cpus", "0")?;
    let said = refused(&["--cpuset-cpus", "nonsense"], 125)?;
    ensure!(said.contains("nvalid value nonsense for cpuset cpus"), "{said}");
    let said = refused(&["--cpuset-cpus", "0,4000"], 125)?;
    ensure!(said.contains("Requested CPUs are not available - requested 0,4000"), "{said}");
    Ok(())
}

#[test]
fn cpuset_mems_are_the_only_memory_nodes() -> anyhow::Result<()> {
    limits(&["--cpuset-mems", "0"], "cpuset", "cpuset.mems", "0")?;
    let said = refused(&["--cpuset-mems", "4000"], 125)?;
    ensure!(said.contains("Requested memory nodes are not available"), "{said}");
    Ok(())
}

#[test]
fn pids_limit_is_the_number_of_processes() -> anyhow::Result<()> {
    limits(&["--pids-limit", "50"], "pids", "pids.max", "50")
}

#[test]
fn rates_of_devices_are_limited() -> anyhow::Result<()> {
    let engine = Engine::with_busybox()?;
    // A disk of the engine's host.
    let find = ["run", "--rm", "--privileged", "busybox", "sh", "-c", "ls /dev/[vs]da"];
    let disk = engine.docker(&find)?.success()?.to_owned();
    let has_io = has_controller(&engine, "io")?;
    for (flag, value, limit) in [
        ("--device-read-bps", "1mb", "rbps=1048576"),
        ("--device-write-bps", "2mb", "wbps=2097152"),
        ("--device-read-iops", "100", "riops=100"),
        ("--device-write-iops", "200", "wiops=200"),
    ] {
        let rate = format!("{disk}:{value}");
        let run = ["run", "--rm", flag, &rate, "busybox", "cat", "/sys/fs/cgroup/io.max"];
        let output = engine.docker(&run)?;
        if has_io {
            ensure!(output.success()?.contains(limit), "{flag}: {output:?}");
        } else {
            let said = "blockIO.throttle needs the cgroup v2 controller io";
            ensure!(output.failure(125)?.contains(said), "{flag}: {output:?}");
        }
    }
    Ok(())
}

#[test]
fn blkio_weight_is_in_a_range() -> anyhow::Result<()> {
    limits(&["--blkio-weight", "10"], "io", "io.weight", "default 1")?;
    let said = refused(&["--blkio-weight", "5"], 125)?;
    ensure!(said.contains("ange of blkio weight is from 10 to 1000"), "{said}");
    Ok(())
}

#[test]
fn limits_are_shown_by_inspect() -> anyhow::Result<()> {
    let options = ["--memory", "64m", "--cpus", "1.5", "--pids-limit", "7", "--cpu-shares", "9"];
    let format = "{{.HostConfig.Memory}} {{.HostConfig.MemorySwap}} {{.HostConfig.NanoCpus}} \
                  {{.HostConfig.PidsLimit}} {{.HostConfig.CpuShares}}";
    assert_eq!(shown(&options, format)?, "67108864 134217728 1500000000 7 9");
    Ok(())
}
