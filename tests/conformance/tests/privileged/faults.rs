//! An engine that dies, and many containers at once.

use std::fs;
use std::io::ErrorKind;

use naru_test_framework::{Engine, NativeEngine};

#[test]
fn an_exit_while_the_engine_is_dead_is_not_lost() -> anyhow::Result<()> {
    let mut engine = NativeEngine::with_busybox()?;
    let shell = "echo before; read word < /pipe; echo after $word; exit 11";
    let setup = format!("mkfifo /pipe; {shell}");
    let bind = format!("{}:/shared", engine.scratch().display());
    let run = ["run", "-d", "--name", "ends", "-v", &bind, "busybox", "sh", "-c", &setup];
    engine.docker(&run)?.success()?;
    assert_eq!(engine.spawn(&["logs", "-f", "ends"])?.line()?, "before");
    let pid = engine.docker(&["inspect", "-f", "{{.State.Pid}}", "ends"])?.success()?.to_owned();
    let shims = engine.shims();
    assert_eq!(shims.len(), 1);

    engine.kill()?;
    fs::write(format!("/proc/{pid}/root/pipe"), "word\n")?;
    wait_for_end(&shims)?;
    engine.restart()?;

    let state = ["inspect", "-f", "{{.State.Status}} {{.State.ExitCode}}", "ends"];
    assert_eq!(engine.docker(&state)?.success()?, "exited 11");
    assert_eq!(engine.docker(&["wait", "ends"])?.success()?, "11");
    assert_eq!(engine.docker(&["logs", "ends"])?.success()?, "before\nafter word");
    engine.docker(&["start", "ends"])?.success()?;
    engine.docker(&["rm", "-f", "ends"])?.success()?;
    Ok(())
}

/// Waits until none of these processes is left.
pub(crate) fn wait_for_end(pids: &[u32]) -> anyhow::Result<()> {
    for pid in pids {
        // tail follows nothing and ends with the process.
        let pid = format!("--pid={pid}");
        let ended = std::process::Command::new("timeout")
            .args(["60", "tail", "-f", "-s", "0.05", &pid, "/dev/null"])
            .status()?;
        anyhow::ensure!(ended.success(), "process {pid} does not end");
    }
    Ok(())
}

#[test]
fn a_start_that_was_not_acknowledged_leaves_no_process() -> anyhow::Result<()> {
    let mut engine = NativeEngine::with_busybox()?;
    engine.docker(&["create", "--name", "once", "busybox", "sleep", "1000"])?.success()?;
    // The database from before the start, as if the engine had been killed before it wrote.
    engine.kill()?;
    let database = |suffix: &str| engine.root().join(format!("engine.db{suffix}"));
    let mut before = Vec::new();
    for path in ["", "-wal", "-shm"].map(database) {
        before.push((fs::read(&path).ok(), path));
    }
    engine.restart()?;
    engine.docker(&["start", "once"])?.success()?;
    let pid = engine.docker(&["inspect", "-f", "{{.State.Pid}}", "once"])?.success()?.to_owned();
    engine.kill()?;
    for (content, path) in before {
        match content {
            Some(content) => fs::write(path, content)?,
            None => fs::remove_file(path).or_else(|error| match error.kind() {
                ErrorKind::NotFound => Ok(()),
                _ => Err(error),
            })?,
        }
    }
    engine.restart()?;
    let state = ["inspect", "-f", "{{.State.Status}}", "once"];
    assert_eq!(engine.docker(&state)?.success()?, "created");
    assert!(!fs::exists(format!("/proc/{pid}/exe"))?, "process {pid} is left");
    engine.docker(&["start", "once"])?.success()?;
    assert_eq!(engine.docker(&["exec", "once", "echo", "on"])?.success()?, "on");
    Ok(())
}

#[test]
fn what_was_acknowledged_survives_a_kill() -> anyhow::Result<()> {
    let mut engine = NativeEngine::with_busybox()?;
    engine.docker(&["tag", "busybox", "kept:1"])?.success()?;
    let id = engine.docker(&["create", "--name", "kept", "kept:1", "echo", "ok"])?;
    engine.kill()?;
    engine.restart()?;
    assert_eq!(engine.docker(&["ps", "-aq", "--no-trunc"])?.success()?, id.success()?);
    assert_eq!(engine.docker(&["start", "-a", "kept"])?.success()?, "ok");
    Ok(())
}

#[test]
fn an_engine_that_ends_in_order_stops_its_containers() -> anyhow::Result<()> {
    let mut engine = NativeEngine::with_busybox()?;
    let shell = "trap 'exit 4' TERM; echo ready; while :; do usleep 20000; done";
    engine.docker(&["run", "-d", "--name", "obeys", "busybox", "sh", "-c", shell])?.success()?;
    assert_eq!(engine.spawn(&["logs", "-f", "obeys"])?.line()?, "ready");
    engine.stop()?;
    engine.has_no_shims()?;
    engine.restart()?;
    let status = ["ps", "-a", "--format", "{{.Names}} {{.State}}", "--filter", "exited=4"];
    assert_eq!(engine.docker(&status)?.success()?, "obeys exited");
    Ok(())
}

#[test]
fn twenty_at_once_all_run() -> anyhow::Result<()> {
    let engine = Engine::with_busybox()?;
    let mut running = Vec::new();
    for number in 0..20 {
        let text = format!("number {number}");
        running.push((text.clone(), engine.spawn(&["run", "--rm", "busybox", "echo", &text])?));
    }
    for (text, run) in running {
        assert_eq!(run.finish()?.success()?, text);
    }
    assert_eq!(engine.docker(&["ps", "-aq"])?.success()?, "");
    engine.has_no_shims()?;
    Ok(())
}

#[test]
fn the_output_of_a_process_that_ends_at_once_is_never_lost() -> anyhow::Result<()> {
    let engine = Engine::with_busybox()?;
    for number in 0..100 {
        let text = format!("number {number}");
        let output = engine.docker(&["run", "--rm", "busybox", "echo", &text])?;
        assert_eq!(output.success()?, text);
    }
    Ok(())
}

#[test]
fn a_shim_that_cannot_begin_fails_the_start() -> anyhow::Result<()> {
    let engine = NativeEngine::with_busybox()?;
    let id = engine.docker(&["create", "--name", "mute", "busybox", "true"])?.success()?.to_owned();
    fs::create_dir(engine.root().join(format!("containers/{id}/{id}-json.log")))?;
    let refused = engine.docker(&["start", "mute"])?;
    let said = refused.failure(1)?;
    assert!(said.contains("it ended without a word"), "{said}");
    assert_eq!(engine.docker(&["ps", "-q"])?.success()?, "");
    Ok(())
}
