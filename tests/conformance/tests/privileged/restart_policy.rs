//! `--restart`: what is started again, when, and what ends it.

use std::process::Command;

use anyhow::{Context as _, bail, ensure};
use naru_test_framework::{DockerHost, Engine, NativeEngine, Running};
use serde_json::Value;

use crate::expect_error;
use crate::raw::{Connection, ask, post};
/// After so many ends the next restart is more than three seconds away.
const ENDS_BEFORE_A_LONG_WAIT: usize = 6;

/// How often one tries to be in time: on a busy computer a wait may be over before one has looked.
const WAITS: u32 = 9;
fn inspect(engine: &DockerHost, name: &str, format: &str) -> anyhow::Result<String> {
    Ok(engine.docker(&["inspect", "-f", format, name])?.success()?.to_owned())
}

/// The container's events, from the first on.
fn events(engine: &DockerHost, name: &str) -> anyhow::Result<Running> {
    let filter = format!("container={name}");
    let format = "{{.Action}}";
    engine.spawn(&["events", "--since", engine.since(), "--filter", &filter, "--format", format])
}

fn run(engine: &DockerHost, name: &str, policy: &str, shell: &str) -> anyhow::Result<()> {
    let run = ["run", "-d", "--name", name, "--restart", policy, "busybox", "sh", "-c", shell];
    engine.docker(&run)?.success()?;
    Ok(())
}

/// A container that ends at once, in the midst of a long wait for its restart.
fn in_backoff(engine: &DockerHost, name: &str) -> anyhow::Result<Running> {
    run(engine, name, "always", "exit 4")?;
    let mut events = events(engine, name)?;
    assert_eq!(events.line()?, "create");
    for _ in 0..ENDS_BEFORE_A_LONG_WAIT {
        assert_eq!(events.line()?, "start");
        assert_eq!(events.line()?, "die");
    }
    Ok(events)
}

/// Looks at a container in the midst of such a wait, and ends the wait by what is told as `end`:
/// if that is the next event, the wait was not over before. Gives the name and what was seen.
fn look_in_backoff<T>(
    engine: &DockerHost,
    end: &str,
    look: impl Fn(&str) -> anyhow::Result<T>,
) -> anyhow::Result<(String, Running, T)> {
    let mut last = Ok(());
    for number in 1..=WAITS {
        let name = format!("waits{number}");
        let mut events = in_backoff(engine, &name)?;
        let seen = look(&name);
        if events.line()? == end {
            return Ok((name, events, seen?));
        }
        last = seen.map(drop);
        engine.docker(&["rm", "-f", &name])?;
    }
    last.context("no wait was met")?;
    bail!("{WAITS} waits were over too soon")
}

#[test]
fn what_ends_runs_again_and_its_log_goes_on() -> anyhow::Result<()> {
    let engine = Engine::with_busybox()?;
    run(&engine, "again", "always", "echo run; exit 4")?;
    let mut logs = engine.spawn(&["logs", "-f", "again"])?;
    let mut events = events(&engine, "again")?;
    assert_eq!(events.line()?, "create");
    for _ in 0..4 {
        assert_eq!(logs.line()?, "run");
        assert_eq!(events.line()?, "start");
        assert_eq!(events.line()?, "die");
    }
    let count: u64 = inspect(&engine, "again", "{{.RestartCount}}")?.parse()?;
    assert!(count >= 3, "{count}");
    engine.docker(&["stop", "again"])?.success()?;
    logs.finish()?.success()?;
    let status = inspect(&engine, "again", "{{.State.Status}} {{.State.Restarting}}")?;
    assert_eq!(status, "exited false");
    engine.docker(&["start", "again"])?.success()?;
    Ok(())
}

#[test]
fn a_wait_for_a_restart_shows_and_a_stop_ends_it() -> anyhow::Result<()> {
    let engine = Engine::with_busybox()?;
    let state = "{{.State.Status}} {{.State.Running}} {{.State.Restarting}} {{.State.Pid}} \
                 {{.State.ExitCode}}";
    // There is nothing to send a signal to, which would be told first.
    let (name, mut events, (seen, row)) = look_in_backoff(&engine, "stop", |name| {
        let seen = inspect(&engine, name, state)?;
        let list = ["ps", "--filter", "status=restarting", "--format", "{{.Status}}"];
        let row = engine.docker(&list)?.success()?.to_owned();
        engine.docker(&["stop", name])?.success()?;
        Ok((seen, row))
    })?;
    assert_eq!(seen, "restarting true true 0 4");
    assert!(row.starts_with("Restarting (4) ") && row.ends_with(" ago"), "{row}");
    assert_eq!(inspect(&engine, &name, state)?, "exited false false 0 4");

    // Longer than it would have waited.
    engine.docker(&["run", "--rm", "busybox", "sleep", "4"])?.success()?;
    engine.docker(&["rm", &name])?.success()?;
    assert_eq!(events.line()?, "destroy", "it was not started again");
    Ok(())
}

