//! Bridges and namespaces.

use std::fs;
use std::net::Ipv4Addr;

use anyhow::{Result, ensure};
use naru_error::ErrorKind;
use naru_network::{Attachment, BridgeConfig, Networks};

use crate::config::{bridge, interface};
use crate::lab::{GATEWAY, HOST, LAN, Lab, Namespace};

#[test]
fn namespace_has_its_interface_address_and_route() -> Result<()> {
    let lab = Lab::new()?;
    let networks = lab.networks()?;
    let container = lab.container(&networks, &bridge(), 2)?;
    let links = container.namespace.command("ip -o link")?;
    ensure!(links.contains("lo: <LOOPBACK,UP,LOWER_UP>"), "{links}");
    ensure!(links.contains("link/ether 02:42:ac:11:00:02"), "{links}");
    let addresses = container.namespace.command("ip -o -4 address show eth0")?;
    ensure!(addresses.contains("172.17.0.2/16 brd 172.17.255.255"), "{addresses}");
    let routes = container.namespace.command("ip route")?;
    ensure!(routes.contains("default via 172.17.0.1 dev eth0"), "{routes}");
    Ok(())
}

#[test]
fn container_reaches_the_outside_under_the_hosts_address() -> Result<()> {
    let lab = Lab::new()?;
    let networks = lab.networks()?;
    let container = lab.container(&networks, &bridge(), 2)?;
    let _server = lab.lan.serve(LAN, 8000)?;
    ensure!(container.namespace.ask(LAN, 8000)? == HOST.to_string(), "it was not masqueraded");
    Ok(())
}

#[test]
fn bridge_without_masquerade_keeps_the_containers_address() -> Result<()> {
    let lab = Lab::new()?;
    let networks = lab.networks()?;
    let plain = BridgeConfig { masquerade: false, ..bridge() };
    lab.on_host(async { Ok(networks.ensure_bridge(&plain).await?) })?;
    let container = lab.container(&networks, &plain, 2)?;
    lab.lan.command(&format!("ip route add 172.17.0.0/16 via {HOST}"))?;
    let _server = lab.lan.serve(LAN, 8000)?;
    ensure!(container.namespace.ask(LAN, 8000)? == container.address.to_string());
    Ok(())
}

#[test]
fn containers_of_one_bridge_reach_each_other_directly() -> Result<()> {
    let lab = Lab::new()?;
    let networks = lab.networks()?;
    let one = lab.container(&networks, &bridge(), 2)?;
    let two = lab.container(&networks, &bridge(), 3)?;
    let _server = two.namespace.serve(Ipv4Addr::UNSPECIFIED, 80)?;
    let seen = one.namespace.ask(two.address, 80)?;
    ensure!(seen == one.address.to_string(), "the server saw {seen}");
    Ok(())
}

#[test]
fn neighbour_does_not_reach_an_unpublished_port() -> Result<()> {
    let lab = Lab::new()?;
    let networks = lab.networks()?;
    let container = lab.container(&networks, &bridge(), 2)?;
    let _server = container.namespace.serve(Ipv4Addr::UNSPECIFIED, 80)?;
    lab.lan.command(&format!("ip route add 172.17.0.0/16 via {HOST}"))?;
    ensure!(lab.lan.cannot_reach(container.address, 80), "the container is open");
    lab.host.ask(container.address, 80)?;
    Ok(())
}

#[test]
fn container_does_not_reach_the_hosts_loopback() -> Result<()> {
    let lab = Lab::new()?;
    let networks = lab.networks()?;
    let container = lab.container(&networks, &bridge(), 2)?;
    let _server = lab.host.serve(Ipv4Addr::UNSPECIFIED, 8000)?;
    container.namespace.ask(GATEWAY, 8000)?;
    send_loopback_to(&container.namespace, "eth0", GATEWAY)?;
    let open = !container.namespace.cannot_reach(Ipv4Addr::LOCALHOST, 8000);
    ensure!(!open, "127.0.0.1 of the host answers a container");
    Ok(())
}

/// Makes packets to 127.0.0.1 leave by an interface, as an attacker with
/// `CAP_NET_ADMIN` in a namespace can.
pub(crate) fn send_loopback_to(from: &Namespace, interface: &str, to: Ipv4Addr) -> Result<()> {
    from.command("ip link set lo down")?;
    from.command("ip address flush dev lo")?;
    from.command(&format!("ip route add 127.0.0.0/8 via {to} dev {interface}"))?;
    let switch = format!("/proc/sys/net/ipv4/conf/{interface}/route_localnet");
    from.run(|| Ok(fs::write(switch, "1")?))?;
    let route = from.command("ip route get 127.0.0.1")?;
    ensure!(route.contains(interface), "the attack does not leave the namespace: {route}");
    Ok(())
}

