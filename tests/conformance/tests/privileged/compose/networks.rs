//! `networks`: names and aliases, internal ones, those of others.

use anyhow::ensure;

use super::Project;

const FETCH: &str = "timeout 60 wget -q -O - http://";

/// What a service's shell fetches from a name. Names are asked for once, and not for long.
fn fetched(project: &Project, service: &str, name: &str) -> anyhow::Result<String> {
    project.shell(service, &format!("until {FETCH}{name}; do usleep 100000; done"))
}

/// Holds if a service's shell finds no such name.
fn finds_no(project: &Project, service: &str, name: &str) -> anyhow::Result<()> {
    let said = project.shell_failure(service, &format!("{FETCH}{name}"))?;
    ensure!(said.contains("bad address"), "{service} and {name}: {said}");
    Ok(())
}

#[test]
fn names_and_aliases_are_found_on_shared_networks_only() -> anyhow::Result<()> {
    let project = Project::new("networks")?;
    project.said(&["up", "-d", "--wait"])?;
    for (service, name, host) in [
        ("web", "web", "web-host"),
        ("web", "api", "api-host"),
        ("web", "networks-api-1", "api-host"),
        ("api", "web", "web-host"),
        ("api", "store", "store-host"),
        ("api", "the-store", "store-host"),
        ("store", "backend", "api-host"),
        ("store", "backend.example", "api-host"),
    ] {
        let said = fetched(&project, service, name)?;
        assert_eq!(said, host, "{service} fetches from {name}");
    }
    for (service, name) in
        [("web", "store"), ("web", "the-store"), ("web", "backend"), ("store", "web")]
    {
        finds_no(&project, service, name)?;
    }
    // Nor is there a way where the address is known.
    let format = "{{(index .NetworkSettings.Networks \"naru-back\").IPAddress}}";
    let store = project.inspect("the-store", format)?;
    project.shell_failure("web", &format!("timeout 1 wget -q -O - http://{store}"))?;

    let networks =
        project.names(&["network", "ls"], "{{.Name}} {{.Driver}} {{.Label \"side\"}}")?;
    assert_eq!(networks, ["naru-back bridge ", "networks_front bridge front"]);
    let interfaces = "ls /sys/class/net | grep -c eth";
    assert_eq!(project.shell("api", interfaces)?, "2");
    project.said(&["down", "-t", "0"])?;
    project.is_gone()
}

#[test]
fn an_internal_network_leads_nowhere_else() -> anyhow::Result<()> {
    let project = Project::new("internal")?;
    project.said(&["up", "-d", "--wait"])?;
    assert_eq!(fetched(&project, "inside", "proxy")?, "proxy-host");
    assert_eq!(fetched(&project, "proxy", "inside")?, "inside-host");
    assert_eq!(fetched(&project, "outside", "proxy")?, "proxy-host");
    finds_no(&project, "inside", "outside")?;
    let format = "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}";
    let outside = project.inspect("internal-outside-1", format)?;
    project.shell_failure("inside", &format!("timeout 1 wget -q -O - http://{outside}"))?;
    assert_eq!(project.inspect("internal_inner", "{{.Internal}}")?, "true");
    Ok(())
}

#[test]
fn a_network_of_others_must_be_there_and_stays() -> anyhow::Result<()> {
    let project = Project::new("external")?;
    let output = project.compose(&["up", "-d"])?;
    let said = output.failure(1)?;
    assert!(said.contains("network naru-theirs not found"), "{said}");
    assert_eq!(project.docker(&["ps", "-aq"])?, "");

    project.docker(&["network", "create", "naru-theirs"])?;
    project.said(&["up", "-d", "--wait"])?;
    let run = ["run", "--rm", "--network", "naru-theirs", "busybox"];
    let said = project.docker(&[&run[..], &["wget", "-q", "-O", "-", "http://site"]].concat())?;
    let host = project.inspect("external-web-1", "{{.Config.Hostname}}")?;
    assert_eq!(said, host);
    let output = project.engine().docker(&["network", "rm", "naru-theirs"])?;
    assert!(output.failure(1)?.contains("has active endpoints"), "{output:?}");
    project.said(&["down", "-t", "0"])?;
    project.docker(&["network", "rm", "naru-theirs"])?;
    Ok(())
}

#[test]
fn a_network_that_others_use_outlives_its_project() -> anyhow::Result<()> {
    let project = Project::new("scale")?;
    project.said(&["up", "-d"])?;
    let run = ["run", "-d", "--name", "guest", "--init", "--network", "scale_default"];
    project.docker(&[&run[..], &["busybox", "sleep", "1000"]].concat())?;
    let output = project.compose(&["down", "-t", "0"])?;
    assert!(output.stderr.contains("Resource is still in use"), "{output:?}");
    let networks = project.names(&["network", "ls"], "{{.Name}}")?;
    assert_eq!(networks, ["scale_default"]);
    assert_eq!(project.names(&["ps", "-a"], "{{.Names}}")?, [""; 0]);
    project.docker(&["rm", "-f", "guest"])?;
    project.said(&["down"])?;
    project.is_gone()
}
