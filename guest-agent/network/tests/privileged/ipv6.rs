//! Networks that speak IPv6.

use std::fs;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use anyhow::{Context, Result, ensure};
use naru_network::{
    Attachment, BridgeConfig, Networks, NetworksConfig, PortMapping, Protocol, Publication,
};

use crate::config::{bridge, interface, second_bridge, with_ipv6};
use crate::lab::{Container, GATEWAY6, HOST, HOST6, HOST6_SECOND, LAN6, Lab, Namespace};
use crate::packets::{ask_udp, is_silent};

const ANY: Ipv6Addr = Ipv6Addr::UNSPECIFIED;

fn dual() -> BridgeConfig {
    with_ipv6(bridge(), 0x17)
}

fn second_dual() -> BridgeConfig {
    with_ipv6(second_bridge(), 0x18)
}

/// Networks with the default bridge up, with IPv6.
fn networks(lab: &Lab) -> Result<Networks> {
    let networks = Networks::open(NetworksConfig::default());
    lab.ensure_bridge(&networks, &dual())?;
    Ok(networks)
}

fn v6(container: &Container) -> Result<IpAddr> {
    container.addresses.get(1).copied().context("no IPv6 address")
}

fn mapping(host_ip: Ipv6Addr, host_port: u16, container: &Container) -> Result<PortMapping> {
    Ok(PortMapping {
        host_ip: host_ip.into(),
        host_port,
        container_address: v6(container)?,
        container_port: 80,
        protocol: Protocol::Tcp,
    })
}

#[test]
fn address_is_usable_at_once() -> Result<()> {
    let lab = Lab::new()?;
    let networks = networks(&lab)?;
    let one = lab.container(&networks, &dual(), 2)?;
    let addresses = one.namespace.command("ip -o -6 address show eth0 scope global")?;
    ensure!(addresses.contains("fd00:0:0:17::2/64"), "{addresses}");
    ensure!(!addresses.contains("tentative"), "{addresses}");
    let routes = one.namespace.command("ip -6 route show default")?;
    ensure!(routes.contains("via fd00:0:0:17::1 dev eth0"), "{routes}");
    let two = lab.container(&networks, &dual(), 3)?;
    let _server = two.namespace.serve(ANY, 80)?;
    ensure!(one.namespace.ask(v6(&two)?, 80)? == v6(&one)?.to_string());
    let _gateway = lab.host.serve(GATEWAY6, 8000)?;
    one.namespace.ask(GATEWAY6, 8000)?;
    Ok(())
}

#[test]
fn bridge_can_speak_ipv6_alone() -> Result<()> {
    let lab = Lab::new()?;
    let networks = Networks::open(NetworksConfig::default());
    let alone = BridgeConfig { v4: None, ..dual() };
    lab.ensure_bridge(&networks, &alone)?;
    let path = lab.directory.path().join("alone");
    lab.on_host(async {
        networks.create_namespace(&path).await?;
        let attachment = Attachment::Bridge(alone.clone());
        Ok(networks.connect(&path, &attachment, &interface(&alone, 2)?).await?)
    })?;
    let container = Namespace::at(&path)?;
    let _server = lab.lan.serve(LAN6, 8000)?;
    let seen = container.ask(LAN6, 8000)?;
    ensure!([HOST6, HOST6_SECOND].map(|own| own.to_string()).contains(&seen), "{seen}");
    let addresses = container.command("ip -o -4 address show eth0")?;
    ensure!(addresses.is_empty(), "{addresses}");
    Ok(())
}

#[test]
fn network_without_ipv6_has_it_switched_off() -> Result<()> {
    let lab = Lab::new()?;
    let networks = networks(&lab)?;
    lab.ensure_bridge(&networks, &second_bridge())?;
    let container = lab.container(&networks, &second_bridge(), 2)?;
    let inside = container.namespace.command("ip -o -6 address show eth0")?;
    let bridge = lab.host.command("ip -o -6 address show naru1")?;
    ensure!(inside.is_empty() && bridge.is_empty(), "{inside}{bridge}");
    // And has it no longer where it had.
    lab.ensure_bridge(&networks, &bridge_without(&dual()))?;
    let bridge = lab.host.command("ip -o -6 address show naru0")?;
    ensure!(bridge.is_empty(), "{bridge}");
    let tables = lab.host.command("nft list tables")?;
    ensure!(tables == "table ip naru\n", "{tables}");
    Ok(())
}

fn bridge_without(dual: &BridgeConfig) -> BridgeConfig {
    BridgeConfig { v6: None, ..dual.clone() }
}

