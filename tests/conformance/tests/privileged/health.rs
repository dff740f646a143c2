//! Health checks: what is asked, what is told, and for how long.

use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use naru_test_framework::{DockerHost, Engine, NativeEngine, Running};
use serde_json::{Value, json};

use crate::expect_error;
use crate::raw::post;

/// A check that does as a file in the container says.
const CHECK: &str = "cat /says; read code < /code; exit $code";

fn inspect(engine: &DockerHost, format: &str) -> anyhow::Result<String> {
    Ok(engine.docker(&["inspect", "-f", format, "cared"])?.success()?.to_owned())
}

fn events(engine: &DockerHost, filter: &str, format: &str) -> anyhow::Result<Running> {
    let command = ["events", "--since", engine.since(), "--filter", filter, "--format", format];
    engine.spawn(&command)
}

fn run(engine: &DockerHost, options: &[&str]) -> anyhow::Result<()> {
    let mut run = vec!["run", "-d", "--name", "cared"];
    run.extend(options);
    let shell = "echo fine > /says; echo 0 > /code; exec sleep 1000";
    run.extend(["busybox", "sh", "-c", shell]);
    engine.docker(&run)?.success()?;
    Ok(())
}

fn set_code(engine: &DockerHost, code: &str) -> anyhow::Result<()> {
    let shell = format!("echo {code} > /new; mv /new /code");
    engine.docker(&["exec", "cared", "sh", "-c", &shell])?.success()?;
    Ok(())
}

#[test]
fn a_container_is_starting_healthy_and_unhealthy() -> anyhow::Result<()> {
    let engine = Engine::with_busybox()?;
    // It stays as it is until the first check is over.
    let check = format!("until [ -e /go ]; do usleep 10000; done; {CHECK}");
    let options = ["--health-cmd", &check, "--health-interval", "1s", "--health-retries", "2"];
    run(&engine, &options)?;
    let status = ["ps", "--format", "{{.Status}}"];
    let row = engine.docker(&status)?;
    assert!(row.success()?.ends_with(" (health: starting)"), "{row:?}");
    let listed = ["ps", "-q", "--filter", "health=starting"];
    assert_eq!(engine.docker(&listed)?.success()?.len(), 12);
    engine.docker(&["exec", "cared", "touch", "/go"])?.success()?;

    let mut changes = events(&engine, "event=health_status", "{{.Action}}")?;
    assert_eq!(changes.line()?, "health_status: healthy");
    assert!(engine.docker(&status)?.success()?.ends_with(" (healthy)"));
    set_code(&engine, "1")?;
    assert_eq!(changes.line()?, "health_status: unhealthy");
    assert!(engine.docker(&status)?.success()?.ends_with(" (unhealthy)"));
    let health: Value = serde_json::from_str(&inspect(&engine, "{{json .State.Health}}")?)?;
    assert_eq!(health["Status"], "unhealthy");
    assert!(health["FailingStreak"].as_u64() >= Some(2), "{health}");
    let last = health["Log"].as_array().and_then(|log| log.last()).cloned().unwrap_or_default();
    assert_eq!((&last["ExitCode"], &last["Output"]), (&Value::from(1), &Value::from("fine\n")));
    assert!(last["Start"].as_str() < last["End"].as_str(), "{last}");

    set_code(&engine, "0")?;
    assert_eq!(changes.line()?, "health_status: healthy", "nothing is told in between");
    assert_eq!(inspect(&engine, "{{.State.Health.FailingStreak}}")?, "0");
    Ok(())
}

