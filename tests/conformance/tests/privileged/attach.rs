//! `attach`.

use naru_test_framework::Engine;

use crate::expect_error;

#[test]
fn attaching_joins_the_containers_streams() -> anyhow::Result<()> {
    let engine = Engine::with_busybox()?;
    // What is said first is there when what is said last is: as with Docker, a client whose input
    // has ended hears no more of a container whose input goes on.
    let shell =
        "while read line; [ $line != end ]; do echo saw $line >&2; echo got $line; done; exit 6";
    engine.docker(&["run", "-di", "--name", "reader", "busybox", "sh", "-c", shell])?.success()?;

    let mut attached = engine.spawn(&["attach", "reader"])?;
    for number in 0..20 {
        attached.write(format!("{number}\n").as_bytes())?;
        assert_eq!(attached.line()?, format!("got {number}"));
    }
    attached.write(b"end\n")?;
    let ended = attached.finish()?;
    assert!(ended.failure(6)?.ends_with("saw 19"), "{ended:?}");
    Ok(())
}

#[test]
fn a_client_that_goes_leaves_the_container_running() -> anyhow::Result<()> {
    let engine = Engine::with_busybox()?;
    let shell = "while read line; do echo got $line; done";
    engine.docker(&["run", "-di", "--name", "reader", "busybox", "sh", "-c", shell])?.success()?;
    let mut first = engine.spawn(&["attach", "reader"])?;
    first.write(b"one\n")?;
    assert_eq!(first.line()?, "got one");
    drop(first);

    let mut second = engine.spawn(&["attach", "reader"])?;
    second.write(b"two\n")?;
    assert_eq!(second.line()?, "got two");
    Ok(())
}

#[test]
fn what_does_not_run_cannot_be_attached_to() -> anyhow::Result<()> {
    let engine = Engine::with_busybox()?;
    engine.docker(&["create", "--name", "idle", "busybox"])?.success()?;

    let output = engine.docker(&["attach", "idle"])?;
    assert!(output.failure(1)?.to_lowercase().contains("cannot attach to a stopped container"));
    expect_error(&engine.docker(&["attach", "nosuch"])?, 1, "No such container: nosuch")
}
