//! `down`, `stop`: in which order, by which signal.

use super::{Project, plain};

#[test]
fn who_depends_on_another_ends_before_it() -> anyhow::Result<()> {
    let project = Project::new("stopping")?;
    project.said(&["up", "-d"])?;
    for service in ["base", "middle", "stubborn"] {
        // The trap is set before it says so.
        let mut logs = project.spawn(&["logs", "-f", "--no-log-prefix", service])?;
        assert_eq!(plain(&logs.line()?), "ready");
    }
    project.said(&["stop"])?;
    assert_eq!(project.log("base")?, "ready\nbase ends");
    assert_eq!(project.log("middle")?, "ready\nmiddle ends");
    let exits = "{{.State.ExitCode}} {{.State.FinishedAt}}";
    let ended = |service: &str| -> anyhow::Result<(String, String)> {
        let shown = project.inspect(&format!("stopping-{service}-1"), exits)?;
        let (code, time) = shown.split_once(' ').unwrap_or_default();
        Ok((code.to_owned(), time.to_owned()))
    };
    let (base, middle, stubborn) = (ended("base")?, ended("middle")?, ended("stubborn")?);
    assert_eq!((base.0.as_str(), middle.0.as_str(), stubborn.0.as_str()), ("0", "8", "137"));
    assert!(stubborn.1 < middle.1 && middle.1 < base.1, "{stubborn:?} {middle:?} {base:?}");
    Ok(())
}
