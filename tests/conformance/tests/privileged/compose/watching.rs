//! `port`, `top`, `ps`, `events`, `pause`, `images`, `ls`, `wait`.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use anyhow::{Context, ensure};
use naru_test_framework::Running;
use serde_json::Value;

use super::Project;

/// The next event of this action that `compose events --json` tells.
fn await_event(events: &mut Running, action: &str) -> anyhow::Result<Value> {
    loop {
        let event: Value = serde_json::from_str(&events.line()?)?;
        if event["action"] == action {
            return Ok(event);
        }
    }
}

#[test]
fn a_project_is_seen_from_outside() -> anyhow::Result<()> {
    let project = Project::new("watching")?;
    project.said(&["up", "-d"])?;
    let port = project.said(&["port", "web", "80"])?;
    assert!(port.starts_with("127.0.0.1:"), "{port}");
    let port = project.said(&["port", "--protocol", "udp", "web", "53"])?;
    assert!(port.starts_with("127.0.0.1:"), "{port}");
    let top = project.said(&["top", "web"])?;
    assert!(top.contains("watching-web-1") && top.contains("httpd -f -h /www"), "{top}");
    assert_eq!(project.docker(&["wait", "watching-ender-1"])?, "6");

    let listed = project.said(&["ps", "-a", "--format", "json"])?;
    let listed = listed.lines().map(serde_json::from_str).collect::<Result<Vec<Value>, _>>()?;
    let of = |service: &str| listed.iter().find(|row| row["Service"] == service);
    let (web, ender) = (of("web").context("web")?, of("ender").context("ender")?);
    assert_eq!((&web["State"], &web["Name"]), (&"running".into(), &"watching-web-1".into()));
    assert_eq!((&ender["State"], &ender["ExitCode"]), (&"exited".into(), &6.into()));
    let published = web["Publishers"].as_array().context("publishers")?;
    let mut published: Vec<_> = published.iter().map(|row| row["TargetPort"].as_u64()).collect();
    published.sort();
    assert_eq!(published, [Some(53), Some(80)]);
    assert_eq!(project.said(&["ps", "--services"])?, "web");
    assert_eq!(project.said(&["ps", "--services", "--status", "exited"])?, "ender");
    let images = project.said(&["images", "--format", "json"])?;
    let images: Value = serde_json::from_str(&images)?;
    assert_eq!(images[0]["Repository"], "busybox");
    let projects: Value = serde_json::from_str(&project.said(&["ls", "--format", "json"])?)?;
    ensure!(
        projects[0]["Name"] == "watching" && projects[0]["Status"] == "running(1)",
        "{projects}"
    );
    Ok(())
}

#[test]
fn events_tell_of_a_pause() -> anyhow::Result<()> {
    let project = Project::new("watching")?;
    project.said(&["up", "-d", "web"])?;
    let name = "watching-web-1";
    project.said(&["pause", "web"])?;
    assert_eq!(project.inspect(name, "{{.State.Status}}")?, "paused");
    project.said(&["unpause", "web"])?;
    assert_eq!(project.inspect(name, "{{.State.Status}}")?, "running");

    let mut events = project.spawn(&["events", "--json"])?;
    // Only by what it tells one sees that it listens.
    let is_heard = AtomicBool::new(false);
    let paused = thread::scope(|scope| {
        let again = scope.spawn(|| {
            while !is_heard.load(Ordering::Relaxed) {
                project.said(&["pause", "web"])?;
                project.said(&["unpause", "web"])?;
            }
            anyhow::Ok(())
        });
        let paused = await_event(&mut events, "pause");
        is_heard.store(true, Ordering::Relaxed);
        again.join().map_err(|_| anyhow::anyhow!("it panicked"))??;
        paused
    })?;
    assert_eq!((&paused["type"], &paused["service"]), (&"container".into(), &"web".into()));
    let event = await_event(&mut events, "unpause")?;
    assert_eq!(event["attributes"]["name"], name);
    project.said(&["kill", "web"])?;
    assert_eq!(await_event(&mut events, "die")?["attributes"]["exitCode"], "137");
    project.said(&["down"])?;
    await_event(&mut events, "destroy")?;
    Ok(())
}
