//! `update`.

use naru_test_framework::{DockerHost, Engine, NativeEngine};

use crate::raw::post;
use crate::{expect_error, has_controller};

fn inspect(engine: &DockerHost, format: &str) -> anyhow::Result<String> {
    Ok(engine.docker(&["inspect", "-f", format, "changes"])?.success()?.to_owned())
}

#[test]
fn limits_change_in_the_kernel_and_in_the_record_or_in_neither() -> anyhow::Result<()> {
    let engine = Engine::with_busybox()?;
    let run = ["run", "-d", "--name", "changes", "busybox", "sleep", "1000"];
    let id = engine.docker(&run)?.success()?.to_owned();
    let file = |name: &str| -> anyhow::Result<String> {
        let path = format!("/sys/fs/cgroup/{name}");
        Ok(engine.docker(&["exec", "changes", "cat", &path])?.success()?.to_owned())
    };
    for (option, value, controller, format, control_file, expected) in [
        ("--memory", "64m", "memory", "{{.HostConfig.Memory}}", "memory.max", "67108864"),
        ("--cpus", "0.5", "cpu", "{{.HostConfig.NanoCpus}}", "cpu.max", "50000 100000"),
        ("--cpuset-cpus", "0", "cpuset", "{{.HostConfig.CpusetCpus}}", "cpuset.cpus", "0"),
        ("--pids-limit", "50", "pids", "{{.HostConfig.PidsLimit}}", "pids.max", "50"),
        ("--blkio-weight", "10", "io", "{{.HostConfig.BlkioWeight}}", "io.weight", "default 1"),
    ] {
        let before = inspect(&engine, "{{json .HostConfig}}")?;
        let output = engine.docker(&["update", option, value, "changes"])?;
        if has_controller(&engine, controller)? {
            assert_eq!(output.success()?, "changes");
            assert_ne!(inspect(&engine, format)?, "0");
            assert_eq!(file(control_file)?, expected);
        } else {
            let said = format!(
                "Cannot update container {id}: {option} needs the cgroup v2 controller \
                 {controller}, which this host does not have"
            );
            expect_error(&output, 1, &said)?;
            assert_eq!(inspect(&engine, "{{json .HostConfig}}")?, before);
        }
    }
    expect_error(&engine.docker(&["update", "--restart", "no", "x"])?, 1, "No such container: x")
}

#[test]
fn what_was_changed_outlives_the_engine() -> anyhow::Result<()> {
    let mut engine = NativeEngine::with_busybox()?;
    engine.docker(&["run", "-d", "--name", "changes", "busybox", "sleep", "1000"])?.success()?;
    engine.docker(&["update", "--restart", "on-failure:3", "changes"])?.success()?;
    let kept = inspect(&engine, "{{json .HostConfig}}")?;
    assert!(kept.contains("on-failure"), "{kept}");
    engine.kill()?;
    engine.restart()?;
    assert_eq!(inspect(&engine, "{{json .HostConfig}}")?, kept);
    Ok(())
}

#[test]
fn a_policy_holds_from_the_next_end_on() -> anyhow::Result<()> {
    let engine = Engine::with_busybox()?;
    let shell = "[ -e /again ] && exec sleep 1000; touch /again; read word; exit 5";
    let run = ["run", "-di", "--name", "changes", "busybox", "sh", "-c", shell];
    engine.docker(&run)?.success()?;
    let watch = ["events", "--since", engine.since(), "--filter", "container=changes"];
    let mut events = engine.spawn(&[&watch[..], &["--format", "{{.Action}}"]].concat())?;
    assert_eq!((events.line()?.as_str(), events.line()?.as_str()), ("create", "start"));

    engine.docker(&["update", "--restart", "on-failure:3", "changes"])?.success()?;
    assert_eq!(events.line()?, "update");
    let policy =
        "{{.HostConfig.RestartPolicy.Name}} {{.HostConfig.RestartPolicy.MaximumRetryCount}}";
    assert_eq!(inspect(&engine, policy)?, "on-failure 3");
    engine.docker_with_input(&["attach", "changes"], b"word\n")?.failure(5)?;
    let mut next = || -> anyhow::Result<String> {
        let event = events.line()?;
        // An attach may be told of, too.
        Ok(if event == "attach" { events.line()? } else { event })
    };
    assert_eq!((next()?.as_str(), next()?.as_str()), ("die", "start"));
    Ok(())
}

#[test]
fn a_policy_that_cannot_be_is_refused() -> anyhow::Result<()> {
    let engine = Engine::with_busybox()?;
    let run = ["run", "-d", "--rm", "--name", "changes", "busybox", "sleep", "1000"];
    let id = engine.docker(&run)?.success()?.to_owned();
    let said = format!(
        "Cannot update container {id}: Restart policy cannot be updated because AutoRemove is \
         enabled for the container"
    );
    expect_error(&engine.docker(&["update", "--restart", "always", "changes"])?, 1, &said)?;
    let policy = r#"{"RestartPolicy":{"Name":"always","MaximumRetryCount":3}}"#;
    assert_eq!(post(&engine, "/v1.45/containers/changes/update", policy)?.status, 409);
    assert_eq!(inspect(&engine, "{{.HostConfig.RestartPolicy.Name}}")?, "no");

    let mut nothing = post(&engine, "/v1.45/containers/changes/update", "{}")?;
    assert_eq!((nothing.status, nothing.json()?["Warnings"].is_null()), (200, true));
    Ok(())
}
