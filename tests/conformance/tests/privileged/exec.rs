//! `exec`.

use naru_test_framework::Engine;

use crate::expect_error;

fn sleeper() -> anyhow::Result<Engine> {
    let engine = Engine::with_busybox()?;
    let run = ["run", "-d", "--name", "host", "-e", "FROM=container", "busybox", "sleep", "1000"];
    engine.docker(&run)?.success()?;
    Ok(engine)
}

#[test]
fn a_command_runs_beside_the_containers_own() -> anyhow::Result<()> {
    let engine = sleeper()?;

    assert_eq!(engine.docker(&["exec", "host", "echo", "hi"])?.success()?, "hi");
    let shell = "echo $FROM $MORE; pwd; id -un; echo wrong >&2; exit 7";
    let exec = ["exec", "-e", "MORE=exec", "-w", "/tmp", "-u", "daemon", "host", "sh", "-c", shell];
    let output = engine.docker(&exec)?;
    assert_eq!(output.failure(7)?, "wrong");
    assert_eq!(output.stdout, "container exec\n/tmp\ndaemon\n");
    let output = engine.docker_with_input(&["exec", "-i", "host", "wc", "-l"], b"1\n2\n3\n")?;
    assert_eq!(output.success()?, "3");
    let output = engine.docker(&["exec", "host", "cat"])?;
    assert_eq!(output.success()?, "", "without -i there is no input");
    let ns = [
        "exec",
        "host",
        "sh",
        "-c",
        "test $(readlink /proc/1/ns/mnt) = $(readlink /proc/self/ns/mnt) && echo 1",
    ];
    assert_eq!(engine.docker(&ns)?.success()?, "1");
    Ok(())
}

#[test]
fn a_command_that_cannot_run_is_told() -> anyhow::Result<()> {
    let engine = sleeper()?;

    let output = engine.docker(&["exec", "host", "nosuch"])?;
    let said = output.stdout.clone() + output.failure(127)?;
    assert!(said.contains("OCI runtime exec failed: exec failed: "));
    assert!(said.contains("exec: \"nosuch\": executable file not found in $PATH"), "{said}");
    let output = engine.docker(&["exec", "host", "/etc/passwd"])?;
    let said = output.stdout.clone() + output.failure(126)?;
    assert!(said.contains("exec: \"/etc/passwd\": permission denied"), "{said}");
    let output = engine.docker(&["exec", "-u", "nosuch", "host", "true"])?;
    let said = output.stdout.clone() + &output.stderr;
    assert!(output.code != 0 && said.contains("unable to find user nosuch"), "{output:?}");
    let output = engine.docker(&["exec", "-w", "/nosuch", "host", "true"])?;
    let said = output.stdout.clone() + output.failure(127)?;
    let wanted = "OCI runtime exec failed: exec failed: unable to start container process: chdir \
                  to cwd (\"/nosuch\") set in config.json failed: no such file or directory";
    assert!(said.contains(wanted), "{said}");
    expect_error(&engine.docker(&["exec", "nosuch", "true"])?, 1, "No such container: nosuch")?;
    assert_eq!(engine.docker(&["exec", "host", "echo", "hi"])?.success()?, "hi");
    Ok(())
}

#[test]
fn a_container_that_does_not_run_takes_no_command() -> anyhow::Result<()> {
    let engine = sleeper()?;
    engine.docker(&["kill", "host"])?.success()?;
    let id = engine.docker(&["ps", "-aq", "--no-trunc"])?.success()?.to_owned();
    let output = engine.docker(&["exec", "host", "true"])?;
    expect_error(&output, 1, &format!("container {id} is not running"))
}

#[test]
fn a_detached_command_goes_on_by_itself() -> anyhow::Result<()> {
    let engine = sleeper()?;
    let exec =
        ["exec", "-d", "host", "sh", "-c", "echo done > /result.new; mv /result.new /result"];
    assert_eq!(engine.docker(&exec)?.success()?, "");
    let wait = "until cat /result 2>/dev/null; do usleep 20000; done";
    assert_eq!(engine.docker(&["exec", "host", "sh", "-c", wait])?.success()?, "done");
    Ok(())
}

#[test]
fn commands_end_with_their_container() -> anyhow::Result<()> {
    let engine = sleeper()?;
    let mut command = engine.spawn(&["exec", "host", "sh", "-c", "echo here; sleep 1000"])?;
    assert_eq!(command.line()?, "here");
    engine.docker(&["kill", "host"])?.success()?;
    command.finish()?.failure(137)?;
    Ok(())
}
