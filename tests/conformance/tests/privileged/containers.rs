//! `create`, `start`, `ps`, `inspect`, `rm`.

use naru_test_framework::{DockerHost, Engine};

use crate::expect_error;

fn names(engine: &DockerHost, filters: &[&str]) -> anyhow::Result<Vec<String>> {
    let mut command = vec!["ps", "--format", "{{.Names}}"];
    for filter in filters {
        command.extend(["--filter", filter]);
    }
    let output = engine.docker(&command)?;
    Ok(output.success()?.lines().map(str::to_owned).collect())
}

#[test]
fn a_created_container_is_started_later() -> anyhow::Result<()> {
    let engine = Engine::with_busybox()?;
    let create = ["create", "--name", "later", "busybox", "sh", "-c", "echo once; exit 4"];
    let id = engine.docker(&create)?.success()?.to_owned();

    let state = ["inspect", "-f", "{{.State.Status}} {{.State.ExitCode}}", "later"];
    assert_eq!(engine.docker(&state)?.success()?, "created 0");
    let output = engine.docker(&["start", "-a", "later"])?;
    output.failure(4)?;
    assert_eq!(output.stdout, "once\n");
    assert_eq!(engine.docker(&state)?.success()?, "exited 4");
    assert_eq!(
        engine.docker(&["start", &id[..10]])?.success()?,
        &id[..10],
        "by a prefix, as named"
    );
    assert_eq!(engine.docker(&["wait", "later"])?.success()?, "4");
    let output = engine.docker(&["start", "nosuch"])?;
    expect_error(&output, 1, "No such container: nosuch")
}

#[test]
fn start_reads_standard_input_and_tells_a_missing_program() -> anyhow::Result<()> {
    let engine = Engine::with_busybox()?;
    engine.docker(&["create", "-i", "--name", "reads", "busybox", "cat"])?.success()?;
    let output = engine.docker_with_input(&["start", "-ai", "reads"], b"typed\n")?;
    assert_eq!(output.success()?, "typed");

    engine.docker(&["create", "--name", "broken", "busybox", "nosuch"])?.success()?;
    let output = engine.docker(&["start", "broken"])?;
    assert!(output.failure(1)?.contains("executable file not found in $PATH"), "{output:?}");
    let state = ["inspect", "-f", "{{.State.Status}} {{.State.ExitCode}}", "broken"];
    assert_eq!(engine.docker(&state)?.success()?, "created 127");
    Ok(())
}

#[test]
fn ps_lists_and_filters() -> anyhow::Result<()> {
    let engine = Engine::with_busybox()?;
    let run = ["run", "-d", "--name", "runs", "--label", "tier=web", "--label", "app"];
    let run = [run.as_slice(), &["busybox", "sleep", "1000"]].concat();
    let id = engine.docker(&run)?.success()?.to_owned();
    engine.docker(&["run", "--name", "failed", "busybox", "sh", "-c", "exit 5"])?.failure(5)?;
    engine.docker(&["create", "--name", "fresh", "--label", "app", "busybox"])?.success()?;

    let table = engine.docker(&["ps"])?;
    let table: Vec<&str> = table.success()?.lines().collect();
    assert_eq!(
        table[0].split("  ").map(str::trim).filter(|word| !word.is_empty()).collect::<Vec<_>>(),
        ["CONTAINER ID", "IMAGE", "COMMAND", "CREATED", "STATUS", "PORTS", "NAMES"]
    );
    assert!(table[1].starts_with(&format!("{}   busybox   \"sleep 1000\"", &id[..12])));
    assert_eq!(table.len(), 2);
    assert_eq!(engine.docker(&["ps", "-q", "--no-trunc"])?.success()?, id);
    let all = engine.docker(&["ps", "-a", "--format", "{{.Names}} {{.State}}"])?;
    assert_eq!(all.success()?, "fresh created\nfailed exited\nruns running", "newest first");
    let last = engine.docker(&["ps", "-n", "2", "--format", "{{.Names}}"])?;
    assert_eq!(last.success()?, "fresh\nfailed");
    assert_eq!(engine.docker(&["ps", "-l", "--format", "{{.Names}}"])?.success()?, "fresh");

    for (filters, expected) in [
        (&["name=run"] as &[&str], &["runs"] as &[&str]),
        (&["name=^/run$", "status=running"], &[]),
        (&["status=exited", "status=created"], &["fresh", "failed"]),
        (&["label=app"], &["runs"]),
        (&["label=app", "label=tier=web"], &["runs"]),
        (&["label=tier=other"], &[]),
        (&["ancestor=busybox"], &["runs"]),
        (&["ancestor=nosuch"], &[]),
        (&["exited=5"], &[]),
        (&["exited=5", "status=exited"], &["failed"]),
        (&["exited=0"], &[]),
        (&["status=created", "label=app"], &["fresh"]),
        (&["id=0123456789abcdef"], &[]),
    ] {
        assert_eq!(names(&engine, filters)?, expected, "{filters:?}");
    }
    let output = engine.docker(&["ps", "-f", "colour=red"])?;
    expect_error(&output, 1, "invalid filter 'colour'")?;
    let output = engine.docker(&["ps", "-f", "status=bogus"])?;
    assert!(output.failure(1)?.contains("invalid filter 'status=bogus'"), "{output:?}");
    Ok(())
}

