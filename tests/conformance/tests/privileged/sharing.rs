//! `run`: namespaces of the host's, or of another container.

use std::fs;
use std::process::Command;

use anyhow::Context as _;
use naru_test_framework::{DockerHost, Engine, NativeEngine};
use serde_json::{Value, json};

use crate::expect_error;
use crate::raw::{ask, post};

fn run_donor(engine: &DockerHost, options: &[&str]) -> anyhow::Result<()> {
    let run = ["run", "-d", "--name", "donor"];
    let rest = ["busybox", "sleep", "1000"];
    engine.docker(&[run.as_slice(), options, &rest].concat())?.success()?;
    Ok(())
}

fn donor(options: &[&str]) -> anyhow::Result<Engine> {
    let engine = Engine::with_busybox()?;
    run_donor(&engine, options)?;
    Ok(engine)
}

#[test]
fn anothers_processes_are_seen() -> anyhow::Result<()> {
    let engine = donor(&[])?;

    let run = ["run", "--rm", "--pid", "container:donor", "busybox", "cat", "/proc/1/comm"];
    assert_eq!(engine.docker(&run)?.success()?, "sleep");
    let run = ["run", "--rm", "--init", "--pid=container:donor", "busybox", "sh", "-c", "exit 5"];
    engine.docker(&run)?.failure(5)?;
    let missing = ["run", "--rm", "--pid", "container:nosuch", "busybox", "true"];
    expect_error(
        &engine.docker(&missing)?,
        125,
        "failed to join PID namespace: No such container: nosuch",
    )?;
    engine.docker(&["kill", "donor"])?.success()?;
    let id = engine.docker(&["ps", "-aq", "--no-trunc"])?.success()?.to_owned();
    let output = engine.docker(&["run", "--rm", "--pid", "container:donor", "busybox", "true"])?;
    let said = format!("failed to join PID namespace: container {id} is not running");
    expect_error(&output, 125, &said)
}

#[test]
fn anothers_network_is_shared_with_its_names() -> anyhow::Result<()> {
    let engine = donor(&["--hostname", "harbour"])?;
    let address = "{{.NetworkSettings.IPAddress}}";
    let address = engine.docker(&["inspect", "-f", address, "donor"])?.success()?.to_owned();

    let shell = "ip -4 -o addr show eth0 | grep -o 'inet [0-9.]*'; hostname; \
                 grep -c harbour /etc/hosts";
    let join = ["--name", "guest", "--network", "container:donor", "busybox", "sh", "-c", shell];
    let output = engine.docker(&[["run"].as_slice(), &join].concat())?;
    assert_eq!(output.success()?, format!("inet {address}\nharbour\n1"));
    let networks =
        engine.docker(&["inspect", "-f", "{{json .NetworkSettings.Networks}}", "guest"])?;
    assert_eq!(networks.success()?, "{}");

    let publish = ["run", "--rm", "-p", "80", "--network", "container:donor", "busybox", "true"];
    let conflict = "conflicting options: port publishing and the container type network mode";
    assert!(engine.docker(&publish)?.failure(125)?.contains(conflict));
    engine.docker(&["kill", "donor"])?.success()?;
    let output = engine.docker(&["start", "guest"])?;
    assert!(
        output.failure(1)?.contains(
            "cannot join network namespace of a non running container: container donor is exited"
        ),
        "{output:?}"
    );
    Ok(())
}

#[test]
fn shared_memory_is_shared_only_by_those_who_allow_it() -> anyhow::Result<()> {
    let engine = donor(&["--ipc", "shareable", "--shm-size", "2m"])?;
    let exec = ["exec", "donor", "sh", "-c", "echo word > /dev/shm/word"];
    engine.docker(&exec)?.success()?;

    let shell = "cat /dev/shm/word; df -k /dev/shm | grep -c ' 2048 '; readlink /proc/self/ns/ipc";
    let run = ["run", "--rm", "--ipc", "container:donor", "busybox", "sh", "-c", shell];
    let output = engine.docker(&run)?;
    let ipc = ["exec", "donor", "readlink", "/proc/self/ns/ipc"];
    let ipc = engine.docker(&ipc)?.success()?.to_owned();
    assert_eq!(output.success()?, format!("word\n1\n{ipc}"));

    engine.docker(&["run", "-d", "--name", "closed", "busybox", "sleep", "1000"])?.success()?;
    let output = engine.docker(&["run", "--rm", "--ipc", "container:closed", "busybox", "true"])?;
    assert!(output.failure(125)?.contains("has non-shareable IPC"), "{output:?}");
    let run = ["run", "--rm", "--ipc", "none", "busybox", "sh", "-c", "ls -d /dev/shm; true"];
    assert_eq!(engine.docker(&run)?.success()?, "", "there is none");
    Ok(())
}

#[test]
fn who_joins_starts_after_the_one_that_is_joined() -> anyhow::Result<()> {
    let mut engine = NativeEngine::with_busybox()?;
    // The one that joins has the name that comes first, in whatever order they are started.
    let sleep = ["busybox", "sleep", "1000"];
    let always = ["run", "-d", "--restart", "always", "--stop-signal", "KILL", "--name"];
    engine.docker(&[always.as_slice(), &["zone"], &sleep].concat())?.success()?;
    for name in ["alpha", "omega"] {
        let join = [name, "--network", "container:zone", "--pid", "container:zone"];
        engine.docker(&[always.as_slice(), &join, &sleep].concat())?.success()?;
    }
    engine.stop()?;
    engine.restart()?;
    for name in ["alpha", "omega"] {
        // The first try fails as long as it has not started.
        let wait = format!("until docker -H {} exec {name} true; do :; done", engine.host());
        let status = Command::new("timeout").args(["60", "sh", "-c", &wait]).output()?.status;
        assert!(status.success(), "{name} does not run: {}", engine.log());
    }
    Ok(())
}

