//! `profiles`, `scale`, and what a service asks for of its container.

use super::Project;

#[test]
fn a_service_of_a_profile_is_there_for_who_asks() -> anyhow::Result<()> {
    let project = Project::new("profiles")?;
    let containers = || project.names(&["ps", "-a"], "{{.Names}}");
    project.said(&["up", "-d"])?;
    assert_eq!(containers()?, ["profiles-program-1"]);
    project.said(&["--profile", "debug", "up", "-d"])?;
    assert_eq!(containers()?, ["profiles-debugger-1", "profiles-program-1"]);
    assert_eq!(project.said(&["run", "--rm", "tool"])?, "used");
    assert_eq!(containers()?, ["profiles-debugger-1", "profiles-program-1"]);
    project.said(&["--profile", "debug", "down", "-t", "0"])?;
    project.is_gone()
}

#[test]
fn a_service_grows_and_shrinks_and_all_of_it_is_found() -> anyhow::Result<()> {
    let project = Project::new("scale")?;
    let workers = || project.names(&["ps", "-a", "--filter", "name=worker"], "{{.Names}}");
    let addresses = || -> anyhow::Result<[Vec<String>; 2]> {
        let look_up = "nslookup worker 127.0.0.11 | awk '/^Name/ { named = 1 } \
                       named && /^Address/ { print $2 }'";
        let found = project.shell("client", look_up)?;
        let format = "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}";
        let mut each = Vec::new();
        for worker in workers()? {
            each.push(project.inspect(&worker, format)?);
        }
        let mut found: Vec<String> = found.lines().map(str::to_owned).collect();
        found.sort();
        each.sort();
        Ok([found, each])
    };
    project.said(&["up", "-d"])?;
    assert_eq!(workers()?, ["scale-worker-1", "scale-worker-2"]);
    let [found, each] = addresses()?;
    assert_eq!(found, each);

    project.said(&["up", "-d", "--scale", "worker=5"])?;
    let five = [1, 2, 3, 4, 5].map(|number| format!("scale-worker-{number}"));
    assert_eq!(workers()?, five);
    let [found, each] = addresses()?;
    assert_eq!(found, each);
    assert_eq!(found.len(), 5);
    // Each has a port of its own, and is asked for by its number.
    let mut ports = Vec::new();
    for number in ["1", "2", "3", "4", "5"] {
        ports.push(project.said(&["port", "--index", number, "worker", "80"])?);
    }
    ports.sort();
    ports.dedup();
    assert_eq!(ports.len(), 5, "{ports:?}");
    let hostname = ["exec", "-T", "--index", "4", "worker", "hostname"];
    let fourth = project.inspect("scale-worker-4", "{{.Config.Hostname}}")?;
    assert_eq!(project.said(&hostname)?, fourth);

    project.said(&["scale", "worker=1"])?;
    assert_eq!(workers()?, ["scale-worker-1"]);
    let [found, each] = addresses()?;
    assert_eq!(found, each);
    project.said(&["down", "-t", "0"])?;
    project.is_gone()
}

#[test]
fn a_container_is_as_its_service_asks() -> anyhow::Result<()> {
    let project = Project::new("options")?;
    project.said(&["up", "-d"])?;
    for (script, said) in [
        ("id -u; id -g; id -G", "33\n4\n4 1234"),
        ("pwd", "/home"),
        ("grep CapBnd /proc/self/status | awk '{ print $2 }'", "0000000000000400"),
        ("grep NoNewPrivs /proc/self/status | awk '{ print $2 }'", "1"),
        ("cat /proc/sys/net/core/somaxconn", "77"),
        ("ulimit -Sn; ulimit -Hn", "100\n200"),
    ] {
        assert_eq!(project.shell("program", script)?, said, "{script}");
    }
    let name = "options-program-1";
    assert_eq!(project.inspect(name, "{{index .Config.Labels \"one.label\"}}")?, "a value");
    let log = "{{.HostConfig.LogConfig.Type}} {{json .HostConfig.LogConfig.Config}}";
    let expected = r#"json-file {"max-file":"2","max-size":"10k"}"#;
    assert_eq!(project.inspect(name, log)?, expected);
    assert_eq!(project.inspect(name, "{{.Config.OpenStdin}} {{.HostConfig.Init}}")?, "true true");
    Ok(())
}
