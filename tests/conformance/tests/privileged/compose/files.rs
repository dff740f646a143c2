//! `secrets`, `configs`, `include`, `extends`, several files.

use super::Project;

#[test]
fn secrets_and_configs_are_files() -> anyhow::Result<()> {
    let project = Project::new("secrets")?;
    project.said(&["up", "-d"])?;
    for (path, content) in [
        ("/run/secrets/token", "a token of trust"),
        ("/run/secrets/word", "sesame"),
        ("/etc/program/settings.conf", "colour = green"),
        ("/inline.conf", "word length is 6"),
    ] {
        assert_eq!(project.shell("program", &format!("cat {path}"))?, content, "{path}");
    }
    // They are not for writing back to the host.
    let said = project.shell_failure("program", "echo x > /run/secrets/token")?;
    assert!(said.contains("Read-only file system"), "{said}");
    let shown = project.inspect("secrets-program-1", "{{.Config.Env}}")?;
    assert!(!shown.contains("sesame"), "{shown}");
    Ok(())
}

#[test]
fn a_project_of_many_files_is_one() -> anyhow::Result<()> {
    let project = Project::new("parts")?;
    assert_eq!(project.said(&["config", "--services"])?, "store\nweb");
    project.said(&["up", "-d"])?;
    let shown = project.shell("web", "echo $BASE $LEVEL; pwd; cat /shared/note")?;
    assert_eq!(shown, "base override\n/tmp\nbeside common.yaml");
    let shown = project.shell("store", "echo $STORE; cat /files/note")?;
    assert_eq!(shown, "corner shop\nbeside the store");
    let labels = "{{range $name, $value := .Config.Labels}}{{if eq (slice $name 0 5) \"from.\"}}{{$value}} {{end}}{{end}}";
    assert_eq!(project.inspect("parts-web-1", labels)?, "anchored base web ");

    let files = ["-f", "compose.yaml", "-f", "more.yaml"];
    project.said(&[&files[..], &["up", "-d", "-t", "0"]].concat())?;
    assert_eq!(project.inspect("parts-web-1", "{{json .Config.Cmd}}")?, "[\"sleep\",\"2000\"]");
    assert_eq!(project.inspect("parts-web-1", labels)?, "");
    assert_eq!(project.shell("web", "echo $LEVEL; pwd")?, "web\n/");
    Ok(())
}