#[test]
fn container_reaches_the_outside_under_the_hosts_address() -> Result<()> {
    let lab = Lab::new()?;
    let networks = networks(&lab)?;
    let container = lab.container(&networks, &dual(), 2)?;
    let _server = lab.lan.serve(LAN6, 8000)?;
    let seen = container.namespace.ask(LAN6, 8000)?;
    ensure!([HOST6, HOST6_SECOND].map(|own| own.to_string()).contains(&seen), "{seen}");
    Ok(())
}

#[test]
fn host_goes_on_listening_to_routers_and_never_to_containers() -> Result<()> {
    let lab = Lab::new()?;
    let accepts = |interface: &str| {
        let path = format!("/proc/sys/net/ipv6/conf/{interface}/accept_ra");
        lab.host.run(|| Ok(fs::read_to_string(&path)?.trim().to_owned()))
    };
    ensure!(accepts("uplink")? == "1");
    let _networks = networks(&lab)?;
    ensure!(accepts("uplink")? == "2", "who forwards does not listen to routers");
    ensure!(accepts("naru0")? == "0", "a container may call itself a router");
    Ok(())
}

#[test]
fn published_port_is_reached_by_neighbour_host_and_containers() -> Result<()> {
    reach_published_port(&Lab::new()?)
}

#[test]
fn it_is_so_where_bridged_packets_are_filtered() -> Result<()> {
    let lab = Lab::new()?;
    lab.filter_bridged_packets(true)?;
    reach_published_port(&lab)
}

fn reach_published_port(lab: &Lab) -> Result<()> {
    let networks = networks(lab)?;
    let web = lab.container(&networks, &dual(), 2)?;
    let other = lab.container(&networks, &dual(), 3)?;
    let (_tcp, _udp) = (web.namespace.serve(ANY, 80)?, web.namespace.serve_udp(ANY, 80, "web")?);
    let tcp = mapping(ANY, 8080, &web)?;
    let udp = PortMapping { protocol: Protocol::Udp, ..tcp };
    lab.on_host(async { Ok(networks.publish("web", &[tcp, udp]).await?) })?;
    ensure!(lab.lan.ask(HOST6, 8080)? == LAN6.to_string(), "the client's address was lost");
    let seen = ask_udp(&lab.lan.udp(HOST6, 8080)?)?;
    ensure!(seen == format!("web to {LAN6}"), "{seen}");
    for address in [HOST6, HOST6_SECOND, GATEWAY6] {
        for from in [&lab.host, &other.namespace, &web.namespace] {
            from.ask(address, 8080).with_context(|| address.to_string())?;
            ask_udp(&from.udp(address, 8080)?).with_context(|| address.to_string())?;
        }
    }
    ensure!(lab.host.cannot_reach(Ipv4Addr::LOCALHOST, 8080), "it is published in IPv4 as well");
    let sender = lab.lan.udp(HOST6, 8080)?;
    ask_udp(&sender)?;
    lab.on_host(async { Ok(networks.unpublish("web").await?) })?;
    ensure!(is_silent(&sender), "an unpublished port still leads to the container");
    ensure!(lab.lan.cannot_reach(HOST6, 8080), "the port is still open");
    Ok(())
}

#[test]
fn port_of_one_address_is_on_no_other_and_others_are_closed() -> Result<()> {
    let lab = Lab::new()?;
    let networks = networks(&lab)?;
    let web = lab.container(&networks, &dual(), 2)?;
    let _server = web.namespace.serve(ANY, 80)?;
    let one = [mapping(HOST6_SECOND, 8080, &web)?];
    lab.on_host(async { Ok(networks.publish("web", &one).await?) })?;
    lab.lan.ask(HOST6_SECOND, 8080)?;
    ensure!(lab.lan.cannot_reach(HOST6, 8080), "it is on another address of the host");
    lab.lan.command(&format!("ip route add fd00::/16 via {HOST6}"))?;
    ensure!(lab.lan.cannot_reach(v6(&web)?, 80), "an unpublished port is open");
    lab.host.ask(v6(&web)?, 80)?;
    Ok(())
}

