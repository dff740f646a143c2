//! `run`: streams, exit codes, process settings, names.

use std::fs;

use naru_test_framework::{Engine, NativeEngine};

use crate::expect_error;

#[test]
fn exit_codes_are_the_containers_or_dockers() -> anyhow::Result<()> {
    let engine = Engine::with_busybox()?;

    assert_eq!(engine.docker(&["run", "--rm", "busybox", "echo", "hi"])?.success()?, "hi");
    engine.docker(&["run", "--rm", "busybox", "sh", "-c", "exit 3"])?.failure(3)?;
    let killed = "(sleep 1000 & kill -9 $!; wait $!); exit $?";
    engine.docker(&["run", "--rm", "busybox", "sh", "-c", killed])?.failure(137)?;
    let output = engine.docker(&["run", "--rm", "busybox", "nosuch"])?;
    let said = output.failure(127)?;
    assert!(said.contains("failed to create task for container: "), "{said}");
    assert!(said.contains("exec: \"nosuch\": executable file not found in $PATH"), "{said}");
    let output = engine.docker(&["run", "--rm", "busybox", "/nosuch"])?;
    assert!(output.failure(127)?.contains("no such file or directory"), "{output:?}");
    let output = engine.docker(&["run", "--rm", "busybox", "/etc/passwd"])?;
    assert!(output.failure(126)?.contains("exec: \"/etc/passwd\": permission denied"));
    let output = engine.docker(&["run", "--rm", "--entrypoint", "", "busybox"])?;
    expect_error(&output, 125, "no command specified")?;
    assert_eq!(engine.docker(&["ps", "-aq"])?.success()?, "", "--rm holds for failed starts too");
    Ok(())
}

#[test]
fn standard_streams_are_the_containers() -> anyhow::Result<()> {
    let engine = Engine::with_busybox()?;

    let input = b"one\ntwo\n";
    let output = engine.docker_with_input(&["run", "-i", "--rm", "busybox", "wc", "-l"], input)?;
    assert_eq!(output.success()?, "2", "end of file arrives");
    let large = "a line of some length\n".repeat(50_000);
    let run = ["run", "-i", "--rm", "busybox", "cat"];
    let output = engine.docker_with_input(&run, large.as_bytes())?;
    output.success()?;
    assert!(output.stdout == large, "{} bytes of {}", output.stdout.len(), large.len());
    let both = ["run", "--rm", "busybox", "sh", "-c", "echo out; echo err >&2"];
    let output = engine.docker(&both)?;
    assert_eq!((output.success()?, output.stderr.as_str()), ("out", "err\n"));
    Ok(())
}

#[test]
fn the_process_has_what_was_asked_for() -> anyhow::Result<()> {
    let engine = Engine::with_busybox()?;
    fs::write(engine.scratch().join("env"), "# a comment\nFROM_FILE=yes\n")?;
    let shell = "echo $ONE $FROM_FILE; pwd; hostname; id -un; id -gn";

    let output = engine.docker(&[
        "run",
        "--rm",
        "-e",
        "ONE=1",
        "--env-file",
        "env",
        "-w",
        "/made/for/it",
        "-u",
        "www-data:adm",
        "--hostname",
        "harbour",
        "busybox",
        "sh",
        "-c",
        shell,
    ])?;
    assert_eq!(output.success()?, "1 yes\n/made/for/it\nharbour\nwww-data\nadm");
    let output = engine.docker(&["run", "--rm", "--entrypoint", "id", "busybox", "-u"])?;
    assert_eq!(output.success()?, "0");
    let output = engine.docker(&["run", "--rm", "-u", "4321", "busybox", "id", "-u"])?;
    assert_eq!(output.success()?, "4321", "a uid needs no entry");
    let output = engine.docker(&["run", "--rm", "-u", "daemon", "busybox", "id", "-G"])?;
    assert_eq!(output.success()?, "1 4", "groups are the image's");
    let output = engine.docker(&["run", "--rm", "-u", "nosuch", "busybox", "true"])?;
    expect_error(&output, 125, "unable to find user nosuch: no matching entries in passwd file")?;
    let output = engine.docker(&["run", "--rm", "busybox", "sh", "-c", "echo $$ $HOME $PATH"])?;
    assert_eq!(
        output.success()?,
        "1 /root /usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
    );
    Ok(())
}

#[test]
fn a_detached_container_is_named_once() -> anyhow::Result<()> {
    let engine = Engine::with_busybox()?;
    let run = ["run", "-d", "--name", "web", "--cidfile", "cid", "busybox", "sleep", "1000"];

    let started = engine.docker(&run)?;
    let id = started.success()?.to_owned();
    assert_eq!(id.len(), 64);
    assert_eq!(fs::read_to_string(engine.scratch().join("cid"))?, id);
    let output = engine.docker(&["run", "--name", "web", "busybox", "true"])?;
    expect_error(
        &output,
        125,
        &format!(
            "Conflict. The container name \"/web\" is already in use by container \"{id}\". You \
             have to remove (or rename) that container to be able to reuse that name"
        ),
    )?;
    let output = engine.docker(&["run", "--name", "bad/name", "busybox", "true"])?;
    expect_error(
        &output,
        125,
        "Invalid container name (bad/name), only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed",
    )?;
    engine.docker(&run)?.failure(125)?;
    Ok(())
}

#[test]
fn rm_leaves_nothing_of_the_container() -> anyhow::Result<()> {
    let engine = NativeEngine::with_busybox()?;
    let run = ["run", "-d", "--rm", "--name", "brief", "busybox", "sleep", "1000"];
    let id = engine.docker(&run)?.success()?.to_owned();
    let directory = engine.root().join("containers").join(&id);
    assert!(directory.is_dir());

    let mut events = engine.spawn(&[
        "events",
        "--since",
        engine.since(),
        "-f",
        "event=destroy",
        "--format",
        "{{.ID}}",
    ])?;
    engine.docker(&["kill", "brief"])?.success()?;
    assert_eq!(events.line()?, id);
    assert_eq!(engine.docker(&["ps", "-aq"])?.success()?, "");
    assert!(!directory.exists(), "its files are gone before it is said");
    Ok(())
}
