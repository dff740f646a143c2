//! `depends_on`.

use super::{Project, plain};

#[test]
fn each_service_waits_for_what_it_depends_on() -> anyhow::Result<()> {
    let project = Project::new("order")?;
    let filters = ["--filter", "type=container", "--filter", "event=start"];
    let since = project.engine().since();
    let format = "{{index .Actor.Attributes \"com.docker.compose.service\"}}";
    let events = ["events", "--since", since, "--format", format];
    let mut started = project.engine().spawn(&[&events[..], &filters].concat())?;
    let up = project.spawn(&["up", "-d"])?;
    assert_eq!(started.line()?, "database");

    let states = || project.names(&["ps", "-a"], "{{.Names}} {{.State}}");
    // A check that has failed is one that has been made: the others could have started.
    let failing = "{{.State.Health.FailingStreak}}";
    while project.inspect("order-database-1", failing)?.parse::<u32>()? < 2 {}
    let expected =
        ["order-database-1 running", "order-migration-1 created", "order-program-1 created"];
    assert_eq!(states()?, expected);
    project.docker(&["exec", "order-database-1", "touch", "/ready"])?;
    up.finish()?.success()?;
    assert_eq!((started.line()?, started.line()?), ("migration".into(), "program".into()));
    let mut log = project.spawn(&["logs", "-f", "--no-log-prefix", "program"])?;
    assert_eq!(plain(&log.line()?), "migrated");
    assert_eq!(project.inspect("order-database-1", "{{.State.Health.Status}}")?, "healthy");

    project.said(&["down", "-v"])?;
    project.is_gone()
}

#[test]
fn who_depends_on_what_fails_is_not_started() -> anyhow::Result<()> {
    let project = Project::new("order")?;
    let output = project.compose(&["up", "-d", "waits-for-sick"])?;
    let said = output.failure(1)?;
    assert!(said.contains("container order-sick-1 is unhealthy"), "{said}");
    let output = project.compose(&["up", "-d", "waits-for-failing"])?;
    let said = output.failure(1)?;
    assert!(said.contains("service \"failing\" didn't complete successfully: exit 3"), "{said}");
    let states = project.names(&["ps", "-a"], "{{.Names}} {{.State}}")?;
    let expected = [
        "order-failing-1 exited",
        "order-sick-1 running",
        "order-waits-for-failing-1 created",
        "order-waits-for-sick-1 created",
    ];
    assert_eq!(states, expected);
    Ok(())
}
