//! `logs`.

use naru_test_framework::Engine;

use crate::expect_error;

#[test]
fn logs_keep_the_streams_apart() -> anyhow::Result<()> {
    let engine = Engine::with_busybox()?;
    let shell = "echo one; echo wrong >&2; echo two; printf three";
    engine.docker(&["run", "--name", "talker", "busybox", "sh", "-c", shell])?.success()?;

    let output = engine.docker(&["logs", "talker"])?;
    assert_eq!((output.success()?, output.stderr.as_str()), ("one\ntwo\nthree", "wrong\n"));
    assert_eq!(engine.docker(&["logs", "--tail", "1", "talker"])?.success()?, "three");
    assert_eq!(engine.docker(&["logs", "--tail", "0", "talker"])?.success()?, "");
    let all = engine.docker(&["logs", "--tail", "all", "talker"])?;
    assert_eq!(all.success()?, "one\ntwo\nthree");
    for all in ["-1", "100"] {
        let output = engine.docker(&["logs", "--tail", all, "talker"])?;
        assert_eq!(output.success()?, "one\ntwo\nthree", "{all}");
    }
    expect_error(&engine.docker(&["logs", "nosuch"])?, 1, "No such container: nosuch")
}

#[test]
fn logs_are_taken_from_and_up_to_a_time() -> anyhow::Result<()> {
    let engine = Engine::with_busybox()?;
    // Each line waits until the one before is in the log: what is read at once has one time.
    let shell = "echo one; read next; echo two; read next; echo three";
    engine.docker(&["run", "-di", "--name", "talker", "busybox", "sh", "-c", shell])?.success()?;
    let mut attached = engine.spawn(&["attach", "talker"])?;
    let mut follower = engine.spawn(&["logs", "-f", "talker"])?;
    for line in ["one", "two", "three"] {
        assert_eq!(follower.line()?, line);
        attached.write(b"next\n")?;
    }
    engine.docker(&["wait", "talker"])?.success()?;

    let timed = engine.docker(&["logs", "-t", "talker"])?;
    let lines: Vec<(&str, &str)> =
        timed.success()?.lines().filter_map(|line| line.split_once(' ')).collect();
    assert_eq!(lines.iter().map(|(_, line)| *line).collect::<Vec<_>>(), ["one", "two", "three"]);
    assert!(lines.iter().all(|(at, _)| at.len() == 30 && at.ends_with('Z')), "{lines:?}");
    let (second, _) = lines[1];
    let since = engine.docker(&["logs", "--since", second, "talker"])?;
    assert_eq!(since.success()?, "two\nthree");
    let until = engine.docker(&["logs", "--until", second, "talker"])?;
    assert_eq!(until.success()?, "one\ntwo");
    let both = engine.docker(&["logs", "--since", second, "--until", second, "talker"])?;
    assert_eq!(both.success()?, "two");
    assert_eq!(engine.docker(&["logs", "--since", "1h", "talker"])?.success()?.lines().count(), 3);
    Ok(())
}

#[test]
fn following_shows_what_comes_and_ends_with_the_container() -> anyhow::Result<()> {
    let engine = Engine::with_busybox()?;
    let shell = "echo waiting; read line; echo got $line; exit 3";
    engine
        .docker(&["create", "-i", "--name", "talker", "busybox", "sh", "-c", shell])?
        .success()?;
    let mut attached = engine.spawn(&["start", "-ai", "talker"])?;
    assert_eq!(attached.line()?, "waiting");

    let mut follower = engine.spawn(&["logs", "-f", "talker"])?;
    assert_eq!(follower.line()?, "waiting");
    attached.write(b"word\n")?;
    assert_eq!(follower.line()?, "got word");
    let output = follower.finish()?;
    assert_eq!(output.success()?, "", "its exit code is not the container's");
    attached.finish()?.failure(3)?;
    Ok(())
}
