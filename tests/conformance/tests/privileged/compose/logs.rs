//! `logs`, and `up` in the foreground.

use super::{Project, plain};

#[test]
fn logs_are_followed_while_they_are_written() -> anyhow::Result<()> {
    let project = Project::new("logs")?;
    project.said(&["up", "-d"])?;
    let mut follower = project.spawn(&["logs", "-f", "--no-log-prefix", "talker"])?;
    assert_eq!(plain(&follower.line()?), "ready");
    for word in ["first", "second"] {
        project.shell("talker", &format!("echo {word} > /words"))?;
        assert_eq!(plain(&follower.line()?), word);
    }
    let logs = project.said(&["logs", "--tail", "1", "talker"])?;
    let (name, line) = plain(&logs).split_once('|').unwrap_or_default();
    assert_eq!((name.trim(), line.trim()), ("talker-1", "second"), "{logs}");

    let mut other = project.spawn(&["logs", "-f", "--no-log-prefix", "other"])?;
    while plain(&other.line()?) != "three" {}
    let all = project.compose(&["logs", "--no-color"])?;
    for line in ["other-1", "talker-1", "one", "two", "three", "ready", "first"] {
        assert!(all.success()?.contains(line), "{all:?}");
    }
    let stamped = project.said(&["logs", "-t", "--no-log-prefix", "other"])?;
    let year = stamped.lines().all(|line| plain(line).starts_with("20") && line.contains('Z'));
    assert!(year, "{stamped}");
    project.said(&["stop", "-t", "0"])?;
    follower.finish()?.success()?;
    Ok(())
}

#[test]
fn up_in_the_foreground_ends_with_its_service() -> anyhow::Result<()> {
    let project = Project::new("attached")?;
    let up = ["up", "--no-color", "-t", "0", "--exit-code-from", "worker"];
    let output = project.compose(&up)?;
    output.failure(7)?;
    assert!(output.stdout.lines().any(|line| line.contains("| working")), "{output:?}");
    assert!(output.stdout.contains("worker-1 exited with code 7"), "{output:?}");
    let states = project.names(&["ps", "-a"], "{{.Names}} {{.State}}")?;
    assert_eq!(states, ["attached-server-1 exited", "attached-worker-1 exited"]);
    Ok(())
}