#[test]
fn bridge_can_be_ensured_again() -> Result<()> {
    let lab = Lab::new()?;
    let networks = lab.networks()?;
    let before = lab.host.command("ip -4 address show naru0")?;
    lab.on_host(async {
        networks.ensure_bridge(&bridge()).await?;
        Ok(networks.ensure_bridge(&BridgeConfig { mtu: 1400, ..bridge() }).await?)
    })?;
    let after = lab.host.command("ip -4 address show naru0")?;
    ensure!(before.replace("mtu 1500", "mtu 1400") == after, "{before}\n{after}");
    Ok(())
}

#[test]
fn removal_leaves_nothing_behind() -> Result<()> {
    let lab = Lab::new()?;
    let links_before = lab.host.interfaces()?;
    let networks = lab.networks()?;
    let container = lab.container(&networks, &bridge(), 2)?;
    let path = container.path.clone();
    lab.on_host(async {
        networks.disconnect(&container.host_interface).await?;
        networks.disconnect(&container.host_interface).await?;
        networks.remove_namespace(&container.path).await?;
        networks.remove_namespace(&container.path).await?;
        networks.remove_bridge("naru0").await?;
        networks.remove_bridge("naru0").await?;
        networks.clear().await?;
        Ok(networks.clear().await?)
    })?;
    ensure!(!path.exists(), "the mount point is still there");
    let mounts = fs::read_to_string("/proc/self/mountinfo")?;
    ensure!(!mounts.contains(&*path.to_string_lossy()), "the namespace is still mounted");
    let links_after = lab.host.interfaces()?;
    ensure!(links_before == links_after, "{links_after:?}");
    let rules = lab.host.command("nft list ruleset")?;
    ensure!(rules.is_empty(), "{rules}");
    Ok(())
}

#[test]
fn failed_connect_leaves_no_interface() -> Result<()> {
    let lab = Lab::new()?;
    let networks = lab.networks()?;
    let container = lab.container(&networks, &bridge(), 2)?;
    let links_before = lab.host.interfaces()?;
    let inside_before = container.namespace.interfaces()?;
    let attachment = Attachment::Bridge(bridge());
    let second = interface(&bridge(), 3)?;
    // A gateway out of reach fails after the pair has been made.
    let mut unreachable = second.clone();
    "eth1".clone_into(&mut unreachable.name);
    unreachable.default_routes = vec![Ipv4Addr::new(10, 9, 8, 7).into()];
    lab.on_host(async {
        let connected = networks.connect(&container.path, &attachment, &unreachable).await;
        ensure!(connected.is_err(), "it connected");
        let connected = networks.connect(&container.path, &attachment, &second).await;
        ensure!(connected.is_err(), "a second eth0 was made");
        Ok(())
    })?;
    ensure!(container.namespace.interfaces()? == inside_before, "it is left inside");
    let links_after = lab.host.interfaces()?;
    ensure!(links_before == links_after, "{links_before:?} {links_after:?}");
    Ok(())
}

#[test]
fn namespace_is_not_made_over_an_existing_file() -> Result<()> {
    let lab = Lab::new()?;
    let networks = lab.networks()?;
    let path = lab.directory.path().join("taken");
    fs::write(&path, "mine")?;
    let error = lab.on_host(async { Ok(networks.create_namespace(&path).await.err()) })?;
    ensure!(error.is_some_and(|error| error.kind() == ErrorKind::AlreadyExists));
    ensure!(fs::read_to_string(&path)? == "mine");
    Ok(())
}

#[test]
fn subnet_that_the_host_routes_is_not_free() -> Result<()> {
    let lab = Lab::new()?;
    let networks = lab.networks()?;
    let candidates = Networks::default_subnets();
    lab.host.command(&format!("ip route add 172.18.5.0/24 via {LAN}"))?;
    lab.host.command(&format!("ip route add 128.0.0.0/1 via {LAN}"))?;
    let (ours, others) = lab.on_host(async {
        let ours = networks.free_subnet(&candidates, "naru0").await?;
        Ok((ours, networks.free_subnet(&candidates, "naru9").await?))
    })?;
    ensure!(ours == Some(candidates[0]), "the bridge's own subnet counted: {ours:?}");
    ensure!(others == Some(candidates[2]), "{others:?}");
    Ok(())
}

#[test]
fn first_packets_of_new_containers_arrive() -> Result<()> {
    let lab = Lab::new()?;
    let networks = lab.networks()?;
    let first = lab.container(&networks, &bridge(), 2)?;
    let ear = first.namespace.listen()?;
    for host_part in 3..20 {
        let new = lab.container(&networks, &bridge(), host_part)?;
        new.namespace.say(first.address, &host_part.to_string())?;
    }
    let expected: Vec<_> = (3..20).map(|host_part| host_part.to_string()).collect();
    let heard = ear.heard(&lab.host, first.address)?;
    ensure!(heard == expected, "{heard:?}");
    Ok(())
}
