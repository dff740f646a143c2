//! `run`: capabilities, limits, namespaces.

use std::fs;

use naru_test_framework::{DockerHost, Engine};

use crate::{expect_error, has_controller};

fn status(engine: &DockerHost, options: &[&str], field: &str) -> anyhow::Result<String> {
    let mut command = vec!["run", "--rm"];
    command.extend(options);
    command.extend(["busybox", "grep", field, "/proc/self/status"]);
    let output = engine.docker(&command)?;
    Ok(output.success()?.split_whitespace().nth(1).unwrap_or_default().to_owned())
}

#[test]
fn capabilities_are_dockers_and_what_is_added_or_dropped() -> anyhow::Result<()> {
    let engine = Engine::with_busybox()?;

    assert_eq!(status(&engine, &[], "CapEff")?, "00000000a80425fb", "Docker's default set");
    assert_eq!(status(&engine, &["--cap-drop", "ALL"], "CapBnd")?, "0000000000000000");
    assert_eq!(status(&engine, &["--cap-add", "NET_ADMIN"], "CapEff")?, "00000000a80435fb");
    let one = ["--cap-drop", "ALL", "--cap-add", "CAP_CHOWN"];
    assert_eq!(status(&engine, &one, "CapPrm")?, "0000000000000001");
    assert_eq!(status(&engine, &["-u", "33"], "CapEff")?, "0000000000000000");
    let output = engine.docker(&["run", "--rm", "--cap-add", "BOGUS", "busybox", "true"])?;
    expect_error(&output, 125, "invalid CapAdd: unknown capability: \"CAP_BOGUS\"")
}

#[test]
fn privileges_are_limited() -> anyhow::Result<()> {
    let engine = Engine::with_busybox()?;

    assert_eq!(status(&engine, &[], "NoNewPrivs")?, "0");
    let limited = ["--security-opt", "no-new-privileges"];
    assert_eq!(status(&engine, &limited, "NoNewPrivs")?, "1");
    assert_eq!(status(&engine, &[], "Seccomp:")?, "2", "a filter");
    let mount = ["run", "--rm", "busybox", "mount", "-t", "tmpfs", "none", "/tmp"];
    assert!(engine.docker(&mount)?.failure(1)?.contains("permission denied"));
    let write = ["run", "--rm", "busybox", "sh", "-c", "echo 1 > /proc/sys/kernel/panic"];
    assert!(engine.docker(&write)?.failure(1)?.contains("Read-only file system"));
    let nofile = ["run", "--rm", "--ulimit", "nofile=64:128", "busybox", "sh", "-c"];
    let nofile = [nofile.as_slice(), &["ulimit -Sn; ulimit -Hn"]].concat();
    assert_eq!(engine.docker(&nofile)?.success()?, "64\n128");
    Ok(())
}

#[test]
fn a_limit_that_this_host_cannot_hold_is_refused_by_name() -> anyhow::Result<()> {
    let engine = Engine::with_busybox()?;
    let run = ["run", "--rm", "-m", "64m", "busybox", "cat", "/sys/fs/cgroup/memory.max"];
    let output = engine.docker(&run)?;

    if has_controller(&engine, "memory")? {
        assert_eq!(output.success()?, "67108864");
    } else {
        let said =
            "memory.limit needs the cgroup v2 controller memory, which this host does not have";
        expect_error(&output, 125, said)?;
    }
    let output = engine.docker(&["run", "--rm", "-m", "4m", "busybox", "true"])?;
    expect_error(&output, 125, "Minimum memory limit allowed is 6MB")
}

#[test]
fn processes_see_their_container_alone() -> anyhow::Result<()> {
    let engine = Engine::with_busybox()?;
    let host = |name: &str| fs::read_link(format!("/proc/self/ns/{name}"));

    let shell = "for ns in pid net mnt uts ipc; do readlink /proc/self/ns/$ns; done";
    let output = engine.docker(&["run", "--rm", "busybox", "sh", "-c", shell])?;
    let inside: Vec<&str> = output.success()?.lines().collect();
    for (name, seen) in ["pid", "net", "mnt", "uts", "ipc"].iter().zip(&inside) {
        assert_ne!(host(name)?.to_str(), Some(*seen), "{name} is its own");
    }
    let shell = "readlink /proc/self/ns/pid; readlink /proc/self/ns/net";
    let run = ["run", "--rm", "--pid", "host", "--network", "host", "busybox", "sh", "-c", shell];
    let output = engine.docker(&run)?;
    let inside: Vec<&str> = output.success()?.lines().collect();
    assert_eq!(host("pid")?.to_str(), inside.first().copied());
    assert_eq!(host("net")?.to_str(), inside.get(1).copied());
    Ok(())
}

#[test]
fn a_container_without_network_has_its_loopback_alone() -> anyhow::Result<()> {
    let engine = Engine::with_busybox()?;
    let run = ["run", "--rm", "--network", "none", "busybox", "ls", "/sys/class/net"];
    assert_eq!(engine.docker(&run)?.success()?, "lo");
    let flags = ["run", "--rm", "--network", "none", "busybox", "cat", "/sys/class/net/lo/flags"];
    assert_eq!(engine.docker(&flags)?.success()?, "0x9", "it is up");
    Ok(())
}
