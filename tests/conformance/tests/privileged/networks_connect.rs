//! Containers in networks: several at once, connected and disconnected while they run.

use anyhow::{Context as _, ensure};
use naru_test_framework::Engine;
use serde_json::{Value, json};

use crate::networks::network;
use crate::ports::free_port;
use crate::raw::post;

/// Starts a container that serves a page on port 80, and waits until it does.
pub(crate) fn serve(engine: &Engine, name: &str, options: &[&str]) -> anyhow::Result<()> {
    let serve = ["busybox", "sh", "-c", "httpd -h /www && echo ready && sleep 1000"];
    let run = ["run", "-d", "--name", name];
    engine.docker(&[&run[..], options, &serve[..]].concat())?.success()?;
    assert_eq!(engine.spawn(&["logs", "-f", name])?.line()?, "ready");
    Ok(())
}

/// The address of a container in a network.
pub(crate) fn address(engine: &Engine, container: &str, network: &str) -> anyhow::Result<String> {
    let template = format!("{{{{(index .NetworkSettings.Networks {network:?}).IPAddress}}}}");
    Ok(engine.docker(&["inspect", "-f", &template, container])?.success()?.to_owned())
}

/// Holds if a container gets the page of another's address, however long that takes.
pub(crate) fn reaches(engine: &Engine, container: &str, address: &str) -> anyhow::Result<()> {
    let fetched =
        engine.docker(&["exec", container, "wget", "-qO-", &format!("http://{address}/")])?;
    ensure!(fetched.success()?.contains("Served from a container"), "{fetched:?}");
    Ok(())
}

/// Holds if it does not get it, in the time in which others do.
pub(crate) fn reaches_not(engine: &Engine, container: &str, address: &str) -> anyhow::Result<()> {
    let url = format!("http://{address}/");
    let fetched = engine.docker(&["exec", container, "timeout", "2", "wget", "-qO-", &url])?;
    ensure!(fetched.code != 0, "{container} reaches {address}: {fetched:?}");
    Ok(())
}

#[test]
fn a_network_is_reached_by_those_who_are_in_it() -> anyhow::Result<()> {
    let engine = Engine::with_busybox()?;
    for name in ["front", "back"] {
        engine.docker(&["network", "create", name])?.success()?;
    }
    serve(&engine, "web", &["--network", "front"])?;
    serve(&engine, "db", &["--network", "back"])?;
    let db = address(&engine, "db", "back")?;
    reaches_not(&engine, "web", &db).context("they have no network in common")?;

    engine.docker(&["network", "connect", "back", "web"])?.success()?;
    reaches(&engine, "web", &db)?;
    let own = address(&engine, "web", "back")?;
    reaches(&engine, "db", &own)?;
    let hosts = engine.docker(&["exec", "web", "cat", "/etc/hosts"])?;
    assert!(hosts.success()?.contains(&own), "{hosts:?}");
    let shown = network(&engine, "back", "{{range .Containers}}{{.Name}} {{end}}")?;
    let mut members: Vec<&str> = shown.split_whitespace().collect();
    members.sort_unstable();
    assert_eq!(members, ["db", "web"]);
    let links = engine.docker(&["exec", "web", "ls", "/sys/class/net"])?;
    let mut links: Vec<&str> = links.success()?.split_whitespace().collect();
    links.retain(|link| link.starts_with("eth"));
    assert_eq!(links, ["eth0", "eth1"]);

    let again = engine.docker(&["network", "connect", "back", "web"])?;
    let said = "endpoint with name web already exists in network back";
    assert!(again.failure(1)?.contains(said), "{again:?}");
    engine.docker(&["network", "disconnect", "back", "web"])?.success()?;
    reaches_not(&engine, "web", &db).context("it has left")?;
    let hosts = engine.docker(&["exec", "web", "cat", "/etc/hosts"])?;
    assert!(!hosts.success()?.contains(&own), "{hosts:?}");
    let again = engine.docker(&["network", "disconnect", "back", "web"])?;
    assert!(again.failure(1)?.contains("is not connected to"), "{again:?}");
    Ok(())
}

