//! `run -it`, `exec -it`, `attach`: a person at a terminal.

use naru_test_framework::Engine;

#[test]
fn a_shell_on_a_terminal_has_its_size_and_follows_it() -> anyhow::Result<()> {
    let engine = Engine::with_busybox()?;
    let mut terminal = engine.terminal(&["run", "-it", "--rm", "busybox", "sh"], 31, 117)?;

    terminal.expect("/ # ")?;
    // The size arrives after the start; a shell sees it when it asks.
    terminal.type_in("until [ \"$(stty size)\" = '31 117' ]; do :; done; echo si''zed\n")?;
    terminal.expect("sized")?;
    terminal.resize(40, 90)?;
    terminal.type_in("until [ \"$(stty size)\" = '40 90' ]; do :; done; echo re''sized\n")?;
    terminal.expect("resized")?;
    terminal.type_in("tty; exit 9\n")?;
    terminal.expect("/dev/pts/0")?;
    let (code, _) = terminal.finish()?;
    assert_eq!(code, 9);
    Ok(())
}

#[test]
fn control_c_reaches_the_program() -> anyhow::Result<()> {
    let engine = Engine::with_busybox()?;
    let shell = "trap 'echo caught; exit 5' INT; echo ready; while :; do usleep 50000; done";
    let run = ["run", "-it", "--name", "loops", "busybox", "sh", "-c", shell];
    let mut terminal = engine.terminal(&run, 24, 80)?;
    terminal.expect("ready")?;
    terminal.type_in("\x03")?;
    terminal.expect("caught")?;
    assert_eq!(terminal.finish()?.0, 5);
    assert_eq!(engine.docker(&["logs", "loops"])?.success()?, "ready\r\n^Ccaught\r");
    Ok(())
}

#[test]
fn the_detach_keys_leave_the_container_running() -> anyhow::Result<()> {
    let engine = Engine::with_busybox()?;
    let run = ["run", "-it", "--name", "shell", "busybox", "sh"];
    let mut terminal = engine.terminal(&run, 24, 80)?;
    terminal.expect("/ # ")?;
    terminal.type_in("X=remembered; echo fir''st\n")?;
    terminal.expect("first")?;
    terminal.type_in("\x10\x11")?;
    assert_eq!(terminal.finish()?.0, 0);
    assert_eq!(engine.docker(&["ps", "--format", "{{.Names}}"])?.success()?, "shell");

    let mut again = engine.terminal(&["attach", "shell"], 24, 80)?;
    again.type_in("echo is $X; exit 2\n")?;
    again.expect("is remembered")?;
    assert_eq!(again.finish()?.0, 2);
    Ok(())
}

#[test]
fn exec_has_a_terminal_of_its_own() -> anyhow::Result<()> {
    let engine = Engine::with_busybox()?;
    engine.docker(&["run", "-d", "--name", "host", "busybox", "sleep", "1000"])?.success()?;
    let exec = ["exec", "-it", "-e", "PS1=> ", "host", "sh"];
    let mut terminal = engine.terminal(&exec, 30, 100)?;
    terminal.expect("> ")?;
    terminal
        .type_in("until [ \"$(stty size)\" = '30 100' ]; do :; done; echo si''zed; exit 3\n")?;
    terminal.expect("sized")?;
    assert_eq!(terminal.finish()?.0, 3);
    let tty = engine.docker(&["exec", "-t", "host", "tty"])?;
    assert!(tty.success()?.starts_with("/dev/pts/"), "{tty:?}");
    Ok(())
}

#[test]
fn exec_detach_keys_leave_the_command_running() -> anyhow::Result<()> {
    let engine = Engine::with_busybox()?;
    engine.docker(&["run", "-d", "--name", "host", "busybox", "sleep", "1000"])?.success()?;
    let exec = ["exec", "-it", "--detach-keys", "ctrl-x,q", "host", "sh"];
    let mut terminal = engine.terminal(&exec, 24, 80)?;
    terminal.expect("# ")?;
    terminal.type_in("\x18q")?;
    terminal.finish()?;
    let top = engine.docker(&["top", "host", "-o", "pid,args"])?;
    assert!(top.success()?.lines().any(|line| line.ends_with(" sh")), "{top:?}");
    Ok(())
}

#[test]
fn start_detach_keys_are_those_of_the_flag() -> anyhow::Result<()> {
    let engine = Engine::with_busybox()?;
    engine.docker(&["create", "-it", "--name", "shell", "busybox", "sh"])?.success()?;
    let start = ["start", "-ai", "--detach-keys", "ctrl-x,q", "shell"];
    let mut terminal = engine.terminal(&start, 24, 80)?;
    terminal.expect("/ # ")?;
    terminal.type_in("\x18q")?;
    terminal.finish()?;
    assert_eq!(engine.docker(&["ps", "--format", "{{.Names}}"])?.success()?, "shell");
    Ok(())
}

#[test]
fn attach_without_input_and_with_other_keys() -> anyhow::Result<()> {
    let engine = Engine::with_busybox()?;
    engine.docker(&["run", "-dit", "--name", "shell", "busybox", "sh"])?.success()?;
    let attach = ["attach", "--detach-keys", "ctrl-x,q", "shell"];
    let mut terminal = engine.terminal(&attach, 24, 80)?;
    terminal.type_in("echo wo''rd\n")?;
    terminal.expect("word")?;
    terminal.type_in("\x18q")?;
    terminal.finish()?;
    let mut quiet = engine.spawn(&["attach", "--no-stdin", "shell"])?;
    // An attach hears only of what comes after it, and nothing says when it is there.
    let again = "while echo seen > /dev/pts/0; do sleep 0.1; done";
    engine.docker(&["exec", "-d", "shell", "sh", "-c", again])?.success()?;
    while !quiet.line()?.contains("seen") {}
    assert_eq!(engine.docker(&["ps", "--format", "{{.Names}}"])?.success()?, "shell");
    Ok(())
}
