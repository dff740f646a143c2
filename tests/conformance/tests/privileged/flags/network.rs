//! Names, addresses and ports.

use naru_test_framework::Engine;
use serde_json::json;

use super::{refused, said, shell, shown};
use crate::raw::post;

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
    // In the machine the host is not where the container's packets leave.
    let gateway = "host=$(awk '/host.docker.internal$/{print $1}' /etc/hosts)
                   gateway=$(ip route | awk '/^default/{print $3}')
                   test $(awk '/\\tme$/{print $1}' /etc/hosts) = ${host:-$gateway} && echo gateway";
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
    let engine = Engine::with_busybox()?;
    let mac = "02:42:ac:11:22:33";
    let cat = ["cat", "/sys/class/net/eth0/address"];
    if matches!(engine, Engine::Own(_)) {
        let options = ["run", "--rm", "--mac-address", mac, "busybox"];
        assert_eq!(engine.docker(&[&options[..], &cat].concat())?.success()?, mac);
        let said = refused(&["--mac-address", "odd"], 125)?;
        assert!(said.contains("odd") && said.contains("valid"), "{said}");
    }
    // As clients ask for it that are as old as Docker 20.10.
    let body = json!({ "Image": "busybox", "Cmd": cat, "MacAddress": mac });
    let made = post(&engine, "/v1.40/containers/create?name=old", &body.to_string())?;
    assert_eq!(made.status, 201);
    assert_eq!(engine.docker(&["start", "-a", "old"])?.success()?, mac);
    Ok(())
}

#[test]
fn link_is_a_name_and_variables() -> anyhow::Result<()> {
    let engine = Engine::with_busybox()?;
    let run = ["run", "-d", "--name", "db", "--expose", "5432", "-e", "USER=me", "busybox"];
    engine.docker(&[&run[..], &["sleep", "1000"]].concat())?.success()?;
    let address = engine.docker(&["inspect", "-f", "{{.NetworkSettings.IPAddress}}", "db"])?;
    let script = "grep store /etc/hosts; env | grep ^STORE";
    let run = ["run", "--rm", "--name", "app", "--link", "db:store", "busybox", "sh", "-c", script];
    let output = engine.docker(&run)?;
    let said = output.success()?;
    let address = address.success()?;
    assert!(said.starts_with(&format!("{address}\tstore ")), "{said}");
    for variable in [
        &format!("STORE_PORT=tcp://{address}:5432"),
        &format!("STORE_PORT_5432_TCP_ADDR={address}"),
        "STORE_NAME=/app/store",
        "STORE_ENV_USER=me",
    ] {
        assert!(said.lines().any(|line| line == variable), "{variable}: {said}");
    }
    let output = engine.docker(&["run", "--rm", "--link", "nosuch", "busybox", "true"])?;
    let wanted = "could not get container for nosuch";
    assert!(output.failure(125)?.contains(wanted), "{output:?}");
    engine.docker(&["stop", "-t", "0", "db"])?.success()?;
    let output = engine.docker(&["run", "--rm", "--link", "db", "busybox", "true"])?;
    let wanted = "Cannot link to a non running container: /db AS /";
    assert!(output.failure(125)?.contains(wanted), "{output:?}");
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
