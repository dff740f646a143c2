//! The flags of the container commands, and several containers at once.

use std::fs;

use naru_test_framework::{DockerHost, Engine};
use serde_json::Value;

use crate::expect_error;

/// Containers of these names that sleep.
fn sleepers(names: &[&str]) -> anyhow::Result<Engine> {
    let engine = Engine::with_busybox()?;
    for name in names {
        engine.docker(&["run", "-d", "--name", name, "busybox", "sleep", "1000"])?.success()?;
    }
    Ok(engine)
}

fn states(engine: &DockerHost) -> anyhow::Result<String> {
    let listed = engine.docker(&["ps", "-a", "--format", "{{.Names}} {{.State}}"])?;
    let mut lines: Vec<&str> = listed.success()?.lines().collect();
    lines.sort_unstable();
    Ok(lines.join(", "))
}

#[test]
fn commands_take_several_containers() -> anyhow::Result<()> {
    let engine = sleepers(&["one", "two"])?;
    let both = |command: &[&str]| -> anyhow::Result<()> {
        let output = engine.docker(&[command, &["one", "two"]].concat())?;
        assert_eq!(output.success()?, "one\ntwo", "{command:?}");
        Ok(())
    };
    both(&["pause"])?;
    assert_eq!(states(&engine)?, "one paused, two paused");
    both(&["unpause"])?;
    both(&["restart", "-t", "0"])?;
    assert_eq!(states(&engine)?, "one running, two running");
    both(&["stop", "-t", "0"])?;
    both(&["start"])?;
    both(&["kill"])?;
    assert_eq!(engine.docker(&["wait", "one", "two"])?.success()?, "137\n137");
    assert_eq!(states(&engine)?, "one exited, two exited");
    both(&["rm"])?;
    assert_eq!(states(&engine)?, "");
    Ok(())
}

#[test]
fn one_that_is_missing_stops_no_other() -> anyhow::Result<()> {
    let engine = sleepers(&["one"])?;
    for command in [&["pause"][..], &["unpause"], &["stop", "-t", "0"], &["start"], &["kill"]] {
        let output = engine.docker(&[command, &["nosuch", "one"]].concat())?;
        assert_eq!(output.stdout, "one\n", "{command:?}");
        assert!(output.failure(1)?.contains("No such container: nosuch"), "{output:?}");
    }
    Ok(())
}

#[test]
fn the_long_names_are_the_same_commands() -> anyhow::Result<()> {
    let engine = sleepers(&["one"])?;
    for (command, expected) in [
        (&["container", "ls", "--format", "{{.Names}}"][..], "one"),
        (&["container", "ps", "--format", "{{.Names}}"], "one"),
        (&["container", "list", "--format", "{{.Names}}"], "one"),
        (&["container", "inspect", "-f", "{{.Name}}", "one"], "/one"),
        (&["container", "exec", "one", "echo", "x"], "x"),
        (&["container", "logs", "one"], ""),
        (&["container", "port", "one"], ""),
        (&["container", "rename", "one", "two"], ""),
        (&["container", "kill", "two"], "two"),
        (&["container", "rm", "two"], "two"),
    ] {
        assert_eq!(engine.docker(command)?.success()?, expected, "{command:?}");
    }
    Ok(())
}

#[test]
fn ps_shows_sizes_and_whole_ids() -> anyhow::Result<()> {
    let engine = Engine::with_busybox()?;
    let write = ["run", "--name", "wrote", "busybox", "sh", "-c", "echo 12345 > /file"];
    engine.docker(&write)?.success()?;
    let sizes = engine.docker(&["ps", "-a", "--size", "--format", "{{.Size}}"])?;
    assert!(sizes.success()?.starts_with("6B (virtual "), "{sizes:?}");
    let sizes = engine.docker(&["inspect", "--size", "-f", "{{.SizeRw}}", "wrote"])?;
    assert_eq!(sizes.success()?, "6");
    let json = engine.docker(&["ps", "-a", "--no-trunc", "--format", "{{json .}}"])?;
    let json: Value = serde_json::from_str(json.success()?)?;
    assert_eq!(json["ID"].as_str().map(str::len), Some(64), "{json}");
    Ok(())
}

#[test]
fn ps_filters_by_what_was_before_and_after() -> anyhow::Result<()> {
    let engine = Engine::with_busybox()?;
    for name in ["first", "second", "third"] {
        engine.docker(&["create", "--name", name, "busybox"])?.success()?;
    }
    for (filter, expected) in [
        ("before=second", "first"),
        ("since=second", "third"),
        ("name=^/?second$", "second"),
        ("network=bridge", "third\nsecond\nfirst"),
        ("publish=80", ""),
        ("is-task=true", ""),
    ] {
        let listed = ["ps", "-a", "--filter", filter, "--format", "{{.Names}}"];
        assert_eq!(engine.docker(&listed)?.success()?, expected, "{filter}");
    }
    Ok(())
}

