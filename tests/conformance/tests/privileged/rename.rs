//! `rename`.

use naru_test_framework::{DockerHost, Engine, NativeEngine};

use crate::expect_error;
use crate::raw::ask;

fn names(engine: &DockerHost) -> anyhow::Result<Vec<String>> {
    let listed = engine.docker(&["ps", "-a", "--format", "{{.Names}}"])?;
    Ok(listed.success()?.lines().map(str::to_owned).collect())
}

#[test]
fn a_new_name_is_the_only_one_and_is_kept() -> anyhow::Result<()> {
    let mut engine = NativeEngine::with_busybox()?;
    let run = ["run", "-d", "--name", "before", "busybox", "sleep", "1000"];
    let id = engine.docker(&run)?.success()?.to_owned();
    engine.docker(&["rename", "before", "after"])?.success()?;
    assert_eq!(names(&engine)?, ["after"]);
    let shown = engine.docker(&["inspect", "-f", "{{.Name}} {{.Id}}", "after"])?;
    assert_eq!(shown.success()?, format!("/after {id}"));
    expect_error(&engine.docker(&["start", "before"])?, 1, "No such container: before")?;

    let now = engine.docker(&["info", "--format", "{{.SystemTime}}"])?;
    let format = "{{.Actor.Attributes.oldName}} {{.Actor.Attributes.name}}";
    let events =
        ["events", "--since", engine.since(), "--until", now.success()?, "--format", format];
    let events = [events.as_slice(), &["--filter", "event=rename"]].concat();
    assert_eq!(engine.docker(&events)?.success()?, "/before after");

    // The old name is free for another, and all of it outlives the engine.
    engine.docker(&["create", "--name", "before", "busybox"])?.success()?;
    engine.kill()?;
    engine.restart()?;
    assert_eq!(names(&engine)?, ["before", "after"]);
    assert_eq!(engine.docker(&["exec", "after", "echo", "on"])?.success()?, "on");
    engine.docker(&["rm", "-f", "after"])?.success()?;
    engine.docker(&["rename", "before", "after"])?.success()?;
    Ok(())
}

#[test]
fn a_name_that_cannot_be_had_changes_nothing() -> anyhow::Result<()> {
    let engine = Engine::with_busybox()?;
    let id = engine.docker(&["create", "--name", "first", "busybox"])?.success()?.to_owned();
    engine.docker(&["create", "--name", "second", "busybox"])?.success()?;

    let said = format!(
        "Error when allocating new name: Conflict. The container name \"/first\" is already in use \
         by container \"{id}\". You have to remove (or rename) that container to be able to reuse \
         that name."
    );
    let said = said.trim_end_matches('.');
    expect_error(&engine.docker(&["rename", "second", "first"])?, 1, said)?;
    let rename = |name: &str| -> anyhow::Result<(u16, String)> {
        let path = format!("/v1.45/containers/second/rename?name={name}");
        let mut answer = ask(&engine, "POST", &path)?;
        Ok((answer.status, answer.message()?))
    };
    assert_eq!(rename("first")?.0, 409);
    assert_eq!(rename("")?, (400, "Neither old nor new names may be empty".to_owned()));
    let said = "Renaming a container with the same name as its current name";
    assert_eq!(rename("/second")?, (400, said.to_owned()));
    let said = "Error when allocating new name: Invalid container name (/-x), only \
                [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed";
    assert_eq!(rename("-x")?, (400, said.to_owned()));
    assert_eq!(names(&engine)?, ["second", "first"]);
    expect_error(&engine.docker(&["rename", "nosuch", "x1"])?, 1, "No such container: nosuch")
}