#[test]
fn a_container_has_the_addresses_that_it_asks_for() -> anyhow::Result<()> {
    let engine = Engine::with_busybox()?;
    engine.docker(&["network", "create", "--subnet", "10.233.0.0/24", "web"])?.success()?;
    serve(&engine, "one", &["--network", "web", "--ip", "10.233.0.77"])?;
    assert_eq!(address(&engine, "one", "web")?, "10.233.0.77");
    let shown = engine.docker(&["exec", "one", "ip", "addr", "show", "eth0"])?;
    assert!(shown.success()?.contains("10.233.0.77/24"), "{shown:?}");

    for (ip, said) in [("10.233.0.77", "Address already in use"), ("10.234.0.7", "subnet")] {
        let run = ["run", "--rm", "--network", "web", "--ip", ip, "busybox", "true"];
        let output = engine.docker(&run)?;
        assert!(output.failure(125)?.contains(said), "{output:?}");
    }
    let run = ["run", "--rm", "--ip", "172.17.0.77", "busybox", "true"];
    let output = engine.docker(&run)?;
    assert!(output.failure(125)?.contains("user specified IP address"), "{output:?}");
    engine.docker(&["network", "create", "found"])?.success()?;
    let run = ["run", "--rm", "--network", "found", "--ip", "10.233.0.8", "busybox", "true"];
    let output = engine.docker(&run)?;
    assert!(output.failure(125)?.contains("networks with user configured subnets"), "{output:?}");

    // What was refused has taken nothing.
    engine.docker(&["restart", "-t", "0", "one"])?.success()?;
    assert_eq!(address(&engine, "one", "web")?, "10.233.0.77");
    let members = network(&engine, "web", "{{len .Containers}}")?;
    assert_eq!(members, "1");
    Ok(())
}

#[test]
fn a_stopped_container_is_in_its_networks_when_it_starts() -> anyhow::Result<()> {
    let engine = Engine::with_busybox()?;
    for name in ["front", "back", "side"] {
        engine.docker(&["network", "create", name])?.success()?;
    }
    let create = ["create", "--name", "web", "--network", "front", "busybox", "sleep", "1000"];
    engine.docker(&create)?.success()?;
    engine.docker(&["network", "connect", "--alias", "www", "back", "web"])?.success()?;
    engine.docker(&["network", "connect", "side", "web"])?.success()?;
    engine.docker(&["network", "disconnect", "side", "web"])?.success()?;
    let networks = "{{range $name, $network := .NetworkSettings.Networks}}{{$name}} {{end}}";
    let shown = engine.docker(&["inspect", "-f", networks, "web"])?;
    assert_eq!(shown.success()?.trim(), "back front");
    assert_eq!(network(&engine, "back", "{{len .Containers}}")?, "0");

    engine.docker(&["start", "web"])?.success()?;
    for name in ["front", "back"] {
        assert_eq!(network(&engine, name, "{{len .Containers}}")?, "1");
        assert_ne!(address(&engine, "web", name)?, "");
    }
    engine.docker(&["stop", "-t", "0", "web"])?.success()?;
    let shown = engine.docker(&["inspect", "-f", networks, "web"])?;
    assert_eq!(shown.success()?.trim(), "back front");
    assert_eq!(address(&engine, "web", "back")?, "");
    // Whose network has gone does not start, whatever has its name now.
    engine.docker(&["network", "rm", "back"])?.success()?;
    engine.docker(&["network", "create", "back"])?.success()?;
    let started = engine.docker(&["start", "web"])?;
    assert!(started.failure(1)?.contains("not found"), "{started:?}");
    assert_eq!(network(&engine, "front", "{{len .Containers}}")?, "0");
    Ok(())
}

#[test]
fn an_internal_network_leads_nowhere() -> anyhow::Result<()> {
    let engine = Engine::with_busybox()?;
    engine.docker(&["network", "create", "--internal", "inside"])?.success()?;
    serve(&engine, "db", &["--network", "inside"])?;
    serve(&engine, "app", &["--network", "inside"])?;
    reaches(&engine, "app", &address(&engine, "db", "inside")?)?;
    serve(&engine, "other", &[])?;
    let outside = engine.docker(&["inspect", "-f", "{{.NetworkSettings.IPAddress}}", "other"])?;
    reaches_not(&engine, "app", outside.success()?)
}

