//! `pause`, `unpause`, and what a paused container refuses.

use std::fs;

use anyhow::Context;
use naru_test_framework::{DockerHost, Engine, NativeEngine};

use crate::expect_error;
use crate::raw::{ask, post};

const CATCHES: &str = "trap 'exit 3' TERM; echo ready; while :; do usleep 20000; done";

fn inspect(engine: &DockerHost, format: &str) -> anyhow::Result<String> {
    Ok(engine.docker(&["inspect", "-f", format, "still"])?.success()?.to_owned())
}

/// A container that answers TERM with exit code 3, paused; its id.
fn paused(engine: &DockerHost) -> anyhow::Result<String> {
    let run = ["run", "-d", "--name", "still", "busybox", "sh", "-c", CATCHES];
    let id = engine.docker(&run)?.success()?.to_owned();
    assert_eq!(engine.spawn(&["logs", "-f", "still"])?.line()?, "ready");
    assert_eq!(engine.docker(&["pause", "still"])?.success()?, "still");
    Ok(id)
}

/// A control file of the container's group.
fn control_file(pid: &str, name: &str) -> anyhow::Result<String> {
    let groups = fs::read_to_string(format!("/proc/{pid}/cgroup"))?;
    let group = groups.lines().find_map(|line| line.strip_prefix("0::")).context("a group")?;
    let roots = ["/sys/fs/cgroup", "/sys/fs/cgroup/unified"];
    let files = roots.map(|root| format!("{root}{group}/{name}"));
    files.into_iter().find(|file| fs::exists(file).is_ok_and(|it_is| it_is)).context("a v2 tree")
}

/// Whether the kernel of the engine's host says that nothing in the container moves.
fn is_frozen(engine: &DockerHost, pid: &str) -> anyhow::Result<bool> {
    let shell = format!("cat /sys/fs/cgroup$(sed -n s/^0:://p /proc/{pid}/cgroup)/cgroup.events");
    let run = ["run", "--rm", "--privileged", "--pid=host", "--cgroupns=host", "busybox"];
    let events = engine.docker(&[&run[..], &["sh", "-c", &shell]].concat())?;
    Ok(events.success()?.lines().any(|line| line == "frozen 1"))
}

#[test]
fn a_paused_container_stands_still_until_it_is_unpaused() -> anyhow::Result<()> {
    let engine = Engine::with_busybox()?;
    paused(&engine)?;
    let pid = inspect(&engine, "{{.State.Pid}}")?;
    assert!(is_frozen(&engine, &pid)?);
    let state = "{{.State.Status}} {{.State.Running}} {{.State.Paused}}";
    assert_eq!(inspect(&engine, state)?, "paused true true");
    let row = engine.docker(&["ps", "--format", "{{.State}} {{.Status}}"])?;
    let row = row.success()?;
    assert!(row.starts_with("paused Up ") && row.ends_with(" (Paused)"), "{row}");
    let listed = engine.docker(&["ps", "-q", "--filter", "status=paused"])?;
    assert_eq!(listed.success()?.len(), 12);
    let counts = ["info", "--format", "{{.ContainersRunning}} {{.ContainersPaused}}"];
    assert_eq!(engine.docker(&counts)?.success()?, "0 1");

    assert_eq!(engine.docker(&["unpause", "still"])?.success()?, "still");
    assert!(!is_frozen(&engine, &pid)?);
    assert_eq!(inspect(&engine, state)?, "running true false");
    assert_eq!(engine.docker(&["exec", "still", "echo", "on"])?.success()?, "on");

    let filters = ["--filter", "event=pause", "--filter", "event=unpause"];
    let now = engine.docker(&["info", "--format", "{{.SystemTime}}"])?;
    let events = ["events", "--since", engine.since(), "--until", now.success()?];
    let events = [events.as_slice(), &["--format", "{{.Action}} {{.Actor.Attributes.name}}"]];
    let events = [events.concat().as_slice(), &filters].concat();
    assert_eq!(engine.docker(&events)?.success()?, "pause still\nunpause still");
    Ok(())
}

