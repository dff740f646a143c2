//! `logs -f` and `attach` with the log, while it is written and rotated.

use std::fs;

use naru_test_framework::{Engine, NativeEngine};

use crate::raw::upgrade;

/// Waits for the file `/go`, writes so many lines, waits for the file `/end`.
fn writer(lines: u32) -> String {
    format!(
        "echo ready; until [ -e /go ]; do usleep 10000; done; \
         i=0; while [ $i -lt {lines} ]; do echo line $i; i=$((i+1)); done; \
         until [ -e /end ]; do usleep 10000; done"
    )
}

fn expected(lines: u32) -> String {
    let lines: Vec<String> = (0..lines).map(|n| format!("line {n}\n")).collect();
    lines.concat()
}

#[test]
fn following_misses_nothing_however_fast_files_are_rotated_away() -> anyhow::Result<()> {
    const LINES: u32 = 20_000;
    let engine = NativeEngine::with_busybox()?;
    let shell = writer(LINES);
    for options in [
        &["--log-opt", "max-size=10k"][..],
        &["--log-opt", "max-size=10k", "--log-opt", "max-file=3"],
    ] {
        let mut run = vec!["run", "-d", "--name", "fast"];
        run.extend(options);
        run.extend(["busybox", "sh", "-c", &shell]);
        let id = engine.docker(&run)?.success()?.to_owned();
        let mut follower = engine.spawn(&["logs", "-f", "fast"])?;
        assert_eq!(follower.line()?, "ready");
        // The container's end may be its own too.
        engine.docker(&["exec", "fast", "touch", "/go", "/end"])?;
        let followed = follower.finish()?;
        assert!(followed.success()? == expected(LINES).trim_end(), "{options:?}: lines differ");

        let directory = engine.root().join("containers").join(&id);
        let files =
            fs::read_dir(directory)?.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
        let logs = files.filter(|name| name.contains("-json.log")).count();
        assert_eq!(logs, if options.len() == 2 { 1 } else { 3 });
        let kept = engine.docker(&["logs", "fast"])?;
        let kept = kept.success()?;
        assert!(expected(LINES).trim_end().ends_with(kept), "what is kept is the end, whole");
        let tail = engine.docker(&["logs", "--tail", "3", "fast"])?;
        assert_eq!(tail.success()?, "line 19997\nline 19998\nline 19999");
        engine.docker(&["rm", "fast"])?.success()?;
    }
    Ok(())
}

#[test]
fn a_follower_that_begins_late_is_told_all_and_nothing_twice() -> anyhow::Result<()> {
    const LINES: u32 = 5_000;
    let engine = Engine::with_busybox()?;
    let shell = format!("touch /go; {}", writer(LINES));
    engine.docker(&["run", "-d", "--name", "writes", "busybox", "sh", "-c", &shell])?.success()?;
    let mut followers = Vec::new();
    for _ in 0..4 {
        followers.push(engine.spawn(&["logs", "-f", "writes"])?);
    }
    let last = engine.spawn(&["logs", "-f", "--tail", "0", "writes"])?;
    // The container's end may be its own too.
    engine.docker(&["exec", "writes", "touch", "/end"])?;
    for follower in followers {
        let followed = follower.finish()?;
        assert!(followed.success()? == format!("ready\n{}", expected(LINES)).trim_end());
    }
    let followed = last.finish()?;
    let followed = followed.success()?;
    assert!(expected(LINES).trim_end().ends_with(followed), "{followed}");
    Ok(())
}