#[test]
fn the_way_out_is_by_the_first_network_by_name() -> anyhow::Result<()> {
    let engine = Engine::with_busybox()?;
    for name in ["alpha", "beta"] {
        engine.docker(&["network", "create", name])?.success()?;
    }
    let port = format!("127.0.0.1:{}", free_port()?);
    serve(&engine, "web", &["--network", "beta", "-p", &format!("{port}:80")])?;
    let gateway = |name: &str| network(&engine, name, "{{(index .IPAM.Config 0).Gateway}}");
    let default_route = || -> anyhow::Result<String> {
        let routes = engine.docker(&["exec", "web", "ip", "route", "show", "default"])?;
        Ok(routes.success()?.split_whitespace().nth(2).unwrap_or_default().to_owned())
    };
    assert_eq!(default_route()?, gateway("beta")?);
    engine.docker(&["network", "connect", "alpha", "web"])?.success()?;
    assert_eq!(default_route()?, gateway("alpha")?);
    assert_eq!(engine.docker(&["port", "web", "80"])?.success()?, port);
    assert!(answers(&engine, &port)?);
    engine.docker(&["network", "disconnect", "alpha", "web"])?.success()?;
    assert_eq!(default_route()?, gateway("beta")?);
    assert!(answers(&engine, &port)?);
    Ok(())
}

/// Whether there is an answer at this address of the host's, which may be another machine's.
fn answers(engine: &Engine, address: &str) -> anyhow::Result<bool> {
    let run = ["run", "--rm", "--network", "host", "busybox", "wget", "-qO-"];
    let output = engine.docker(&[&run[..], &[&format!("http://{address}/")]].concat())?;
    Ok(output.success()?.contains("Served from a container"))
}

#[test]
fn who_has_no_network_of_its_own_cannot_be_connected() -> anyhow::Result<()> {
    let engine = Engine::with_busybox()?;
    engine.docker(&["network", "create", "web"])?.success()?;
    for (name, mode) in [("plain", "bridge"), ("guest", "container:plain"), ("open", "host")] {
        let run = ["run", "-d", "--name", name, "--network", mode, "busybox", "sleep", "1000"];
        engine.docker(&run)?.success()?;
    }
    for (network, container, said) in [
        ("web", "guest", "container sharing network namespace with another container or host"),
        ("web", "open", "container sharing network namespace with another container or host"),
        (
            "host",
            "plain",
            "container cannot be disconnected from host network or connected to host",
        ),
        ("nosuch", "plain", "network nosuch not found"),
        ("web", "nosuch", "No such container: nosuch"),
    ] {
        let output = engine.docker(&["network", "connect", network, container])?;
        assert!(output.failure(1)?.contains(said), "{network} {container}: {output:?}");
    }
    assert_eq!(network(&engine, "web", "{{len .Containers}}")?, "0");
    Ok(())
}

#[test]
fn a_container_is_made_in_several_networks_at_once() -> anyhow::Result<()> {
    let engine = Engine::with_busybox()?;
    for name in ["front", "back"] {
        engine.docker(&["network", "create", name])?.success()?;
    }
    let body = json!({
        "Image": "busybox", "Cmd": ["sleep", "1000"],
        "HostConfig": { "NetworkMode": "front" },
        "NetworkingConfig": { "EndpointsConfig": { "front": {}, "back": { "Aliases": ["db"] } } },
    });
    let mut old = post(&engine, "/v1.40/containers/create?name=old", &body.to_string())?;
    let message = old.message()?;
    assert_eq!(old.status, 400, "{message}");
    assert!(message.starts_with("Container cannot be connected to network endpoints"), "{message}");
    if matches!(engine, Engine::Given(_)) {
        // Of an engine that is there we do not know whether it is as new.
        return Ok(());
    }
    let made = post(&engine, "/v1.44/containers/create?name=web", &body.to_string())?;
    assert_eq!(made.status, 201);
    engine.docker(&["start", "web"])?.success()?;
    let shown = engine.docker(&["inspect", "web"])?;
    let shown: Value = serde_json::from_str(shown.success()?)?;
    let networks = &shown[0]["NetworkSettings"]["Networks"];
    for name in ["front", "back"] {
        assert_eq!(networks[name]["NetworkID"], json!(network(&engine, name, "{{.Id}}")?));
        assert_ne!(networks[name]["IPAddress"], json!(""), "{name}");
    }
    assert!(networks["back"]["DNSNames"].as_array().is_some_and(|n| n.contains(&json!("db"))));
    Ok(())
}