#[test]
fn what_is_paused_refuses_in_dockers_words() -> anyhow::Result<()> {
    let engine = Engine::with_busybox()?;
    let id = paused(&engine)?;
    let said = format!("Container {id} is already paused");
    expect_error(&engine.docker(&["pause", "still"])?, 1, &said)?;
    let said = "cannot start a paused container, try unpause instead";
    expect_error(&engine.docker(&["start", "still"])?, 1, said)?;
    let said = "cannot remove container \"still\": container is paused and must be unpaused first";
    expect_error(&engine.docker(&["rm", "still"])?, 1, said)?;

    let mut exec = post(&engine, "/v1.45/containers/still/exec", r#"{"Cmd":["true"]}"#)?;
    assert_eq!(exec.status, 409);
    let said = "Container still is paused, unpause the container before exec";
    assert_eq!(exec.message()?, said);
    let mut attach = ask(&engine, "POST", "/v1.45/containers/still/attach?stream=1&stdout=1")?;
    assert_eq!(attach.status, 409);
    let said = "container still is paused, unpause the container before attach";
    assert_eq!(attach.message()?, said);

    engine.docker(&["unpause", "still"])?.success()?;
    let mut again = ask(&engine, "POST", "/v1.45/containers/still/unpause")?;
    assert_eq!(again.status, 500);
    assert_eq!(again.message()?, format!("Container {id} is not paused"));
    engine.docker(&["kill", "still"])?.success()?;
    let mut ended = ask(&engine, "POST", "/v1.45/containers/still/pause")?;
    assert_eq!(ended.status, 409);
    assert_eq!(ended.message()?, format!("container {id} is not running"));
    expect_error(&engine.docker(&["pause", "nosuch"])?, 1, "No such container: nosuch")
}

#[test]
fn a_paused_container_is_stopped_killed_and_removed() -> anyhow::Result<()> {
    let engine = Engine::with_busybox()?;
    let ended = "{{.State.Status}} {{.State.Paused}} {{.State.ExitCode}}";
    paused(&engine)?;
    engine.docker(&["stop", "still"])?.success()?;
    assert_eq!(inspect(&engine, ended)?, "exited false 3", "it goes on to hear the signal");
    engine.docker(&["rm", "still"])?.success()?;

    paused(&engine)?;
    engine.docker(&["kill", "still"])?.success()?;
    assert_eq!(inspect(&engine, ended)?, "exited false 137");
    engine.docker(&["rm", "still"])?.success()?;

    paused(&engine)?;
    engine.docker(&["restart", "still"])?.success()?;
    assert_eq!(inspect(&engine, ended)?, "running false 0");
    engine.docker(&["pause", "still"])?.success()?;
    engine.docker(&["rm", "-f", "still"])?.success()?;
    assert_eq!(engine.docker(&["ps", "-aq"])?.success()?, "");
    engine.has_no_shims()?;
    Ok(())
}

#[test]
fn a_pause_outlives_the_engine() -> anyhow::Result<()> {
    let mut engine = NativeEngine::with_busybox()?;
    paused(&engine)?;
    let pid = inspect(&engine, "{{.State.Pid}}")?;
    engine.kill()?;
    engine.restart()?;
    assert_eq!(inspect(&engine, "{{.State.Status}}")?, "paused");
    assert!(is_frozen(&engine, &pid)?);
    engine.docker(&["unpause", "still"])?.success()?;
    assert_eq!(engine.docker(&["exec", "still", "echo", "on"])?.success()?, "on");

    // As when the engine was killed between the kernel's part and its own.
    engine.docker(&["pause", "still"])?.success()?;
    engine.kill()?;
    fs::write(control_file(&pid, "cgroup.freeze")?, "0")?;
    engine.restart()?;
    assert_eq!(inspect(&engine, "{{.State.Status}}")?, "running");
    Ok(())
}