#[test]
fn each_probe_is_an_exec_and_is_forgotten() -> anyhow::Result<()> {
    let engine = Engine::with_busybox()?;
    run(&engine, &["--health-cmd", "true; false", "--health-interval", "100ms"])?;
    let mut all = events(&engine, "container=cared", "{{.Action}}")?;
    let mut seen = Vec::new();
    while seen.last().is_none_or(|last| last != "health_status: unhealthy") {
        seen.push(all.line()?);
    }
    let probe =
        ["exec_create: /bin/sh -c true; false", "exec_start: /bin/sh -c true; false", "exec_die"];
    let mut expected = vec!["create", "start"];
    for _ in 0..3 {
        expected.extend(probe);
    }
    expected.push("health_status: unhealthy");
    assert_eq!(seen, expected);
    let mut log = 0;
    while log < 5 {
        assert_eq!(all.line()?, probe[0]);
        log = inspect(&engine, "{{len .State.Health.Log}}")?.parse()?;
        assert!(log <= 5);
        assert_eq!((all.line()?.as_str(), all.line()?.as_str()), (probe[1], probe[2]));
    }
    engine.docker(&["stop", "-t", "0", "cared"])?.success()?;
    assert_eq!(inspect(&engine, "{{.State.Status}} {{.State.Health.Status}}")?, "exited unhealthy");
    assert_eq!(inspect(&engine, "{{json .ExecIDs}}")?, "null");
    engine.has_no_shims()?;
    Ok(())
}

#[test]
fn a_probe_that_hangs_or_talks_too_much_is_cut_off() -> anyhow::Result<()> {
    let engine = Engine::with_busybox()?;
    let check = "head -c 5000 /dev/zero | tr '\\0' x; exec sleep 1000";
    let options = ["--health-interval", "100ms", "--health-timeout", "500ms"];
    let options = [&options[..], &["--health-retries", "1", "--health-cmd", check]].concat();
    run(&engine, &options)?;
    let mut changes = events(&engine, "event=health_status", "{{.Action}}")?;
    assert_eq!(changes.line()?, "health_status: unhealthy");
    // One that is slow to begin is cut off before it has said anything.
    let said = format!("Health check exceeded timeout (500ms): {}...", "x".repeat(4096));
    let patience = Instant::now() + Duration::from_mins(1);
    loop {
        let log: Value = serde_json::from_str(&inspect(&engine, "{{json .State.Health.Log}}")?)?;
        let log = log.as_array().context("a log")?;
        assert!(log.iter().all(|probe| probe["ExitCode"] == -1), "{log:?}");
        if log.iter().any(|probe| probe["Output"] == said.as_str()) {
            break;
        }
        ensure!(Instant::now() < patience, "{log:?}");
    }
    engine.docker(&["rm", "-f", "cared"])?.success()?;
    engine.has_no_shims()?;
    Ok(())
}

#[test]
fn a_failure_in_the_start_period_does_not_count() -> anyhow::Result<()> {
    let engine = Engine::with_busybox()?;
    let check = ["--health-cmd", CHECK, "--health-retries", "1", "--health-interval", "1h"];
    let start = ["--health-start-period", "1h"];
    run(&engine, &[&check[..], &start].concat())?;
    engine.docker(&["rm", "-f", "cared"])?.success()?;

    // Only the API of these clients knows the interval at the start.
    let body = r#"{"Image":"busybox","Cmd":["sh","-c","echo 3 > /code; exec sleep 1000"],
        "Healthcheck":{"Test":["CMD","sh","-c","read code < /code; exit $code"],
        "Interval":3600000000000,"Retries":1,
        "StartPeriod":3600000000000,"StartInterval":100000000}}"#;
    let create = "/v1.45/containers/create?name=cared";
    let mut made = post(&engine, create, body)?;
    assert_eq!(made.status, 201);
    // The first of this name may have been looked after, too.
    let id = made.json()?["Id"].as_str().context("an id")?.to_owned();
    engine.docker(&["start", "cared"])?.success()?;
    let format = "{{.Action}}{{with .Actor.Attributes.exitCode}} {{.}}{{end}}";
    let mut probes = events(&engine, &format!("container={id}"), format)?;
    let mut ended = 0;
    while ended < 3 {
        let event = probes.line()?;
        assert!(event == "exec_die 3" || !event.starts_with("exec_die"), "{event}");
        ended += u32::from(event == "exec_die 3");
    }
    let state = "{{.State.Health.Status}} {{.State.Health.FailingStreak}}";
    assert_eq!(inspect(&engine, state)?, "starting 0");
    set_code(&engine, "0")?;
    while probes.line()? != "health_status: healthy" {}
    Ok(())
}

