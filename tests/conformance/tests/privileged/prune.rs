//! `container prune`.

use naru_test_framework::{DockerHost, Engine};

use crate::expect_error;
use crate::raw::ask;

fn left(engine: &DockerHost) -> anyhow::Result<Vec<String>> {
    let listed = engine.docker(&["ps", "-a", "--format", "{{.Names}}"])?;
    Ok(listed.success()?.lines().map(str::to_owned).collect())
}

#[test]
fn what_does_not_run_is_removed_and_its_bytes_are_told() -> anyhow::Result<()> {
    let engine = Engine::with_busybox()?;
    engine.docker(&["run", "-d", "--name", "runs", "busybox", "sleep", "1000"])?.success()?;
    engine.docker(&["run", "-d", "--name", "paused", "busybox", "sleep", "1000"])?.success()?;
    engine.docker(&["pause", "paused"])?.success()?;
    let created = engine.docker(&["create", "--name", "fresh", "busybox"])?.success()?.to_owned();
    let shell = "head -c 12345 /dev/zero > /zeros; ln /zeros /again; ln -s zeros /link; mkdir /d";
    engine.docker(&["run", "--name", "wrote", "busybox", "sh", "-c", shell])?.success()?;
    let wrote = engine.docker(&["inspect", "-f", "{{.Id}}", "wrote"])?.success()?.to_owned();

    let mut answer = ask(&engine, "POST", "/v1.45/containers/prune")?;
    assert_eq!(answer.status, 200);
    let pruned = answer.json()?;
    // A symbolic link is as long as what it says.
    assert_eq!(pruned["SpaceReclaimed"], 12345 + 5);
    let mut deleted: Vec<_> = pruned["ContainersDeleted"].as_array().cloned().unwrap_or_default();
    deleted.sort_by_key(ToString::to_string);
    let mut expected = [created, wrote];
    expected.sort();
    assert_eq!(deleted, expected);
    assert_eq!(left(&engine)?, ["paused", "runs"]);

    let now = engine.docker(&["info", "--format", "{{.SystemTime}}"])?;
    let events =
        ["events", "--since", engine.since(), "--until", now.success()?, "--filter", "event=prune"];
    let events = [&events[..], &["--format", "{{.Type}} {{.Actor.Attributes.reclaimed}}"]].concat();
    assert_eq!(engine.docker(&events)?.success()?, "container 12350");
    let again = ask(&engine, "POST", "/v1.45/containers/prune")?.json()?;
    assert_eq!(again["ContainersDeleted"].as_array().map(Vec::len), Some(0));
    Ok(())
}

#[test]
fn filters_choose_what_is_pruned() -> anyhow::Result<()> {
    let engine = Engine::with_busybox()?;
    for (name, label) in [("web", "tier=web"), ("db", "tier=db"), ("kept", "keep")] {
        engine.docker(&["create", "--name", name, "--label", label, "busybox"])?.success()?;
    }
    let prune = |filters: &[&str]| {
        let mut command = vec!["container", "prune", "-f"];
        command.extend(filters.iter().flat_map(|filter| ["--filter", filter]));
        engine.docker(&command)
    };
    prune(&["until=1h"])?.success()?;
    prune(&["label=tier=other"])?.success()?;
    assert_eq!(left(&engine)?, ["kept", "db", "web"]);
    prune(&["label=tier=web"])?.success()?;
    assert_eq!(left(&engine)?, ["kept", "db"]);
    let output = prune(&["label!=keep", "until=0s"])?;
    assert!(output.success()?.contains("Deleted Containers:"), "{output:?}");
    assert_eq!(left(&engine)?, ["kept"]);
    expect_error(&prune(&["colour=red"])?, 1, "invalid filter 'colour'")?;
    let output = prune(&["until=1h", "until=2h"])?;
    expect_error(&output, 1, "more than one until filter specified")?;
    expect_error(&prune(&["until=soon"])?, 1, "invalid timestamp: soon")
}
