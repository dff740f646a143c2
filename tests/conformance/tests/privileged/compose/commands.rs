//! `run`, `exec`, `cp`.

use std::fs;

use super::Project;

#[test]
fn run_makes_a_container_for_one_command() -> anyhow::Result<()> {
    let project = Project::new("commands")?;
    let run = ["run", "--rm", "-T", "program", "sh", "-c", "echo $WORD; exit 9"];
    let output = project.compose(&run)?;
    assert_eq!((output.code, output.stdout.trim_end()), (9, "file"), "{output:?}");
    // What it depends on is there and stays, but the service itself is not.
    assert_eq!(project.names(&["ps"], "{{.Names}}")?, ["commands-helper-1"]);

    let options = ["run", "--rm", "-T", "--no-deps", "-e", "WORD=given", "-w", "/tmp", "-u", "33"];
    let command = ["--entrypoint", "sh", "program", "-c", "echo $WORD; pwd; id -u"];
    assert_eq!(project.said(&[&options[..], &command].concat())?, "given\n/tmp\n33");
    let mut cat = project.spawn(&["run", "--rm", "-T", "-i", "program", "cat"])?;
    cat.write(b"piped\n")?;
    assert_eq!(cat.finish()?.success()?, "piped");
    let run = ["run", "-d", "--name", "named", "--service-ports", "program", "sleep", "1000"];
    project.said(&run)?;
    let port = project.docker(&["port", "named", "80"])?;
    assert!(port.starts_with("127.0.0.1:"), "{port}");
    let fetch = ["run", "--rm", "-T", "program", "sh", "-c", "nslookup helper >&2 && hostname"];
    project.said(&fetch)?;
    project.said(&["down", "--remove-orphans", "-t", "0"])?;
    project.is_gone()
}

#[test]
fn exec_runs_a_command_in_what_is_there() -> anyhow::Result<()> {
    let project = Project::new("commands")?;
    let output = project.compose(&["exec", "-T", "program", "true"])?;
    assert!(output.failure(1)?.contains("service \"program\" is not running"), "{output:?}");
    project.said(&["up", "-d"])?;
    let exec = ["exec", "-T", "-e", "WORD=given", "-u", "33", "-w", "/tmp", "program"];
    let script = ["sh", "-c", "echo $WORD; id -u; pwd; echo err >&2; exit 12"];
    let output = project.compose(&[&exec[..], &script].concat())?;
    assert_eq!((output.code, output.stdout.as_str()), (12, "given\n33\n/tmp\n"), "{output:?}");
    assert_eq!(output.stderr, "err\n");
    let mut cat = project.spawn(&["exec", "-T", "program", "cat"])?;
    cat.write(b"one\n")?;
    assert_eq!(cat.line()?, "one");
    cat.write(b"two\n")?;
    assert_eq!(cat.finish()?.success()?, "two");
    let file = project.directory().join("compose.yaml").display().to_string();
    let exec = ["compose", "-f", &file, "exec", "program", "tty"];
    let (code, screen) = project.engine().terminal(&exec, 24, 80)?.finish()?;
    assert!(code == 0 && screen.contains("/dev/pts/"), "{code} {screen:?}");
    project.said(&["exec", "-d", "program", "sh", "-c", "echo done > /tmp/done; sleep 1000"])?;
    project.shell("program", "until [ -s /tmp/done ]; do usleep 10000; done")?;
    Ok(())
}

#[test]
fn cp_copies_both_ways() -> anyhow::Result<()> {
    let project = Project::new("commands")?;
    project.said(&["up", "-d"])?;
    let directory = project.directory();
    fs::create_dir(directory.join("tree"))?;
    fs::write(directory.join("tree/file"), "content\n")?;
    project.said(&["cp", "tree", "program:/tmp/tree"])?;
    assert_eq!(project.shell("program", "cat /tmp/tree/file")?, "content");
    project.shell("program", "echo more > /tmp/tree/more")?;
    project.said(&["cp", "program:/tmp/tree", "back"])?;
    assert_eq!(fs::read_to_string(directory.join("back/more"))?, "more\n");
    let output = project.compose(&["cp", "program:/tmp/absent", "."])?;
    assert!(output.failure(1)?.contains("Could not find the file /tmp/absent"), "{output:?}");
    Ok(())
}
