//! `stop`, `kill`, `restart`, `wait`.

use std::time::{Duration, Instant};

use naru_test_framework::{DockerHost, Engine};

use crate::expect_error;
use crate::raw::ask;

const CATCHES: &str = "trap 'echo term; exit 3' TERM; trap 'echo usr' USR1; echo ready; \
                       while :; do usleep 20000; done";

fn exit_code(engine: &DockerHost, name: &str) -> anyhow::Result<String> {
    let format = "{{.State.Status}} {{.State.ExitCode}}";
    Ok(engine.docker(&["inspect", "-f", format, name])?.success()?.to_owned())
}

fn start_catching(engine: &DockerHost, options: &[&str]) -> anyhow::Result<()> {
    let mut run = vec!["run", "-d", "--name", "catches"];
    run.extend(options);
    run.extend(["busybox", "sh", "-c", CATCHES]);
    engine.docker(&run)?.success()?;
    assert_eq!(engine.spawn(&["logs", "-f", "catches"])?.line()?, "ready");
    Ok(())
}

#[test]
fn stop_asks_first_and_kills_then() -> anyhow::Result<()> {
    let engine = Engine::with_busybox()?;
    start_catching(&engine, &[])?;
    assert_eq!(engine.docker(&["stop", "catches"])?.success()?, "catches");
    assert_eq!(exit_code(&engine, "catches")?, "exited 3");
    assert_eq!(engine.docker(&["logs", "catches"])?.success()?, "ready\nterm");
    assert_eq!(engine.docker(&["stop", "catches"])?.success()?, "catches", "again is no error");

    // PID 1 ignores what it has no handler for.
    engine.docker(&["run", "-d", "--name", "deaf", "busybox", "sleep", "1000"])?.success()?;
    let before = Instant::now();
    assert_eq!(engine.docker(&["stop", "-t", "1", "deaf"])?.success()?, "deaf");
    assert!(before.elapsed() >= Duration::from_secs(1), "it had its second");
    assert_eq!(exit_code(&engine, "deaf")?, "exited 137");
    expect_error(&engine.docker(&["stop", "nosuch"])?, 1, "No such container: nosuch")
}

#[test]
fn stop_sends_the_signal_of_the_container_or_the_command() -> anyhow::Result<()> {
    let engine = Engine::with_busybox()?;
    start_catching(&engine, &["--stop-signal", "KILL"])?;
    engine.docker(&["stop", "catches"])?.success()?;
    assert_eq!(exit_code(&engine, "catches")?, "exited 137");
    engine.docker(&["rm", "catches"])?.success()?;

    start_catching(&engine, &["--stop-signal", "KILL"])?;
    engine.docker(&["stop", "--signal", "TERM", "catches"])?.success()?;
    assert_eq!(exit_code(&engine, "catches")?, "exited 3");
    Ok(())
}

#[test]
fn kill_sends_one_signal() -> anyhow::Result<()> {
    let engine = Engine::with_busybox()?;
    start_catching(&engine, &[])?;
    let id = engine.docker(&["ps", "-q", "--no-trunc"])?.success()?.to_owned();

    let mut logs = engine.spawn(&["logs", "-f", "catches"])?;
    assert_eq!(logs.line()?, "ready");
    for name in ["USR1", "SIGUSR1", "10"] {
        assert_eq!(engine.docker(&["kill", "-s", name, "catches"])?.success()?, "catches");
        assert_eq!(logs.line()?, "usr", "{name}");
    }
    let output = engine.docker(&["kill", "-s", "NOPE", "catches"])?;
    assert!(output.failure(1)?.contains("nvalid signal: NOPE"), "{output:?}");
    assert_eq!(exit_code(&engine, "catches")?, "running 0");
    assert_eq!(engine.docker(&["kill", "catches"])?.success()?, "catches");
    assert_eq!(engine.docker(&["wait", "catches"])?.success()?, "137");
    let said = format!("cannot kill container: catches: container {id} is not running");
    expect_error(&engine.docker(&["kill", "catches"])?, 1, &said)
}

#[test]
fn restart_starts_anew_what_runs_and_what_does_not() -> anyhow::Result<()> {
    let engine = Engine::with_busybox()?;
    let shell = "echo started; exec sleep 1000";
    engine.docker(&["run", "-d", "--name", "again", "busybox", "sh", "-c", shell])?.success()?;
    let mut logs = engine.spawn(&["logs", "-f", "again"])?;
    assert_eq!(logs.line()?, "started");
    let pid = ["inspect", "-f", "{{.State.Pid}}", "again"];
    let before = engine.docker(&pid)?.success()?.to_owned();

    assert_eq!(engine.docker(&["restart", "-t", "0", "again"])?.success()?, "again");
    assert_ne!(engine.docker(&pid)?.success()?, before);
    // It says so before it ends.
    let mut logs = engine.spawn(&["logs", "-f", "again"])?;
    assert_eq!((logs.line()?, logs.line()?), ("started".to_owned(), "started".to_owned()));
    engine.docker(&["kill", "again"])?.success()?;
    engine.docker(&["restart", "-t", "0", "again"])?.success()?;
    assert_eq!(exit_code(&engine, "again")?, "running 0");
    let mut logs = engine.spawn(&["logs", "-f", "again"])?;
    for _ in 0..3 {
        assert_eq!(logs.line()?, "started", "the log goes on");
    }
    expect_error(&engine.docker(&["restart", "nosuch"])?, 1, "No such container: nosuch")
}

#[test]
fn wait_gives_the_code_of_each_container() -> anyhow::Result<()> {
    let engine = Engine::with_busybox()?;
    let run = ["run", "-di", "--name", "asks", "busybox", "sh", "-c", "read code; exit $code"];
    engine.docker(&run)?.success()?;
    engine.docker(&["run", "--name", "ended", "busybox", "sh", "-c", "exit 5"])?.failure(5)?;

    let mut waits = engine.spawn(&["wait", "ended", "asks"])?;
    assert_eq!(waits.line()?, "5");
    engine.docker_with_input(&["attach", "asks"], b"8\n")?.failure(8)?;
    assert_eq!(waits.finish()?.success()?, "8");
    expect_error(&engine.docker(&["wait", "nosuch"])?, 1, "No such container: nosuch")
}

#[test]
fn a_stop_that_comes_with_the_first_output_is_not_too_early() -> anyhow::Result<()> {
    let engine = Engine::with_busybox()?;
    let shell = "trap 'exit 3' TERM; echo up; while :; do sleep 0.1; done";
    for _ in 0..10 {
        let run = ["run", "--rm", "--name", "quick", "busybox", "sh", "-c", shell];
        let mut attached = engine.spawn(&run)?;
        assert_eq!(attached.line()?, "up");
        // 304 would say that nothing runs.
        assert_eq!(ask(&engine, "POST", "/v1.45/containers/quick/stop?t=60")?.status, 204);
        attached.finish()?.failure(3)?;
    }
    Ok(())
}
