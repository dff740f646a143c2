//! Names, addresses and ports.

use naru_test_framework::Engine;

use super::{refused, said, shell, shown};

#[test]
fn network_none_is_the_loopback_alone() -> anyhow::Result<()> {
    assert_eq!(said(&["--network", "none"], &["ls", "/sys/class/net"])?, "lo");
    assert_eq!(shown(&["--network", "none"], "{{.HostConfig.NetworkMode}}")?, "none");
    Ok(())
}

#[test]
fn add_host_is_in_etc_hosts() -> anyhow::Result<()> {
    let options = ["--add-host", "db:10.1.2.3", "--add-host", "six:fd00::1"];
    let script = "grep -E '^(10.1.2.3|fd00::1)' /etc/hosts | tr '\\t' ' '";
    assert_eq!(shell(&options, script)?, "10.1.2.3 db\nfd00::1 six");
    let gateway = "test $(awk '/me$/{print $1}' /etc/hosts) = \
                   $(ip route | awk '/^default/{print $3}') && echo gateway";
    assert_eq!(shell(&["--add-host", "me:host-gateway"], gateway)?, "gateway");
    Ok(())
}

#[test]
fn dns_is_in_resolv_conf() -> anyhow::Result<()> {
    let options = ["--dns", "10.9.8.7", "--dns-search", "example.test", "--dns-option", "ndots:3"];
    let said = shell(&options, "grep -v '^#' /etc/resolv.conf | sort")?;
    assert_eq!(said.trim(), "nameserver 10.9.8.7\noptions ndots:3\nsearch example.test");
    let said = refused(&["--dns", "nowhere"], 125)?;
    assert!(said.contains("nowhere"), "{said}");
    Ok(())
}

#[test]
fn mac_address_is_the_interfaces() -> anyhow::Result<()> {
    let options = ["--mac-address", "02:42:ac:11:22:33"];
    assert_eq!(said(&options, &["cat", "/sys/class/net/eth0/address"])?, "02:42:ac:11:22:33");
    let said = refused(&["--mac-address", "odd"], 125)?;
    assert!(said.contains("odd") && said.contains("valid"), "{said}");
    Ok(())
}

#[test]
fn links_are_still_to_come() -> anyhow::Result<()> {
    let said = refused(&["--link", "other"], 125)?;
    assert!(said.contains("not supported by this engine yet: links"), "{said}");
    Ok(())
}

#[test]
fn ip_needs_a_network_of_the_users_own() -> anyhow::Result<()> {
    let said = refused(&["--ip", "172.17.0.99"], 125)?;
    let wanted = "user specified IP address is supported on user defined networks only";
    assert!(said.contains(wanted), "{said}");
    Ok(())
}

#[test]
fn expose_is_shown_and_publish_all_publishes_it() -> anyhow::Result<()> {
    let engine = Engine::with_busybox()?;
    let run = ["run", "-d", "--name", "web", "--expose", "81", "--publish-all", "busybox"];
    engine.docker(&[&run[..], &["sleep", "1000"]].concat())?.success()?;
    let exposed = engine.docker(&["inspect", "-f", "{{json .Config.ExposedPorts}}", "web"])?;
    assert_eq!(exposed.success()?, r#"{"81/tcp":{}}"#);
    let port = engine.docker(&["port", "web"])?;
    let first = port.success()?.lines().next().unwrap_or_default();
    assert!(first.starts_with("81/tcp -> 0.0.0.0:"), "{port:?}");
    Ok(())
}

#[test]
fn publish_is_shown_by_port_and_ps() -> anyhow::Result<()> {
    let engine = Engine::with_busybox()?;
    let run = ["run", "-d", "--name", "web", "-p", "127.0.0.1::80", "-p", "127.0.0.1::81/tcp"];
    engine.docker(&[&run[..], &["busybox", "sleep", "1000"]].concat())?.success()?;
    let ports = engine.docker(&["port", "web"])?;
    let ports: Vec<&str> = ports.success()?.lines().collect();
    assert!(ports[0].starts_with("80/tcp -> 127.0.0.1:"), "{ports:?}");
    assert!(ports[1].starts_with("81/tcp -> 127.0.0.1:"), "{ports:?}");
    let shown = engine.docker(&["ps", "--format", "{{.Ports}}"])?;
    assert!(shown.success()?.contains("->81/tcp"), "{shown:?}");
    Ok(())
}
