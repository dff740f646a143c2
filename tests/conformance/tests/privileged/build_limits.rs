//! Limits of what a build runs: what the kernel was told, or a refusal by name where it has no such
//! controller.

use anyhow::ensure;
use naru_test_framework::Engine;

use crate::build::{build, context};
use crate::has_controller;

#[test]
fn what_a_build_runs_has_its_limits() -> anyhow::Result<()> {
    for (flags, controller, file, expected) in [
        (&["-m", "64m"][..], "memory", "memory.max", "67108864"),
        (&["-m", "64m", "--memory-swap", "96m"], "memory", "memory.swap.max", "33554432"),
        (&["--cpu-period", "50000", "--cpu-quota", "20000"], "cpu", "cpu.max", "20000 50000"),
        (&["--cpuset-cpus", "0"], "cpuset", "cpuset.cpus", "0"),
    ] {
        let engine = Engine::with_busybox()?;
        let dockerfile = format!("FROM busybox\nRUN cat /sys/fs/cgroup/{file} > /limit\n");
        context(&engine, &[("Dockerfile", &dockerfile)])?;
        let built = build(&engine, &[flags, &["-t", "made"]].concat())?;
        if !has_controller(&engine, controller)? {
            let said = format!("needs the cgroup v2 controller {controller}, which this host");
            ensure!(built.failure(1)?.contains(&said), "{built:?}");
            continue;
        }
        built.success()?;
        let limit = engine.docker(&["run", "--rm", "made", "cat", "/limit"])?;
        assert_eq!(limit.success()?, expected, "{flags:?}");
    }
    Ok(())
}
