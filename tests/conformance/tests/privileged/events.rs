//! `events`.

use naru_test_framework::{DockerHost, Engine};

/// All that happened so far, of the given filters.
pub(crate) fn events(
    engine: &DockerHost,
    filters: &[&str],
    format: &str,
) -> anyhow::Result<Vec<String>> {
    let now = engine.docker(&["info", "--format", "{{.SystemTime}}"])?;
    let mut command =
        vec!["events", "--since", engine.since(), "--until", now.success()?, "--format", format];
    for filter in filters {
        command.extend(["--filter", filter]);
    }
    Ok(engine.docker(&command)?.success()?.lines().map(str::to_owned).collect())
}

#[test]
fn a_containers_life_is_told_in_order() -> anyhow::Result<()> {
    let engine = Engine::with_busybox()?;
    let run = ["run", "-d", "--name", "lives", "--label", "a=b", "busybox", "sleep", "1000"];
    engine.docker(&run)?.success()?;
    engine.docker(&["exec", "lives", "true"])?.success()?;
    engine.docker(&["kill", "lives"])?.success()?;
    engine.docker(&["wait", "lives"])?.success()?;
    engine.docker(&["rm", "lives"])?.success()?;

    let of_it = ["type=container", "container=lives"];
    let actions = events(&engine, &of_it, "{{.Action}}")?;
    assert_eq!(
        actions,
        [
            "create",
            "start",
            "exec_create: true ",
            "exec_start: true ",
            "exec_die",
            "kill",
            "die",
            "destroy"
        ]
    );
    let format = "{{.Actor.Attributes.name}} {{.Actor.Attributes.image}} {{.Actor.Attributes.a}} \
                  {{.Actor.Attributes.exitCode}} {{.Scope}}";
    let died = events(&engine, &["event=die", "label=a=b"], format)?;
    assert_eq!(died, ["lives busybox b 137 local"]);
    assert_eq!(events(&engine, &["event=die", "label=a=c"], format)?, [] as [&str; 0]);
    let signal = "{{.Actor.Attributes.signal}}";
    assert_eq!(events(&engine, &["event=kill"], signal)?, ["9"]);
    Ok(())
}

#[test]
fn images_have_events_too() -> anyhow::Result<()> {
    let engine = Engine::with_busybox()?;
    engine.docker(&["tag", "busybox", "other:1"])?.success()?;
    engine.docker(&["rmi", "other:1"])?.success()?;
    engine.docker(&["rmi", "busybox"])?.success()?;

    let actions = events(&engine, &["type=image"], "{{.Action}}")?;
    assert_eq!(actions, ["load", "tag", "untag", "untag", "delete"]);
    Ok(())
}

#[test]
fn events_arrive_as_they_happen() -> anyhow::Result<()> {
    let engine = Engine::with_busybox()?;
    // The image's event is in the past: it tells that the stream is open.
    let watch = ["events", "--since", engine.since(), "--format", "{{.Type}} {{.Action}}"];
    let mut watch = engine.spawn(&watch)?;
    assert_eq!(watch.line()?, "image load");
    engine.docker(&["create", "busybox"])?.success()?;
    assert_eq!(watch.line()?, "container create");
    Ok(())
}