#[test]
fn rm_takes_force_volumes_and_no_running_container() -> anyhow::Result<()> {
    let engine = sleepers(&["one", "two"])?;
    let refused = engine.docker(&["rm", "one"])?;
    assert!(refused.failure(1)?.contains("cannot remove"), "{refused:?}");
    assert_eq!(engine.docker(&["rm", "--force", "--volumes", "one"])?.success()?, "one");
    assert_eq!(engine.docker(&["rm", "-fv", "two"])?.success()?, "two");
    let link = engine.docker(&["rm", "--link", "nosuch/alias"])?;
    link.failure(1)?;
    Ok(())
}

#[test]
fn exec_has_flags_of_its_own() -> anyhow::Result<()> {
    let engine = sleepers(&["host"])?;
    fs::write(engine.scratch().join("env"), "FROM=file\n")?;
    for (flags, script, expected) in [
        (&["--env-file", "env"][..], "echo $FROM", "file"),
        (&["--env", "A=b", "-e", "C=d"], "echo $A$C", "bd"),
        (&["--user", "33:4"], "id -u; id -g", "33\n4"),
        (&["--workdir", "/tmp"], "pwd", "/tmp"),
        (&["--tty"], "tty >/dev/null && echo terminal", "terminal\r"),
    ] {
        let exec = [&["exec"], flags, &["host", "sh", "-c", script]].concat();
        assert_eq!(engine.docker(&exec)?.success()?, expected, "{flags:?}");
    }
    let read = ["grep", "CapEff", "/proc/self/status"];
    let full = engine.docker(&[&["run", "--rm", "--privileged", "busybox"], &read[..]].concat())?;
    let exec = engine.docker(&[&["exec", "--privileged", "host"], &read[..]].concat())?;
    assert_eq!(exec.success()?, full.success()?);
    let exec = ["exec", "--interactive", "host", "cat"];
    assert_eq!(engine.docker_with_input(&exec, b"typed")?.success()?, "typed");
    assert_eq!(engine.docker(&["exec", "--detach", "host", "true"])?.success()?, "");
    let output = engine.docker(&["exec", "host"])?;
    assert_ne!(output.code, 0, "a command is missing");
    Ok(())
}

#[test]
fn start_attaches_and_hands_signals_on() -> anyhow::Result<()> {
    let engine = Engine::with_busybox()?;
    let create = ["create", "-i", "--name", "cat", "busybox", "sh", "-c", "cat; exit 3"];
    engine.docker(&create)?.success()?;
    let start = ["start", "--attach", "--interactive", "cat"];
    let output = engine.docker_with_input(&start, b"typed\n")?;
    output.failure(3)?;
    assert_eq!(output.stdout, "typed\n");
    let output = engine.docker(&["start", "-a", "cat", "cat"])?;
    assert_ne!(output.code, 0, "only one can be attached to");
    Ok(())
}

#[test]
fn logs_have_flags_for_times_and_details() -> anyhow::Result<()> {
    let engine = Engine::with_busybox()?;
    let run = ["run", "--name", "told", "--label", "of=label", "-e", "FROM=env"];
    let log = ["--log-opt", "labels=of", "--log-opt", "env=FROM", "busybox", "echo", "line"];
    engine.docker(&[&run[..], &log].concat())?.success()?;
    let details = engine.docker(&["logs", "--details", "told"])?;
    assert_eq!(details.success()?, "FROM=env,of=label line");
    let timed = engine.docker(&["logs", "--timestamps", "told"])?;
    assert!(timed.success()?.ends_with("Z line"), "{timed:?}");
    assert_eq!(engine.docker(&["logs", "-n", "0", "told"])?.success()?, "");
    assert_eq!(engine.docker(&["logs", "--until", "1h", "told"])?.success()?, "");
    assert_eq!(engine.docker(&["logs", "--follow", "told"])?.success()?, "line");
    Ok(())
}

#[test]
fn stats_chooses_columns_and_containers() -> anyhow::Result<()> {
    let engine = sleepers(&["busy"])?;
    engine.docker(&["create", "--name", "idle", "busybox"])?.success()?;
    let stats = |flags: &[&str]| -> anyhow::Result<String> {
        let command = [&["stats", "--no-stream", "--format", "{{.Name}}"], flags].concat();
        Ok(engine.docker(&command)?.success()?.to_owned())
    };
    assert_eq!(stats(&[])?, "busy");
    let mut all: Vec<String> = stats(&["--all"])?.lines().map(str::to_owned).collect();
    all.sort();
    assert_eq!(all, ["busy", "idle"]);
    let whole = ["stats", "--no-stream", "--no-trunc", "--format", "{{.ID}}", "busy"];
    assert_eq!(engine.docker(&whole)?.success()?.len(), 64);
    expect_error(
        &engine.docker(&["stats", "--no-stream", "nosuch"])?,
        1,
        "No such container: nosuch",
    )
}

