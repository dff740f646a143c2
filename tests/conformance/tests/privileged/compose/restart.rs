//! `restart`, `stop`, `start`, `kill`.

use super::Project;

const STARTED: &str = "{{.State.StartedAt}}";

#[test]
fn who_ends_is_started_again_by_its_policy() -> anyhow::Result<()> {
    let project = Project::new("restart")?;
    project.said(&["up", "-d"])?;
    let (flaky, once) = ("restart-flaky-1", "restart-once-1");
    while project.inspect(flaky, "{{.RestartCount}} {{.State.Status}}")? != "2 running" {}
    assert_eq!(project.docker(&["wait", once])?, "5");
    assert_eq!(project.inspect(once, "{{.RestartCount}} {{.State.Status}}")?, "0 exited");
    let policy =
        "{{.HostConfig.RestartPolicy.Name}}:{{.HostConfig.RestartPolicy.MaximumRetryCount}}";
    assert_eq!(project.inspect(flaky, policy)?, "on-failure:5");
    assert_eq!(project.inspect("restart-base-1", policy)?, "unless-stopped:0");
    Ok(())
}

#[test]
fn restart_takes_with_it_who_asked_for_that() -> anyhow::Result<()> {
    let project = Project::new("restart")?;
    project.said(&["up", "-d", "base", "dependent", "flaky"])?;
    let names = ["restart-base-1", "restart-dependent-1"];
    let started = || -> anyhow::Result<Vec<String>> {
        names.iter().map(|name| project.inspect(name, STARTED)).collect()
    };
    let before = started()?;
    project.said(&["restart", "-t", "0", "base"])?;
    let after = started()?;
    assert!(before[0] < after[0] && before[1] < after[1], "{before:?} {after:?}");
    // Who restarts a dependent alone leaves the rest as it was.
    project.said(&["restart", "-t", "0", "dependent"])?;
    assert_eq!(project.inspect(names[0], STARTED)?, after[0]);

    project.said(&["stop", "-t", "0", "dependent"])?;
    assert_eq!(project.inspect(names[1], "{{.State.Status}}")?, "exited");
    project.said(&["start", "dependent"])?;
    assert_eq!(project.inspect(names[1], "{{.State.Status}}")?, "running");
    project.said(&["kill", "-s", "KILL", "dependent"])?;
    assert_eq!(project.docker(&["wait", names[1]])?, "137");
    Ok(())
}
