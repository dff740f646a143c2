//! What needs a kernel with all controllers, and a reboot.

use std::collections::BTreeSet;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Shutdown, TcpStream};
use std::process::Stdio;

use anyhow::{Context, Result};
use naru_test_framework::Vm;

use crate::containers::{await_listener, vm_with_busybox};

/// Waits until these containers have been started since the engine was.
fn wait_for_starts(vm: &Vm, names: &[&str]) -> Result<()> {
    let format = "{{.Actor.Attributes.name}}";
    let events = ["events", "--since", "1", "--filter", "event=start", "--format", format];
    let mut child = vm.docker_command(&events).stdout(Stdio::piped()).spawn()?;
    let mut missing: BTreeSet<&str> = names.iter().copied().collect();
    let mut lines = BufReader::new(child.stdout.take().context("it is piped")?).lines();
    while !missing.is_empty() {
        let line = lines.next().with_context(|| format!("{missing:?} did not start"))??;
        missing.remove(line.as_str());
    }
    child.kill()?;
    child.wait()?;
    Ok(())
}

#[test]
fn a_reboot_starts_what_its_policy_wants_with_its_ports() -> Result<()> {
    let (vm, image) = vm_with_busybox()?;
    let serve = ["nc", "-ll", "-p", "7", "-e", "wc", "-c"];
    // How long a stop waits for who ignores it is tested elsewhere.
    let run = ["run", "-d", "--stop-signal", "KILL", "--name"];
    let always = ["serves", "--restart", "always", "-p", "127.0.0.1::7", &image];
    vm.docker_ok(&[&run[..], &always, &serve].concat())?;
    for (name, policy) in [("kept", "unless-stopped"), ("ended", "unless-stopped"), ("once", "no")]
    {
        vm.docker_ok(&[&run[..], &[name, "--restart", policy, &image, "sleep", "1000"]].concat())?;
    }
    vm.docker_ok(&["kill", "ended"])?;
    vm.naru(&["stop"])?.success()?;
    vm.naru(&["start"])?.success().with_context(|| vm.console())?;
    wait_for_starts(&vm, &["serves", "kept"])?;
    for (name, expected) in
        [("serves", "running"), ("kept", "running"), ("ended", "exited"), ("once", "exited")]
    {
        assert_eq!(vm.inspect(name, "{{.State.Status}}")?, expected, "{name}");
    }
    await_listener(&vm, "serves", 7)?;
    let mut client = TcpStream::connect(vm.docker_ok(&["port", "serves", "7"])?)?;
    client.write_all(b"12345")?;
    client.shutdown(Shutdown::Write)?;
    let mut answer = String::new();
    client.read_to_string(&mut answer)?;
    assert_eq!(answer.trim(), "5");
    Ok(())
}

#[test]
fn limits_of_a_running_container_change_all_or_none() -> Result<()> {
    let (vm, image) = vm_with_busybox()?;
    vm.docker_ok(&["run", "-d", "--name", "changes", &image, "sleep", "1000"])?;
    let file =
        |name: &str| vm.docker_ok(&["exec", "changes", "cat", &format!("/sys/fs/cgroup/{name}")]);
    for (options, name, expected) in [
        (&["--memory", "64m"] as &[_], "memory.max", "67108864"),
        (&["--memory", "96m", "--memory-swap", "96m"], "memory.swap.max", "0"),
        (&["--memory-reservation", "32m"], "memory.low", "33554432"),
        (&["--cpus", "0.5"], "cpu.max", "50000 100000"),
        (&["--cpu-shares", "512"], "cpu.weight", "20"),
        (&["--cpuset-cpus", "0"], "cpuset.cpus", "0"),
        (&["--pids-limit", "50"], "pids.max", "50"),
        (&["--pids-limit", "-1"], "pids.max", "max"),
    ] {
        vm.docker_ok(&[&["update"], options, &["changes"]].concat())?;
        assert_eq!(file(name)?, expected, "{options:?}");
    }
    let before = vm.inspect("changes", "{{json .HostConfig}}")?;
    // There is no such processor; the memory limit could be set.
    let update = ["update", "--memory", "80m", "--memory-swap", "80m", "--cpuset-cpus", "77"];
    let refused = vm.docker(&[&update[..], &["changes"]].concat())?;
    let said = refused.failure(1)?;
    assert!(said.contains("Requested CPUs are not available - requested 77"), "{said}");
    assert_eq!((file("memory.max")?, file("cpuset.cpus")?), ("100663296".into(), "0".into()));
    assert_eq!(vm.inspect("changes", "{{json .HostConfig}}")?, before);
    Ok(())
}
