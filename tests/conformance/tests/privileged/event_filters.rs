//! `events --filter`, and the events of what is looked at.

use naru_test_framework::{DockerHost, Engine};

use crate::raw::ask;

fn actions(engine: &DockerHost, filters: &[&str]) -> anyhow::Result<Vec<String>> {
    let now = engine.docker(&["info", "--format", "{{.SystemTime}}"])?;
    let mut command = vec!["events", "--since", engine.since(), "--until", now.success()?];
    command.extend(["--format", "{{.Action}}"]);
    for filter in filters {
        command.extend(["--filter", filter]);
    }
    Ok(engine.docker(&command)?.success()?.lines().map(str::to_owned).collect())
}

#[test]
fn every_filter_finds_what_docker_finds() -> anyhow::Result<()> {
    let engine = Engine::with_busybox()?;
    engine.docker(&["run", "-d", "--name", "web_1", "busybox", "sleep", "1000"])?.success()?;
    engine.docker(&["exec", "web_1", "true"])?.success()?;
    engine.docker(&["create", "--name", "other", "--label", "a=b", "busybox"])?.success()?;

    let whole = ["create", "start", "exec_create: true ", "exec_start: true ", "exec_die"];
    assert_eq!(actions(&engine, &["container=web_1"])?, whole);
    assert_eq!(actions(&engine, &["container=web"])?, whole, "a name's beginning will do");
    assert_eq!(actions(&engine, &["container=eb_1"])?, [""; 0]);
    assert_eq!(actions(&engine, &["container=web", "event=exec_start"])?, ["exec_start: true "]);
    assert_eq!(actions(&engine, &["event=exec"])?, [""; 0]);
    assert_eq!(actions(&engine, &["image=busybox", "event=create"])?, ["create", "create"]);
    assert_eq!(actions(&engine, &["label=a", "label=a=b"])?, ["create"]);
    assert_eq!(actions(&engine, &["label=a", "label=c"])?, [""; 0]);
    assert_eq!(actions(&engine, &["type=image", "scope=local"])?, ["load"]);
    assert_eq!(actions(&engine, &["scope=swarm"])?, [""; 0]);
    for filter in ["network=nosuch", "volume=nosuch", "plugin=nosuch", "daemon=nosuch"] {
        assert_eq!(actions(&engine, &[filter])?, [""; 0], "{filter}");
    }
    Ok(())
}

#[test]
fn looking_on_is_told_too() -> anyhow::Result<()> {
    let engine = Engine::with_busybox()?;
    engine.docker(&["run", "--rm", "--name", "short", "busybox", "true"])?.success()?;
    // The removal is not waited for by the client.
    let mut seen =
        engine.spawn(&["events", "--since", engine.since(), "--filter", "event=destroy"])?;
    seen.line()?;
    let told = actions(&engine, &["container=short"])?;
    assert_eq!(told, ["create", "attach", "start", "die", "destroy"]);

    engine.docker(&["run", "-dt", "--name", "runs", "busybox", "sleep", "1000"])?.success()?;
    engine.docker(&["top", "runs"])?.success()?;
    assert_eq!(ask(&engine, "POST", "/v1.45/containers/runs/resize?h=11&w=22")?.status, 200);
    assert_eq!(actions(&engine, &["container=runs"])?, ["create", "start", "top", "resize"]);
    Ok(())
}

#[test]
fn times_that_make_no_sense_are_refused() -> anyhow::Result<()> {
    let engine = Engine::start()?;
    let mut answer = ask(&engine, "GET", "/v1.45/events?since=20&until=10.5")?;
    assert_eq!(answer.status, 400);
    assert_eq!(answer.message()?, "`since` time (20) cannot be after `until` time (10.5)");
    assert_eq!(ask(&engine, "GET", "/v1.45/events?since=soon")?.status, 400);
    for until in ["1", "1.5", "1970-01-01T00:00:01Z", "1970-01-01T00:00:01.5%2B00:00"] {
        let mut answer = ask(&engine, "GET", &format!("/v1.45/events?until={until}"))?;
        assert_eq!((answer.status, answer.body()?.len()), (200, 0), "{until}");
    }
    Ok(())
}

#[test]
fn there_are_no_plugins_and_that_is_no_error() -> anyhow::Result<()> {
    let engine = Engine::start()?;
    assert_eq!(engine.docker(&["plugin", "ls", "-q"])?.success()?, "");
    let mut answer = ask(&engine, "GET", "/v1.45/plugins")?;
    assert_eq!((answer.status, answer.body()?.as_slice()), (200, b"[]".as_slice()));
    let mut answer = ask(&engine, "POST", "/v1.45/plugins/x/enable")?;
    assert_eq!((answer.status, answer.message()?.contains("plugins")), (501, true));
    Ok(())
}
