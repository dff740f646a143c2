//! Who does not reach whom, proven by packets that do not arrive.

use std::net::Ipv4Addr;

use anyhow::{Context, Result, ensure};
use naru_network::{BridgeConfig, Networks};

use crate::config::{bridge, mapping, second_bridge};
use crate::lab::{Container, GATEWAY, HOST, LAN, Lab, Namespace, SECOND_GATEWAY};
use crate::packets::{ask_udp, is_silent};

const ANY: Ipv4Addr = Ipv4Addr::UNSPECIFIED;

/// What `container` hears of `strangers`, where it hears its friend.
fn heard(
    container: &Container,
    friend: &Namespace,
    strangers: &[&Namespace],
) -> Result<Vec<String>> {
    let ear = container.namespace.listen()?;
    for (number, stranger) in strangers.iter().enumerate() {
        stranger.say(container.address, &number.to_string())?;
    }
    ear.heard(friend, container.address)
}

#[test]
fn bridges_do_not_reach_each_other() -> Result<()> {
    let lab = Lab::new()?;
    let networks = lab.networks()?;
    lab.ensure_bridge(&networks, &second_bridge())?;
    let one = lab.container(&networks, &bridge(), 2)?;
    let neighbour = lab.container(&networks, &bridge(), 3)?;
    let other = lab.container(&networks, &second_bridge(), 2)?;
    let words = heard(&one, &neighbour.namespace, &[&other.namespace])?;
    ensure!(words.is_empty(), "{words:?}");
    let words = heard(&other, &lab.host, &[&one.namespace])?;
    ensure!(words.is_empty(), "{words:?}");
    // Nor through what the other bridge's container has published.
    let _server = other.namespace.serve(ANY, 80)?;
    lab.on_host(async { Ok(networks.publish("web", &[mapping(ANY, 8080, &other)]).await?) })?;
    one.namespace.ask(HOST, 8080).context("a published port is everybody's")?;
    ensure!(one.namespace.cannot_reach(other.address, 80), "its own port is open");
    Ok(())
}

#[test]
fn containers_that_are_kept_apart_reach_the_outside_but_not_each_other() -> Result<()> {
    for filtered in [false, true] {
        let lab = Lab::new()?;
        lab.filter_bridged_packets(filtered)?;
        let networks = lab.networks()?;
        let apart = BridgeConfig { inter_container: false, ..bridge() };
        lab.ensure_bridge(&networks, &apart)?;
        let one = lab.container(&networks, &apart, 2)?;
        let two = lab.container(&networks, &apart, 3)?;
        let words = heard(&two, &lab.host, &[&one.namespace])?;
        ensure!(words.is_empty(), "the ports are not isolated: {words:?}");
        // The bridge itself is reached by both, and would route between them.
        one.namespace.command(&format!("ip route add {}/32 via {GATEWAY}", two.address))?;
        let words = heard(&two, &lab.host, &[&one.namespace])?;
        ensure!(words.is_empty(), "the host routes between them: {words:?}");
        lab.lan.listen()?.heard(&one.namespace, LAN)?;
        if filtered {
            // The address is translated within the bridge then, and the ports are isolated.
            continue;
        }
        let _server = two.namespace.serve(ANY, 80)?;
        lab.on_host(async { Ok(networks.publish("web", &[mapping(ANY, 8080, &two)]).await?) })?;
        one.namespace.ask(HOST, 8080).context("a published port is everybody's")?;
    }
    Ok(())
}

/// The default bridge, internal, with a container.
fn internal(lab: &Lab, networks: &Networks) -> Result<(BridgeConfig, Container)> {
    let internal = BridgeConfig { internal: true, ..bridge() };
    lab.ensure_bridge(networks, &internal)?;
    let container = lab.container(networks, &internal, 2)?;
    Ok((internal, container))
}

#[test]
fn members_of_an_internal_network_reach_each_other_and_the_gateway() -> Result<()> {
    for filtered in [false, true] {
        let lab = Lab::new()?;
        lab.filter_bridged_packets(filtered)?;
        let networks = lab.networks()?;
        let (internal, one) = internal(&lab, &networks)?;
        let two = lab.container(&networks, &internal, 3)?;
        ensure!(heard(&two, &one.namespace, &[])?.is_empty());
        let _server = lab.host.serve(ANY, 8000)?;
        one.namespace.ask(GATEWAY, 8000)?;
        ensure!(one.namespace.cannot_reach(HOST, 8000), "another address of the host is open");
    }
    Ok(())
}

#[test]
fn nothing_leaves_an_internal_network() -> Result<()> {
    let lab = Lab::new()?;
    let networks = lab.networks()?;
    let (_, inside) = internal(&lab, &networks)?;
    lab.ensure_bridge(&networks, &second_bridge())?;
    let other = lab.container(&networks, &second_bridge(), 2)?;
    // It has a default route here, as one with `CAP_NET_ADMIN` can have.
    lab.lan.command(&format!("ip route add 172.16.0.0/12 via {HOST}"))?;
    let ear = lab.lan.listen()?;
    inside.namespace.say(LAN, "from inside")?;
    let words = ear.heard(&other.namespace, LAN)?;
    ensure!(words.is_empty(), "{words:?}");
    let words = heard(&other, &lab.host, &[&inside.namespace])?;
    ensure!(words.is_empty(), "{words:?}");
    let _server = other.namespace.serve(ANY, 80)?;
    lab.on_host(async { Ok(networks.publish("web", &[mapping(ANY, 8080, &other)]).await?) })?;
    lab.lan.ask(HOST, 8080)?;
    for address in [HOST, GATEWAY, SECOND_GATEWAY] {
        ensure!(inside.namespace.cannot_reach(address, 8080), "{address} leads out");
    }
    Ok(())
}

#[test]
fn nothing_enters_an_internal_network() -> Result<()> {
    let lab = Lab::new()?;
    let networks = lab.networks()?;
    let (_, inside) = internal(&lab, &networks)?;
    lab.ensure_bridge(&networks, &second_bridge())?;
    let other = lab.container(&networks, &second_bridge(), 2)?;
    lab.lan.command(&format!("ip route add 172.16.0.0/12 via {HOST}"))?;
    let words = heard(&inside, &lab.host, &[&lab.lan, &other.namespace])?;
    ensure!(words.is_empty(), "{words:?}");
    let _server = inside.namespace.serve(ANY, 80)?;
    lab.on_host(async { Ok(networks.publish("web", &[mapping(ANY, 8080, &inside)]).await?) })?;
    lab.host.ask(inside.address, 80)?;
    ensure!(lab.lan.cannot_reach(HOST, 8080), "a published port leads in");
    ensure!(other.namespace.cannot_reach(HOST, 8080), "a published port leads in");
    Ok(())
}

#[test]
fn what_was_connected_before_a_network_became_internal_is_cut() -> Result<()> {
    let lab = Lab::new()?;
    let networks = lab.networks()?;
    let container = lab.container(&networks, &bridge(), 2)?;
    let _server = lab.lan.serve_udp(ANY, 8000, "lan")?;
    let socket = container.namespace.udp(LAN, 8000)?;
    ask_udp(&socket)?;
    lab.ensure_bridge(&networks, &BridgeConfig { internal: true, ..bridge() })?;
    ensure!(is_silent(&socket), "the connection goes on");
    Ok(())
}
