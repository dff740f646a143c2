//! `up` again: what has changed, what has not, what is no longer there.

use std::fs;

use super::Project;

#[test]
fn only_what_has_changed_is_made_anew() -> anyhow::Result<()> {
    let project = Project::new("changes")?;
    let ids = || -> anyhow::Result<[String; 2]> {
        Ok([
            project.inspect("changes-changing-1", "{{.Id}}")?,
            project.inspect("changes-steady-1", "{{.Id}}")?,
        ])
    };
    project.said(&["up", "-d"])?;
    project.shell("changing", "echo kept > /kept/file")?;
    let first = ids()?;
    project.said(&["up", "-d"])?;
    assert_eq!(ids()?, first, "nothing has changed");

    let file = project.directory().join("compose.yaml");
    let text = fs::read_to_string(&file)?;
    fs::write(&file, text.replace("COLOUR: red", "COLOUR: green"))?;
    project.said(&["up", "-d", "-t", "0", "--no-recreate"])?;
    assert_eq!(ids()?, first, "nothing is to be made anew");
    project.said(&["up", "-d", "-t", "0"])?;
    let second = ids()?;
    assert!(second[0] != first[0] && second[1] == first[1], "{first:?} {second:?}");
    let shown = project.shell("changing", "echo $COLOUR; cat /kept/file")?;
    assert_eq!(shown, "green\nkept", "the volume without a name is handed on");

    project.said(&["up", "-d", "-t", "0", "--force-recreate", "-V"])?;
    let third = ids()?;
    assert!(third[0] != second[0] && third[1] != second[1], "{second:?} {third:?}");
    project.shell_failure("changing", "cat /kept/file")?;
    assert_eq!(project.names(&["ps", "-a"], "{{.Names}}")?.len(), 2);
    Ok(())
}

#[test]
fn orphans_are_told_of_and_removed_when_asked() -> anyhow::Result<()> {
    let project = Project::new("changes")?;
    project.said(&["up", "-d"])?;
    let containers = || project.names(&["ps", "-a"], "{{.Names}}");
    let output = project.compose(&["-f", "smaller.yaml", "up", "-d", "-t", "0"])?;
    output.success()?;
    assert!(output.stderr.contains("Found orphan containers ([changes-steady-1])"), "{output:?}");
    assert_eq!(containers()?, ["changes-changing-1", "changes-steady-1"]);
    project.said(&["-f", "smaller.yaml", "up", "-d", "--remove-orphans", "-t", "0"])?;
    assert_eq!(containers()?, ["changes-changing-1"]);
    assert_eq!(project.shell("changing", "echo $COLOUR")?, "blue");
    project.said(&["down", "-v", "-t", "0"])?;
    project.is_gone()
}
