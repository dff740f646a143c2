//! Where a namespace's packets go when it has several interfaces, or has one no longer.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use anyhow::{Result, ensure};
use naru_error::ErrorKind;
use naru_network::{Attachment, DefaultRoute, Interface, Networks, NetworksConfig, Subnet};

use crate::config::{bridge, interface, second_bridge, with_ipv6};
use crate::lab::{Container, GATEWAY, GATEWAY6, LAN, LAN6, Lab, SECOND_GATEWAY};

const SECOND_GATEWAY6: Ipv6Addr = Ipv6Addr::new(0xfd00, 0, 0, 0x18, 0, 0, 0, 1);

/// A container on two bridges that speak both families, with its way out by the first.
fn on_two_bridges(lab: &Lab) -> Result<(Networks, Container)> {
    let networks = Networks::open(NetworksConfig::default());
    let (first, second) = (with_ipv6(bridge(), 0x17), with_ipv6(second_bridge(), 0x18));
    lab.ensure_bridge(&networks, &first)?;
    lab.ensure_bridge(&networks, &second)?;
    let container = lab.container(&networks, &first, 2)?;
    let second_interface =
        Interface { name: "eth1".to_owned(), default_routes: Vec::new(), ..interface(&second, 2)? };
    lab.on_host(async {
        let attachment = Attachment::Bridge(second);
        Ok(networks.connect(&container.path, &attachment, &second_interface).await?)
    })?;
    Ok((networks, container))
}

fn by(interface: &str, gateway: impl Into<IpAddr>) -> DefaultRoute {
    DefaultRoute { interface: interface.to_owned(), gateway: gateway.into() }
}

/// Interface and gateway of each default route of a family.
fn default_routes(container: &Container, family: &str) -> Result<String> {
    let routes = container.namespace.command(&format!("ip {family} route show default"))?;
    let words = |line: &str| line.split_whitespace().take(5).collect::<Vec<_>>().join(" ");
    Ok(routes.lines().map(words).collect::<Vec<_>>().join("\n"))
}

#[test]
fn default_routes_are_replaced_in_both_families() -> Result<()> {
    let lab = Lab::new()?;
    let (networks, container) = on_two_bridges(&lab)?;
    let set = |routes: &[DefaultRoute]| {
        lab.on_host(async { Ok(networks.set_default_routes(&container.path, routes).await?) })
    };
    let (_v4, _v6) = (lab.lan.serve(LAN, 8000)?, lab.lan.serve(LAN6, 8000)?);
    ensure!(default_routes(&container, "-4")? == format!("default via {GATEWAY} dev eth0"));
    for _ in 0..2 {
        set(&[by("eth1", SECOND_GATEWAY), by("eth1", SECOND_GATEWAY6)])?;
        let v4 = default_routes(&container, "-4")?;
        ensure!(v4 == format!("default via {SECOND_GATEWAY} dev eth1"), "{v4}");
        let v6 = default_routes(&container, "-6")?;
        ensure!(v6 == format!("default via {SECOND_GATEWAY6} dev eth1"), "{v6}");
    }
    container.namespace.ask(LAN, 8000)?;
    container.namespace.ask(LAN6, 8000)?;
    set(&[by("eth0", GATEWAY6)])?;
    let v6 = default_routes(&container, "-6")?;
    ensure!(v6 == format!("default via {GATEWAY6} dev eth0"), "{v6}");
    ensure!(default_routes(&container, "-4")?.is_empty(), "a family that was not named");
    container.namespace.ask(LAN6, 8000)?;
    set(&[])?;
    ensure!(default_routes(&container, "-6")?.is_empty());
    ensure!(set(&[by("eth7", GATEWAY)]).is_err(), "there is no such interface");
    Ok(())
}

#[test]
fn interface_can_be_removed_from_inside_and_again() -> Result<()> {
    let lab = Lab::new()?;
    let (networks, container) = on_two_bridges(&lab)?;
    for _ in 0..2 {
        lab.on_host(async { Ok(networks.remove_interface(&container.path, "eth1").await?) })?;
    }
    let links = container.namespace.interfaces()?;
    ensure!(links.iter().any(|name| name.starts_with("eth0")), "{links:?}");
    ensure!(!links.iter().any(|name| name.starts_with("eth1")), "{links:?}");
    let ports = lab.host.command("ip -o link show master naru1")?;
    ensure!(ports.is_empty(), "{ports}");
    let nowhere = lab.directory.path().join("nowhere");
    let error =
        lab.on_host(async { Ok(networks.remove_interface(&nowhere, "eth1").await.err()) })?;
    ensure!(error.is_some_and(|error| error.kind() == ErrorKind::NotFound));
    Ok(())
}

#[test]
fn overlap_with_what_the_host_routes_is_found_in_both_families() -> Result<()> {
    let lab = Lab::new()?;
    let networks = Networks::open(NetworksConfig::default());
    lab.ensure_bridge(&networks, &with_ipv6(bridge(), 0x17))?;
    lab.host.command(&format!("ip route add 10.9.8.0/24 via {LAN}"))?;
    for (subnet, bridge, is_free) in [
        ("10.9.0.0/16", "naru1", false),
        ("10.9.8.128/25", "naru1", false),
        ("10.10.0.0/16", "naru1", true),
        ("172.17.5.0/24", "naru1", false),
        ("172.17.5.0/24", "naru0", true),
        ("fd00:0:0:17::/80", "naru1", false),
        ("fd00:0:0:17::/80", "naru0", true),
        ("2001:db8::/32", "naru0", false),
        ("fd00:0:0:99::/64", "naru1", true),
    ] {
        let asked: Subnet = subnet.parse()?;
        let free = lab.on_host(async { Ok(networks.free_subnet(&[asked], bridge).await?) })?;
        ensure!(free.is_some() == is_free, "{subnet} beside {bridge}: {free:?}");
    }
    let taken = ["fd00:0:0:17::/64".parse()?, "fd00:0:0:18::/64".parse()?];
    let free = lab.on_host(async { Ok(networks.free_subnet(&taken, "naru1").await?) })?;
    ensure!(free == Some(taken[1]), "{free:?}");
    Ok(())
}

#[test]
fn interface_itself_can_be_the_way_out() -> Result<()> {
    let lab = Lab::new()?;
    let (networks, container) = on_two_bridges(&lab)?;
    let itself = [by("eth0", Ipv4Addr::UNSPECIFIED), by("eth0", Ipv6Addr::UNSPECIFIED)];
    lab.on_host(async { Ok(networks.set_default_routes(&container.path, &itself).await?) })?;
    let v4 = default_routes(&container, "-4")?;
    ensure!(v4.starts_with("default dev eth0 scope link"), "{v4}");
    let v6 = default_routes(&container, "-6")?;
    ensure!(v6.starts_with("default dev eth0"), "{v6}");
    Ok(())
}