#[test]
fn one_free_port_is_chosen_for_both_families_and_comes_back() -> Result<()> {
    let lab = Lab::new()?;
    let networks = networks(&lab)?;
    let web = lab.container(&networks, &dual(), 2)?;
    let _server = web.namespace.serve(ANY, 80)?;
    let v6 = mapping(ANY, 0, &web)?;
    let v4 = PortMapping {
        host_ip: Ipv4Addr::UNSPECIFIED.into(),
        container_address: web.address.into(),
        ..v6
    };
    let filled = lab.on_host(async { Ok(networks.publish("web", &[v4, v6]).await?) })?;
    let port = filled.first().context("nothing was published")?.host_port;
    ensure!(filled.iter().all(|mapping| mapping.host_port == port), "{filled:?}");
    drop(networks);
    lab.lan.ask(HOST6, port)?;
    let networks = Networks::open(NetworksConfig::default());
    let publication = Publication { key: "web".to_owned(), mappings: filled };
    let failures =
        lab.on_host(async { Ok(networks.restore(vec![dual()], vec![publication]).await?) })?;
    ensure!(failures.is_empty(), "{failures:?}");
    lab.lan.ask(HOST6, port)?;
    lab.lan.ask(HOST, port)?;
    Ok(())
}

/// What `container` hears of `strangers`, where it hears its friend.
fn heard(
    container: &Container,
    friend: &Namespace,
    strangers: &[&Namespace],
) -> Result<Vec<String>> {
    let ear = container.namespace.listen()?;
    for (number, stranger) in strangers.iter().enumerate() {
        stranger.say(v6(container)?, &number.to_string())?;
    }
    ear.heard(friend, v6(container)?)
}

#[test]
fn bridges_do_not_reach_each_other() -> Result<()> {
    let lab = Lab::new()?;
    let networks = networks(&lab)?;
    lab.ensure_bridge(&networks, &second_dual())?;
    let one = lab.container(&networks, &dual(), 2)?;
    let neighbour = lab.container(&networks, &dual(), 3)?;
    let other = lab.container(&networks, &second_dual(), 2)?;
    let words = heard(&one, &neighbour.namespace, &[&other.namespace])?;
    ensure!(words.is_empty(), "{words:?}");
    Ok(())
}

#[test]
fn containers_that_are_kept_apart_do_not_reach_each_other() -> Result<()> {
    let lab = Lab::new()?;
    let networks = networks(&lab)?;
    let apart = BridgeConfig { inter_container: false, ..dual() };
    lab.ensure_bridge(&networks, &apart)?;
    let one = lab.container(&networks, &apart, 2)?;
    let two = lab.container(&networks, &apart, 3)?;
    let words = heard(&two, &lab.host, &[&one.namespace])?;
    ensure!(words.is_empty(), "the ports are not isolated: {words:?}");
    one.namespace.command(&format!("ip route add {}/128 via {GATEWAY6}", v6(&two)?))?;
    let words = heard(&two, &lab.host, &[&one.namespace])?;
    ensure!(words.is_empty(), "the host routes between them: {words:?}");
    Ok(())
}

#[test]
fn nothing_enters_or_leaves_an_internal_network() -> Result<()> {
    let lab = Lab::new()?;
    let networks = networks(&lab)?;
    let internal = BridgeConfig { internal: true, ..dual() };
    lab.ensure_bridge(&networks, &internal)?;
    lab.ensure_bridge(&networks, &second_dual())?;
    let inside = lab.container(&networks, &internal, 2)?;
    let member = lab.container(&networks, &internal, 3)?;
    let other = lab.container(&networks, &second_dual(), 2)?;
    lab.lan.command(&format!("ip route add fd00::/16 via {HOST6}"))?;
    let words = heard(&inside, &member.namespace, &[&lab.lan, &other.namespace])?;
    ensure!(words.is_empty(), "{words:?}");
    let words = heard(&other, &lab.host, &[&inside.namespace])?;
    ensure!(words.is_empty(), "{words:?}");
    let ear = lab.lan.listen()?;
    inside.namespace.say(LAN6, "from inside")?;
    let words = ear.heard(&other.namespace, LAN6)?;
    ensure!(words.is_empty(), "{words:?}");
    let _server = lab.host.serve(ANY, 8000)?;
    inside.namespace.ask(GATEWAY6, 8000)?;
    ensure!(inside.namespace.cannot_reach(HOST6, 8000), "another address of the host is open");
    Ok(())
}

#[test]
fn table_reads_as_documented() -> Result<()> {
    let lab = Lab::new()?;
    let networks = networks(&lab)?;
    lab.ensure_bridge(&networks, &BridgeConfig { internal: true, ..second_dual() })?;
    let web = lab.container(&networks, &dual(), 2)?;
    let mappings = [mapping(ANY, 8080, &web)?, mapping(HOST6, 8081, &web)?];
    lab.on_host(async { Ok(networks.publish("web", &mappings).await?) })?;
    let table = lab.host.command("nft list table ip6 naru")?;
    ensure!(table == include_str!("table6.nft"), "{table}");
    Ok(())
}