#[test]
fn a_killed_engine_leaves_no_shared_memory_behind() -> anyhow::Result<()> {
    let mut engine = NativeEngine::with_busybox()?;
    let root = engine.root().display().to_string();
    let mounts = || -> anyhow::Result<usize> {
        let all = fs::read_to_string("/proc/self/mountinfo")?;
        Ok(all.lines().filter(|line| line.contains(&root)).count())
    };
    run_donor(&engine, &["--ipc", "shareable"])?;
    assert_eq!(mounts()?, 1, "the donor's");
    engine.kill()?;
    engine.restart()?;
    let run = ["run", "--rm", "--ipc", "container:donor", "busybox", "ls", "-d", "/dev/shm"];
    assert_eq!(engine.docker(&run)?.success()?, "/dev/shm");
    engine.docker(&["rm", "-f", "donor"])?.success()?;
    assert_eq!(mounts()?, 0);
    Ok(())
}

#[test]
fn the_hosts_namespaces_are_the_hosts() -> anyhow::Result<()> {
    let engine = Engine::with_busybox()?;
    let own = |name: &str| -> anyhow::Result<String> {
        Ok(fs::read_link(format!("/proc/self/ns/{name}"))?.display().to_string())
    };
    let host = fs::read_to_string("/proc/sys/kernel/hostname")?;

    for (option, name) in
        [("--uts=host", "uts"), ("--ipc=host", "ipc"), ("--cgroupns=host", "cgroup")]
    {
        let link = format!("/proc/self/ns/{name}");
        let run = ["run", "--rm", option, "--userns=host", "busybox", "readlink", &link];
        assert_eq!(engine.docker(&run)?.success()?, own(name)?, "{option}");
    }
    let output = engine.docker(&["run", "--rm", "--uts", "host", "busybox", "hostname"])?;
    assert_eq!(output.success()?, host.trim());
    let both = ["run", "--rm", "--uts=host", "--hostname=own", "busybox", "true"];
    let output = engine.docker(&both)?;
    assert!(output.failure(125)?.contains("conflicting options: hostname and the UTS mode"));
    let mut body = json!({ "Image": "busybox", "HostConfig": { "PidMode": "nonsense" } });
    let mut answer = post(&engine, "/containers/create", &body.to_string())?;
    assert_eq!((answer.status, answer.message()?.as_str()), (400, "invalid PID mode: nonsense"));
    body["HostConfig"] = json!({ "UsernsMode": "private" });
    let mut answer = post(&engine, "/containers/create", &body.to_string())?;
    let said = answer.message()?;
    assert_eq!((answer.status, said.as_str()), (400, "invalid user namespace mode: private"));
    Ok(())
}

#[test]
fn a_cgroup_parent_and_annotations_are_heeded() -> anyhow::Result<()> {
    let engine = NativeEngine::with_busybox()?;
    let body = json!({
        "Image": "busybox", "Cmd": ["sleep", "1000"],
        "HostConfig": { "CgroupParent": "/naru-tests", "Annotations": { "org.example": "yes" } },
    });
    let mut answer = post(&engine, "/containers/create?name=placed", &body.to_string())?;
    assert_eq!(answer.status, 201);
    let id = answer.json()?["Id"].as_str().context("an id")?.to_owned();
    engine.docker(&["start", "placed"])?.success()?;

    let pid = engine.docker(&["inspect", "-f", "{{.State.Pid}}", "placed"])?.success()?.to_owned();
    let groups = fs::read_to_string(format!("/proc/{pid}/cgroup"))?;
    assert!(groups.lines().any(|line| line == format!("0::/naru-tests/{id}")), "{groups}");
    let spec = engine.root().join("containers").join(&id).join("config.json");
    let spec: Value = serde_json::from_slice(&fs::read(spec)?)?;
    assert_eq!(spec["annotations"]["org.example"], "yes");
    let top = ask(&engine, "GET", "/containers/placed/top")?.json()?;
    assert_eq!(top["Processes"].as_array().map(Vec::len), Some(1), "{top}");
    engine.docker(&["rm", "-f", "placed"])?.success()?;

    let body = json!({ "Image": "busybox", "HostConfig": { "Annotations": { "": "no" } } });
    let mut answer = post(&engine, "/containers/create", &body.to_string())?;
    let said = "invalid Annotations: the empty string is not permitted as an annotation key";
    assert_eq!((answer.status, answer.message()?.as_str()), (400, said));
    Ok(())
}

#[test]
fn an_image_for_another_platform_is_not_taken() -> anyhow::Result<()> {
    let engine = Engine::with_busybox()?;
    let own = if cfg!(target_arch = "x86_64") { "linux/amd64" } else { "linux/arm64" };
    let body = json!({ "Image": "busybox" }).to_string();

    let answer = post(&engine, &format!("/containers/create?platform={own}"), &body)?;
    assert_eq!(answer.status, 201);
    let mut answer = post(&engine, "/containers/create?platform=linux/s390x", &body)?;
    assert_eq!(
        (answer.status, answer.message()?),
        (
            404,
            format!(
                "image with reference busybox was found but its platform ({own}) does not match \
                 the specified platform (linux/s390x)"
            )
        )
    );
    let answer = post(&engine, "/containers/create?platform=//", &body)?;
    assert_eq!(answer.status, 400);
    Ok(())
}