#[test]
fn attaching_with_the_log_goes_on_where_it_ends() -> anyhow::Result<()> {
    const LINES: u32 = 5_000;
    let engine = Engine::with_busybox()?;
    let shell = format!("touch /go; {}", writer(LINES));
    engine.docker(&["run", "-d", "--name", "writes", "busybox", "sh", "-c", &shell])?.success()?;
    let path = "/v1.45/containers/writes/attach?logs=1&stream=1&stdout=1&stderr=1";
    let mut attached = Vec::new();
    for _ in 0..4 {
        attached.push(upgrade(&engine, path, "")?);
    }
    // The container's end may be its own too.
    engine.docker(&["exec", "writes", "touch", "/end"])?;
    for mut attached in attached {
        assert_eq!(attached.status, 101);
        let frames = attached.frames()?;
        let text: Vec<u8> = frames.into_iter().flat_map(|(_, content)| content).collect();
        assert!(text == format!("ready\n{}", expected(LINES)).as_bytes(), "lines differ");
    }
    // Of what has ended there is the log.
    let path = "/v1.45/containers/writes/attach?logs=1&stdout=1";
    let mut ended = upgrade(&engine, path, "")?;
    let text: Vec<u8> = ended.frames()?.into_iter().flat_map(|(_, content)| content).collect();
    assert!(text == format!("ready\n{}", expected(LINES)).as_bytes(), "lines differ");
    Ok(())
}

#[test]
fn the_end_of_a_line_follows_its_beginning_that_was_not_logged_yet() -> anyhow::Result<()> {
    let engine = Engine::with_busybox()?;
    let shell = "echo whole; printf be; until [ -e /go ]; do usleep 10000; done; echo gun";
    engine.docker(&["run", "-d", "--name", "slow", "busybox", "sh", "-c", shell])?.success()?;
    let mut first = engine.spawn(&["logs", "-f", "slow"])?;
    assert_eq!(first.line()?, "whole");
    let path = "/v1.45/containers/slow/attach?logs=1&stream=1&stdout=1";
    let mut attached = upgrade(&engine, path, "")?;
    // The container's end may be its own too.
    engine.docker(&["exec", "slow", "touch", "/go"])?;
    let text: Vec<u8> = attached.frames()?.into_iter().flat_map(|(_, content)| content).collect();
    assert_eq!(String::from_utf8(text)?, "whole\nbegun\n");
    assert_eq!(first.finish()?.success()?, "begun");
    Ok(())
}

#[test]
fn following_goes_on_over_the_restarts_of_a_policy() -> anyhow::Result<()> {
    let engine = Engine::with_busybox()?;
    let shell = "echo run; until [ -e /go ]; do usleep 10000; done; exit 1";
    let run = ["run", "-d", "--name", "again", "--restart", "on-failure:2", "--log-opt"];
    // Every run begins a file, and none is taken away.
    let files = ["max-size=100", "--log-opt", "max-file=5"];
    let run = [&run[..], &files, &["busybox", "sh", "-c", shell]].concat();
    engine.docker(&run)?.success()?;
    let mut follower = engine.spawn(&["logs", "-f", "again"])?;
    assert_eq!(follower.line()?, "run");
    // Its own end may come before the answer.
    engine.docker(&["exec", "again", "touch", "/go"])?;
    assert_eq!(follower.finish()?.success()?, "run\nrun");
    Ok(())
}

#[test]
fn following_ends_at_a_time_that_was_named() -> anyhow::Result<()> {
    let engine = Engine::with_busybox()?;
    let shell = "echo one; exec sleep 1000";
    engine.docker(&["run", "-d", "--name", "runs", "busybox", "sh", "-c", shell])?.success()?;
    let mut follower = engine.spawn(&["logs", "-f", "--until", "1s", "runs"])?;
    // It was written after that time, or before: in either case the stream ends.
    drop(follower.line());
    follower.finish()?.success()?;
    assert_eq!(engine.spawn(&["logs", "-f", "runs"])?.line()?, "one");
    let now = engine.docker(&["info", "--format", "{{.SystemTime}}"])?;
    let until = engine.docker(&["logs", "-f", "--until", now.success()?, "runs"])?;
    assert_eq!(until.success()?, "one");
    // What does not run is not followed.
    engine.docker(&["create", "--name", "idle", "busybox"])?.success()?;
    assert_eq!(engine.docker(&["logs", "-f", "idle"])?.success()?, "");
    Ok(())
}
