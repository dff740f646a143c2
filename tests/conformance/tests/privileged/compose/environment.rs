//! `.env`, `env_file`, `environment`, interpolation.

use std::collections::BTreeSet;

use anyhow::ensure;

use super::Project;

/// Holds if the program's environment has each of these lines.
fn has_lines(project: &Project, options: &[&str], wanted: &[&str]) -> anyhow::Result<()> {
    let run = [options, &["run", "--rm", "-T", "program"]].concat();
    let environment = project.said(&run)?;
    for line in wanted {
        ensure!(environment.lines().any(|present| present == *line), "{line}: {environment}");
    }
    Ok(())
}

#[test]
fn variables_come_from_files_and_defaults() -> anyhow::Result<()> {
    let project = Project::new("environment")?;
    let wanted = [
        "FROM_FILE=two words",
        "FROM_BOTH=file says hello",
        "INTERPOLATED=hello again",
        "DEFAULTED=default",
        "EMPTY_DEFAULTED=default",
        "EMPTY_KEPT=",
        "REPLACED=replaced",
        "LITERAL=$SUBJECT",
        "PASSED=through",
    ];
    has_lines(&project, &[], &wanted)?;
    let other = ["FROM_BOTH=file says other", "EMPTY_DEFAULTED=full", "EMPTY_KEPT=full"];
    has_lines(&project, &["--env-file", "other.env"], &other)?;

    let files = ["-f", "compose.yaml", "-f", "needy.yaml"];
    let output = project.compose(&[&files[..], &["config"]].concat())?;
    let said = &output.stderr;
    let missing = "required variable NEEDED is missing a value: say what is needed";
    assert!(output.code != 0 && said.contains(missing), "{output:?}");
    let config = ["--env-file", "other.env", "config", "--services"];
    // In no order.
    let said = project.said(&[&files[..], &config].concat())?;
    assert_eq!(said.lines().collect::<BTreeSet<_>>(), BTreeSet::from(["needy", "program"]));
    Ok(())
}
