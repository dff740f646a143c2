//! `top`.

use naru_test_framework::Engine;

use crate::expect_error;

#[test]
fn top_lists_the_containers_processes() -> anyhow::Result<()> {
    let engine = Engine::with_busybox()?;
    let run = ["run", "-d", "--name", "busy", "busybox", "sh", "-c", "sleep 1000 & sleep 2000"];
    let id = engine.docker(&run)?.success()?.to_owned();
    let sleeps = "until ps -o args | grep -qx 'sleep 1000'; do usleep 10000; done";
    engine.docker(&["exec", "busy", "sh", "-c", sleeps])?.success()?;

    let shown = engine.docker(&["top", "busy"])?;
    let lines: Vec<Vec<&str>> =
        shown.success()?.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(lines[0], ["UID", "PID", "PPID", "C", "STIME", "TTY", "TIME", "CMD"]);
    assert!(lines[1..].iter().all(|line| line[0] == "root"), "{lines:?}");
    assert!(lines.iter().any(|line| line.ends_with(&["sleep", "1000"])), "{lines:?}");
    let aux = engine.docker(&["top", "busy", "aux"])?;
    assert!(aux.success()?.starts_with("USER "), "{aux:?}");
    let chosen = engine.docker(&["top", "busy", "-o", "pid,ppid,stat,args"])?;
    let chosen = chosen.success()?;
    let first: Vec<&str> = chosen.lines().next().unwrap_or_default().split_whitespace().collect();
    assert_eq!(first, ["PID", "PPID", "STAT", "COMMAND"]);
    assert!(chosen.lines().any(|line| line.ends_with("sleep 1000")), "{chosen}");
    let refused = engine.docker(&["top", "busy", "--forest"])?;
    assert!(refused.failure(1)?.contains("ps arguments not supported"), "{refused:?}");
    engine.docker(&["kill", "busy"])?.success()?;
    let output = engine.docker(&["top", "busy"])?;
    expect_error(&output, 1, &format!("container {id} is not running"))
}