#[test]
fn ps_tells_how_long_and_how_it_ended() -> anyhow::Result<()> {
    let engine = Engine::with_busybox()?;
    engine.docker(&["run", "-d", "--name", "runs", "busybox", "sleep", "1000"])?.success()?;
    engine.docker(&["run", "--name", "failed", "busybox", "sh", "-c", "exit 5"])?.failure(5)?;
    engine.docker(&["create", "--name", "fresh", "busybox"])?.success()?;

    let status = engine.docker(&["ps", "-a", "--format", "{{.Names}}:{{.Status}}"])?;
    let lines: Vec<&str> = status.success()?.lines().collect();
    assert_eq!(lines[0], "fresh:Created");
    assert!(lines[1].starts_with("failed:Exited (5) ") && lines[1].ends_with(" ago"), "{lines:?}");
    assert!(lines[2].starts_with("runs:Up "), "{lines:?}");
    Ok(())
}

#[test]
fn inspect_shows_what_was_asked_for() -> anyhow::Result<()> {
    let engine = Engine::with_busybox()?;
    let create = ["create", "--name", "shown", "--label", "a=b", "-e", "X=1", "-w", "/tmp"];
    let create = [create.as_slice(), &["-u", "daemon", "busybox", "sleep", "7"]].concat();
    let id = engine.docker(&create)?.success()?.to_owned();

    for (format, expected) in [
        ("{{.Id}}", id.as_str()),
        ("{{.Name}} {{.Path}} {{.Args}}", "/shown sleep [7]"),
        ("{{.Config.Image}} {{.Config.User}} {{.Config.WorkingDir}}", "busybox daemon /tmp"),
        (
            "{{.Config.Labels.a}} {{range .Config.Env}}{{if eq . \"X=1\"}}{{.}}{{end}}{{end}}",
            "b X=1",
        ),
        ("{{.State.Running}} {{.State.Pid}}", "false 0"),
        ("{{.State.StartedAt}}", "0001-01-01T00:00:00Z"),
        ("{{json .NetworkSettings.Ports}}", "{}"),
    ] {
        assert_eq!(engine.docker(&["inspect", "-f", format, "shown"])?.success()?, expected);
    }
    let output = engine.docker(&["inspect", "nosuch"])?;
    assert!(output.failure(1)?.contains("No such object: nosuch"), "{output:?}");
    assert_eq!(output.stdout.trim(), "[]");
    Ok(())
}

#[test]
fn a_running_container_is_removed_by_force_alone() -> anyhow::Result<()> {
    let engine = Engine::with_busybox()?;
    engine.docker(&["run", "-d", "--name", "runs", "busybox", "sleep", "1000"])?.success()?;

    let output = engine.docker(&["rm", "runs"])?;
    let said = "cannot remove container \"runs\": container is running: stop the container before \
                removing or force remove";
    expect_error(&output, 1, said)?;
    assert_eq!(engine.docker(&["ps", "-q"])?.success()?.len(), 12, "it still runs");
    assert_eq!(engine.docker(&["rm", "-f", "runs"])?.success()?, "runs");
    assert_eq!(engine.docker(&["ps", "-aq"])?.success()?, "");
    expect_error(&engine.docker(&["rm", "runs"])?, 1, "No such container: runs")?;
    engine.has_no_shims()?;
    Ok(())
}