#[test]
fn checks_go_on_after_a_pause_a_restart_and_a_new_engine() -> anyhow::Result<()> {
    let mut engine = NativeEngine::with_busybox()?;
    run(&engine, &["--health-cmd", CHECK, "--health-interval", "200ms"])?;
    let healthy = |engine: &DockerHost| -> anyhow::Result<()> {
        let mut changes = events(engine, "event=health_status", "{{.Action}}")?;
        assert_eq!(changes.line()?, "health_status: healthy");
        Ok(())
    };
    healthy(&engine)?;
    engine.docker(&["pause", "cared"])?.success()?;
    engine.docker(&["unpause", "cared"])?.success()?;
    assert_eq!(inspect(&engine, "{{.State.Health.Status}}")?, "healthy");
    let now = engine.docker(&["info", "--format", "{{.SystemTime}}"])?.success()?.to_owned();
    let since = ["events", "--since", &now, "--filter", "event=exec_die"];
    engine.spawn(&since)?.line()?;

    engine.docker(&["restart", "-t", "0", "cared"])?.success()?;
    let now = engine.docker(&["info", "--format", "{{.SystemTime}}"])?.success()?.to_owned();
    let since = ["events", "--since", &now, "--filter", "event=exec_die"];
    engine.spawn(&since)?.line()?;

    engine.kill()?;
    engine.restart()?;
    healthy(&engine)?;
    assert_eq!(inspect(&engine, "{{.State.Health.Status}}")?, "healthy");
    Ok(())
}

#[test]
fn an_images_check_is_made_unless_it_is_left_out() -> anyhow::Result<()> {
    let engine = Engine::start()?;
    let check = json!({"Test": ["CMD-SHELL", "echo of the image"], "Interval": 100_000_000});
    let image = naru_test_framework::images::busybox_with(&json!({ "Healthcheck": check }))?;
    engine.load(&image, "docker.io/library/busybox:latest")?;
    run(&engine, &["--health-retries", "7"])?;
    let mut changes = events(&engine, "event=health_status", "{{.Action}}")?;
    assert_eq!(changes.line()?, "health_status: healthy");
    let output = "{{with index .State.Health.Log 0}}{{.Output}}{{end}}";
    assert_eq!(inspect(&engine, output)?, "of the image");
    let config = "{{.Config.Healthcheck.Interval}} {{.Config.Healthcheck.Retries}}";
    assert_eq!(inspect(&engine, config)?, "100ms 7");
    engine.docker(&["rm", "-f", "cared"])?.success()?;

    run(&engine, &["--no-healthcheck"])?;
    assert_eq!(inspect(&engine, "{{json .State.Health}}")?, "null");
    Ok(())
}

#[test]
fn a_check_must_make_sense() -> anyhow::Result<()> {
    let engine = Engine::with_busybox()?;
    run(&engine, &[])?;
    let listed = ["ps", "-q", "--filter", "health=none"];
    assert_eq!(engine.docker(&listed)?.success()?.len(), 12);
    let output = engine.docker(&["ps", "--filter", "health=fine"])?;
    let said = "invalid filter 'health=fine': invalid value for health (fine): must be one of none, \
                starting, healthy, unhealthy";
    expect_error(&output, 1, said)?;
    for (check, said) in [
        (r#"{"Test":["HTTP","/"]}"#, "Unknown healthcheck type 'HTTP' (expected 'CMD')"),
        (
            r#"{"Test":["CMD","true"],"Timeout":5}"#,
            "Timeout in Healthcheck cannot be less than 1ms",
        ),
        (r#"{"Test":["CMD","true"],"Retries":-1}"#, "Retries in Healthcheck cannot be negative"),
    ] {
        let body = format!(r#"{{"Image":"busybox","Cmd":["true"],"Healthcheck":{check}}}"#);
        let mut answer = post(&engine, "/v1.45/containers/create", &body)?;
        assert_eq!((answer.status, answer.message()?.as_str()), (400, said));
    }
    Ok(())
}
