//! `hostname`, `links`, `extra_hosts`, `dns_*`, `network_mode`.

use super::Project;

#[test]
fn names_are_those_of_the_file() -> anyhow::Result<()> {
    let project = Project::new("names")?;
    project.said(&["up", "-d", "--wait"])?;
    let fetch =
        |name: &str| project.shell("client", &format!("timeout 60 wget -q -O - http://{name}/"));
    assert_eq!(project.shell("web", "hostname; hostname -f")?, "www\nwww.naru.example");
    for name in ["web", "site", "names-web-1"] {
        assert_eq!(fetch(name)?, "www", "{name}");
    }
    let hosts = project.shell("client", "cat /etc/hosts")?;
    let gateway = hosts.lines().find_map(|line| line.strip_suffix("host.docker.internal"));
    let gateway = gateway.unwrap_or_default().trim();
    assert!(gateway.parse::<std::net::Ipv4Addr>().is_ok(), "{hosts}");
    let printer =
        hosts.lines().any(|line| line.split_whitespace().eq(["192.0.2.7", "printer.example"]));
    assert!(printer, "{hosts}");
    let resolv = project.shell("client", "cat /etc/resolv.conf")?;
    for line in ["nameserver 127.0.0.11", "search naru.example"] {
        assert!(resolv.lines().any(|present| present == line), "{resolv}");
    }
    assert!(resolv.contains("timeout:3"), "{resolv}");

    let local = project.shell("beside", "wget -q -O - http://127.0.0.1/; hostname")?;
    assert_eq!(local, "www\nwww");
    assert_eq!(project.shell("alone", "ls /sys/class/net")?, "lo");
    Ok(())
}
