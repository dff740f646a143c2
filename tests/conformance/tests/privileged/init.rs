//! `run --init`: a first process that looks after the container's own.

use naru_test_framework::Engine;

#[test]
fn the_command_is_not_the_first_process() -> anyhow::Result<()> {
    let engine = Engine::with_busybox()?;

    let shell = "cat /proc/1/comm; test $$ -gt 1 && echo $PPID; ls /proc/self/fd | wc -l";
    let output = engine.docker(&["run", "--rm", "--init", "busybox", "sh", "-c", shell])?;
    assert_eq!(output.success()?, "docker-init\n1\n4");
    let run = ["run", "--rm", "--init", "busybox", "sh", "-c"];
    engine.docker(&[run.as_slice(), &["exit 7"]].concat())?.failure(7)?;
    engine.docker(&[run.as_slice(), &["kill -KILL $$"]].concat())?.failure(137)?;
    engine.docker(&["run", "--rm", "--init", "busybox", "nosuch"])?.failure(127)?;
    let status = ["run", "--rm", "--init", "-u", "33", "busybox", "grep", "-E"];
    let fields = ["^(CapEff|Seccomp):", "/proc/1/status"];
    let output = engine.docker(&[status.as_slice(), &fields].concat())?;
    assert_eq!(output.success()?, "CapEff:\t0000000000000000\nSeccomp:\t2", "it is confined, too");
    Ok(())
}

#[test]
fn signals_reach_the_command_and_orphans_are_buried() -> anyhow::Result<()> {
    let engine = Engine::with_busybox()?;

    let shell = "trap 'echo asked; exit 3' TERM; echo ready; while :; do sleep 0.1; done";
    let run = ["run", "--init", "--name", "traps", "busybox", "sh", "-c", shell];
    let mut attached = engine.spawn(&run)?;
    assert_eq!(attached.line()?, "ready");
    engine.docker(&["stop", "-t", "60", "traps"])?.success()?;
    assert_eq!(attached.line()?, "asked");
    attached.finish()?.failure(3)?;

    // The grandchild is left to process 1: who has ended is there until he is buried.
    let shell = "(sh -c 'echo $$ > /orphan; exec sleep 0.1' &); \
                 until [ -s /orphan ]; do usleep 10000; done; \
                 while [ -e /proc/$(cat /orphan) ]; do usleep 10000; done; echo buried";
    let output = engine.docker(&["run", "--rm", "--init", "busybox", "sh", "-c", shell])?;
    assert_eq!(output.success()?, "buried");
    Ok(())
}

#[test]
fn a_terminal_is_the_commands() -> anyhow::Result<()> {
    let engine = Engine::with_busybox()?;
    let create = ["create", "-t", "--init", "--name", "tty", "busybox", "sh", "-c"];
    // Its process group is the one in the terminal's foreground.
    let shell = "tty; awk '{ print $5 == $8 }' /proc/$$/stat";
    engine.docker(&[create.as_slice(), &[shell]].concat())?.success()?;
    let output = engine.docker(&["start", "-a", "tty"])?;
    assert_eq!(output.success()?.replace('\r', ""), "/dev/pts/0\n1");
    Ok(())
}