#[test]
fn a_wait_for_a_restart_refuses_what_needs_a_process() -> anyhow::Result<()> {
    let engine = Engine::with_busybox()?;
    let (name, _, answers) = look_in_backoff(&engine, "destroy", |name| {
        let path = format!("/v1.45/containers/{name}");
        let answered = |answer: anyhow::Result<Connection>| -> anyhow::Result<(u16, String)> {
            let mut answer = answer?;
            Ok((answer.status, String::from_utf8(answer.body()?)?))
        };
        let at = |method: &str, rest: &str| ask(&engine, method, &format!("{path}{rest}"));
        let exec = post(&engine, &format!("{path}/exec"), r#"{"Cmd":["true"]}"#);
        let answers = [
            answered(exec)?,
            answered(at("POST", "/attach?stream=1&stdout=1"))?,
            answered(at("POST", "/pause"))?,
            answered(at("POST", "/start"))?,
            answered(at("DELETE", ""))?,
        ];
        ensure!(at("DELETE", "?force=1")?.status == 204, "{name} is not removed by force");
        Ok(answers)
    })?;
    let [exec, attach, pause, start, remove] = answers;
    let message = |body: &str| -> anyhow::Result<String> {
        let body: Value = serde_json::from_str(body)?;
        Ok(body["message"].as_str().context("an error has a message")?.to_owned())
    };
    let said = "is restarting, wait until the container is running";
    assert!(message(&exec.1)?.ends_with(said), "{exec:?}");
    assert_eq!(message(&attach.1)?, format!("container {name} {said}"));
    assert_eq!((pause.0, start.0, remove.0), (409, 304, 409));
    let said = format!(
        "cannot remove container \"{name}\": container is restarting: stop the container before \
         removing or force remove"
    );
    assert_eq!(message(&remove.1)?, said);
    Ok(())
}

#[test]
fn failures_are_retried_so_many_times() -> anyhow::Result<()> {
    let engine = Engine::with_busybox()?;
    run(&engine, "fails", "on-failure:2", "exit 3")?;
    let mut watch = events(&engine, "fails")?;
    let mut seen = Vec::new();
    for _ in 0..7 {
        seen.push(watch.line()?);
    }
    assert_eq!(seen, ["create", "start", "die", "start", "die", "start", "die"]);
    let state = "{{.State.Status}} {{.State.ExitCode}} {{.RestartCount}}";
    assert_eq!(inspect(&engine, "fails", state)?, "exited 3 2");
    // A start of the user's begins to count anew.
    engine.docker(&["start", "fails"])?.success()?;
    for expected in ["start", "die", "start", "die", "start", "die"] {
        assert_eq!(watch.line()?, expected);
    }

    run(&engine, "succeeds", "on-failure", "exit 0")?;
    assert_eq!(engine.docker(&["wait", "succeeds"])?.success()?, "0");
    assert_eq!(inspect(&engine, "succeeds", state)?, "exited 0 0");
    Ok(())
}

#[test]
fn a_wait_is_over_at_the_first_end() -> anyhow::Result<()> {
    let engine = Engine::with_busybox()?;
    let shell = "[ -e /pipe ] && exec sleep 1000; mkfifo /pipe; echo ready; read w < /pipe; exit 6";
    run(&engine, "ends", "always", shell)?;
    assert_eq!(engine.spawn(&["logs", "-f", "ends"])?.line()?, "ready");
    let mut wait = ask(&engine, "POST", "/v1.45/containers/ends/wait")?;
    // What it brings about may end it, too.
    engine.docker(&["exec", "ends", "sh", "-c", "echo > /pipe"])?;
    assert_eq!(wait.json()?["StatusCode"], 6);
    Ok(())
}

#[test]
fn what_its_user_ends_stays_ended() -> anyhow::Result<()> {
    let engine = Engine::with_busybox()?;
    run(&engine, "killed", "always", "exec sleep 1000")?;
    engine.docker(&["kill", "killed"])?.success()?;
    assert_eq!(inspect(&engine, "killed", "{{.State.Status}}")?, "exited");
    engine.docker(&["restart", "-t", "0", "killed"])?.success()?;
    engine.docker(&["stop", "-t", "0", "killed"])?.success()?;
    assert_eq!(inspect(&engine, "killed", "{{.State.Status}}")?, "exited");
    engine.docker(&["rm", "killed"])?.success()?;
    let mut events = events(&engine, "killed")?;
    // A restart's stop and die may come in either order, as a stop's may.
    let mut seen = Vec::new();
    while seen.last().is_none_or(|last| last != "destroy") {
        seen.push(events.line()?);
    }
    assert_eq!(seen[..6], ["create", "start", "kill", "die", "start", "restart"]);
    assert_eq!(seen.iter().filter(|event| *event == "start").count(), 2);
    Ok(())
}

#[test]
fn the_next_engine_starts_what_its_policy_wants() -> anyhow::Result<()> {
    let mut engine = NativeEngine::with_busybox()?;
    let names = ["never", "always", "always-stopped", "unless", "unless-stopped"];
    for name in names {
        let policy = match name {
            "never" => "no",
            "always" | "always-stopped" => "always",
            _ => "unless-stopped",
        };
        run(&engine, name, policy, "trap 'exit 0' TERM; while :; do usleep 20000; done")?;
    }
    engine.docker(&["kill", "always-stopped", "unless-stopped"])?.success()?;
    engine.stop()?;
    engine.restart()?;
    let mut starts = engine.spawn(&[
        "events",
        "--since",
        "1",
        "--filter",
        "event=start",
        "--format",
        "{{.Actor.Attributes.name}}",
    ])?;
    let mut started = [starts.line()?, starts.line()?, starts.line()?];
    started.sort();
    assert_eq!(started, ["always", "always-stopped", "unless"]);
    for (name, status) in [("never", "exited"), ("unless-stopped", "exited"), ("unless", "running")]
    {
        assert_eq!(inspect(&engine, name, "{{.State.Status}}")?, status, "{name}");
    }
    Ok(())
}

#[test]
fn a_reboot_is_an_end_like_any_other() -> anyhow::Result<()> {
    let mut engine = NativeEngine::with_busybox()?;
    for (name, policy) in [("comes-back", "unless-stopped"), ("stays-away", "no")] {
        run(&engine, name, policy, "exec sleep 1000")?;
    }
    let format = "{{.State.Pid}}";
    let pids = [inspect(&engine, "comes-back", format)?, inspect(&engine, "stays-away", format)?];
    engine.kill()?;
    let shims = engine.shims().into_iter().map(|pid| pid.to_string());
    let ended = Command::new("kill").arg("-KILL").args(shims).args(pids).status()?;
    assert!(ended.success());
    engine.has_no_shims()?;
    engine.restart()?;
    assert_eq!(events(&engine, "comes-back")?.line()?, "start");
    let state = "{{.State.Status}} {{.State.ExitCode}}";
    assert_eq!(inspect(&engine, "comes-back", state)?, "running 0");
    assert_eq!(inspect(&engine, "stays-away", state)?, "exited 255");
    Ok(())
}

#[test]
fn an_engine_that_dies_during_the_wait_is_followed_by_one_that_starts() -> anyhow::Result<()> {
    let mut engine = NativeEngine::with_busybox()?;
    let events_before = in_backoff(&engine, "waits")?;
    engine.kill()?;
    drop(events_before);
    engine.restart()?;
    let mut events = events(&engine, "waits")?;
    assert_eq!(events.line()?, "start");
    assert_eq!(events.line()?, "die");
    engine.docker(&["rm", "-f", "waits"])?.success()?;
    Ok(())
}

#[test]
fn policies_that_make_no_sense_are_refused() -> anyhow::Result<()> {
    let engine = Engine::with_busybox()?;
    for (host_config, said) in [
        (
            r#"{"AutoRemove":true,"RestartPolicy":{"Name":"always"}}"#,
            "can't create 'AutoRemove' container with restart policy",
        ),
        (
            r#"{"RestartPolicy":{"Name":"always","MaximumRetryCount":2}}"#,
            "invalid restart policy: maximum retry count can only be used with 'on-failure'",
        ),
        (
            r#"{"RestartPolicy":{"Name":"on-failure","MaximumRetryCount":-1}}"#,
            "invalid restart policy: maximum retry count cannot be negative",
        ),
    ] {
        let body = format!(r#"{{"Image":"busybox","Cmd":["true"],"HostConfig":{host_config}}}"#);
        let mut answer = post(&engine, "/v1.45/containers/create", &body)?;
        assert_eq!((answer.status, answer.message()?.as_str()), (400, said));
    }
    let body = r#"{"Image":"busybox","HostConfig":{"RestartPolicy":{"Name":"sometimes"}}}"#;
    let mut answer = post(&engine, "/v1.45/containers/create", body)?;
    assert_eq!(answer.status, 400);
    assert!(answer.message()?.contains("sometimes"));
    assert_eq!(engine.docker(&["ps", "-aq"])?.success()?, "");
    expect_error(&engine.docker(&["start", "nosuch"])?, 1, "No such container: nosuch")
}

#[test]
fn a_restart_by_hand_keeps_what_is_to_be_removed_at_its_end() -> anyhow::Result<()> {
    let engine = Engine::with_busybox()?;
    let run = ["run", "-d", "--rm", "--name", "passing", "busybox", "sleep", "1000"];
    engine.docker(&run)?.success()?;
    engine.docker(&["restart", "-t", "0", "passing"])?.success()?;
    assert_eq!(inspect(&engine, "passing", "{{.State.Status}}")?, "running");
    let mut events = events(&engine, "passing")?;
    engine.docker(&["kill", "passing"])?.success()?;
    while events.line()? != "destroy" {}
    assert_eq!(engine.docker(&["ps", "-aq"])?.success()?, "");
    Ok(())
}