#[test]
fn cp_reads_and_writes_archives_at_standard_streams() -> anyhow::Result<()> {
    let engine = Engine::with_busybox()?;
    engine.docker(&["create", "--name", "box", "busybox"])?.success()?;
    fs::write(engine.scratch().join("file"), "content")?;
    engine.docker(&["cp", "file", "box:/etc/file"])?.success()?;
    engine.docker(&["cp", "--archive", "--quiet", "file", "box:/etc/kept"])?.success()?;
    let shell = "docker cp box:/etc/file - | tar -xO file; docker cp box:/etc/file - | \
                 docker cp - box:/root && docker cp box:/root/file -L copy && cat copy";
    let output = std::process::Command::new("sh")
        .args(["-c", shell])
        .current_dir(engine.scratch())
        .env("DOCKER_HOST", engine.host())
        .output()?;
    assert_eq!(String::from_utf8(output.stdout)?, "contentcontent");
    Ok(())
}

#[test]
fn export_writes_to_standard_output() -> anyhow::Result<()> {
    let engine = Engine::with_busybox()?;
    engine.docker(&["create", "--name", "box", "busybox"])?.success()?;
    let shell = "docker export box | tar -t | grep -cx etc/passwd";
    let output = std::process::Command::new("sh")
        .args(["-c", shell])
        .env("DOCKER_HOST", engine.host())
        .output()?;
    assert_eq!(String::from_utf8(output.stdout)?, "1\n");
    Ok(())
}

#[test]
fn rename_refuses_what_is_taken() -> anyhow::Result<()> {
    let engine = sleepers(&["one", "two"])?;
    engine.docker(&["rename", "one", "three"])?.success()?;
    assert_eq!(states(&engine)?, "three running, two running");
    let output = engine.docker(&["rename", "two", "three"])?;
    assert!(
        output.failure(1)?.contains("The container name \"/three\" is already in use"),
        "{output:?}"
    );
    let output = engine.docker(&["rename", "two", "two"])?;
    assert!(output.failure(1)?.contains("same name"), "{output:?}");
    Ok(())
}

#[test]
fn update_changes_several_policies() -> anyhow::Result<()> {
    let engine = sleepers(&["one", "two"])?;
    let update = ["update", "--restart", "unless-stopped", "one", "two"];
    assert_eq!(engine.docker(&update)?.success()?, "one\ntwo");
    let format = "{{.HostConfig.RestartPolicy.Name}}";
    let shown = engine.docker(&["inspect", "-f", format, "one", "two"])?;
    assert_eq!(shown.success()?, "unless-stopped\nunless-stopped");
    Ok(())
}

#[test]
fn kill_takes_names_and_numbers() -> anyhow::Result<()> {
    let engine = Engine::with_busybox()?;
    let script = "trap 'exit 7' HUP; echo ready; while :; do usleep 20000; done";
    for (number, signal) in ["HUP", "SIGHUP", "1"].iter().enumerate() {
        let name = format!("k{number}");
        engine.docker(&["run", "-d", "--name", &name, "busybox", "sh", "-c", script])?.success()?;
        assert_eq!(engine.spawn(&["logs", "-f", &name])?.line()?, "ready");
        engine.docker(&["kill", "--signal", signal, &name])?.success()?;
        assert_eq!(engine.docker(&["wait", &name])?.success()?, "7", "{signal}");
    }
    Ok(())
}

#[test]
fn diff_top_and_port_need_a_container() -> anyhow::Result<()> {
    let engine = Engine::with_busybox()?;
    for command in ["diff", "top", "port", "export", "logs", "wait", "attach", "update -m 64m"] {
        let words: Vec<&str> = command.split(' ').chain(["nosuch"]).collect();
        let output = engine.docker(&words)?;
        assert!(output.failure(1)?.contains("No such container: nosuch"), "{command}: {output:?}");
    }
    Ok(())
}

#[test]
fn prune_keeps_what_a_filter_keeps() -> anyhow::Result<()> {
    let engine = sleepers(&["runs"])?;
    for (name, label) in [("kept", "keep=yes"), ("gone", "keep=no")] {
        engine.docker(&["create", "--name", name, "--label", label, "busybox"])?.success()?;
    }
    let prune = ["container", "prune", "--force", "--filter", "label=keep=no"];
    let output = engine.docker(&prune)?;
    assert!(output.success()?.contains("Total reclaimed space: 0B"), "{output:?}");
    assert_eq!(states(&engine)?, "kept created, runs running");
    Ok(())
}
