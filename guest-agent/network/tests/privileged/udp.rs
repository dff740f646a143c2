//! Published UDP ports.

use std::net::{Ipv4Addr, UdpSocket};

use anyhow::{Context, Result, ensure};
use naru_error::ErrorKind;
use naru_network::{Networks, PortMapping, Protocol};

use crate::config::{bridge, mapping};
use crate::lab::{Container, GATEWAY, HOST, HOST_SECOND, LAN, Lab};
use crate::packets::{UdpServer, ask_udp, is_silent};

const ANY: Ipv4Addr = Ipv4Addr::UNSPECIFIED;

fn udp(host_ip: Ipv4Addr, container: &Container) -> PortMapping {
    let tcp = mapping(host_ip, 8080, container);
    PortMapping { protocol: Protocol::Udp, ..tcp }
}

/// A container that answers on UDP port 80.
fn container(
    lab: &Lab,
    networks: &Networks,
    host_part: u32,
    name: &'static str,
) -> Result<(Container, UdpServer)> {
    let container = lab.container(networks, &bridge(), host_part)?;
    let server = container.namespace.serve_udp(ANY, 80, name)?;
    Ok((container, server))
}

#[test]
fn neighbour_and_host_reach_a_udp_port() -> Result<()> {
    let lab = Lab::new()?;
    let networks = lab.networks()?;
    let (web, _server) = container(&lab, &networks, 2, "web")?;
    let other = lab.container(&networks, &bridge(), 3)?;
    lab.on_host(async { Ok(networks.publish("web", &[udp(ANY, &web)]).await?) })?;
    let seen = ask_udp(&lab.lan.udp(HOST, 8080)?)?;
    ensure!(seen == format!("web to {LAN}"), "the sender's address was lost: {seen}");
    for address in [Ipv4Addr::LOCALHOST, HOST, HOST_SECOND, GATEWAY] {
        ask_udp(&lab.host.udp(address, 8080)?).with_context(|| address.to_string())?;
    }
    for address in [HOST, GATEWAY] {
        ask_udp(&other.namespace.udp(address, 8080)?).with_context(|| address.to_string())?;
        ask_udp(&web.namespace.udp(address, 8080)?).with_context(|| address.to_string())?;
    }
    Ok(())
}

#[test]
fn udp_port_of_one_address_is_on_no_other() -> Result<()> {
    let lab = Lab::new()?;
    let networks = lab.networks()?;
    let (web, _server) = container(&lab, &networks, 2, "web")?;
    lab.on_host(async { Ok(networks.publish("web", &[udp(HOST_SECOND, &web)]).await?) })?;
    ask_udp(&lab.lan.udp(HOST_SECOND, 8080)?)?;
    ensure!(is_silent(&lab.lan.udp(HOST, 8080)?), "it is on another address of the host");
    ensure!(lab.lan.cannot_reach(HOST_SECOND, 8080), "TCP is published as well");
    Ok(())
}

#[test]
fn sender_that_never_pauses_reaches_a_port_once_it_is_published() -> Result<()> {
    let lab = Lab::new()?;
    let networks = lab.networks()?;
    let (web, _server) = container(&lab, &networks, 2, "web")?;
    let before = lab.host.serve_udp(ANY, 8080, "host")?;
    let sender = lab.lan.udp(HOST, 8080)?;
    ensure!(ask_udp(&sender)?.starts_with("host"));
    drop(before);
    lab.on_host(async { Ok(networks.publish("web", &[udp(ANY, &web)]).await?) })?;
    let answer = ask_udp(&sender)?;
    ensure!(answer.starts_with("web"), "{answer}");
    Ok(())
}

#[test]
fn sender_that_never_pauses_follows_a_port_to_another_container() -> Result<()> {
    let lab = Lab::new()?;
    let networks = lab.networks()?;
    let (old, _old_server) = container(&lab, &networks, 2, "old")?;
    let (new, _new_server) = container(&lab, &networks, 3, "new")?;
    for address in [ANY, HOST] {
        lab.on_host(async { Ok(networks.publish("old", &[udp(address, &old)]).await?) })?;
        let sender = lab.lan.udp(HOST, 8080)?;
        ensure!(ask_udp(&sender)?.starts_with("old"));
        lab.on_host(async { Ok(networks.unpublish("old").await?) })?;
        ensure!(is_silent(&sender), "an unpublished port still leads to the container");
        lab.on_host(async { Ok(networks.publish("new", &[udp(address, &new)]).await?) })?;
        let answer = ask_udp(&sender)?;
        ensure!(answer.starts_with("new"), "{answer}");
        lab.on_host(async { Ok(networks.unpublish("new").await?) })?;
    }
    Ok(())
}

#[test]
fn taken_udp_port_is_refused_in_dockers_words() -> Result<()> {
    let lab = Lab::new()?;
    let networks = lab.networks()?;
    let (web, _server) = container(&lab, &networks, 2, "web")?;
    let _program = lab.host.run(|| Ok(UdpSocket::bind("0.0.0.0:8080")?))?;
    let error =
        lab.on_host(async { Ok(networks.publish("web", &[udp(ANY, &web)]).await.err()) })?;
    let error = error.context("it was published")?;
    let expected = "failed to bind host port for 0.0.0.0:8080: address already in use";
    ensure!(error.to_string() == expected && error.kind() == ErrorKind::Conflict, "{error}");
    let tcp = [mapping(ANY, 8080, &web)];
    lab.on_host(async { Ok(networks.publish("web", &tcp).await?) })?;
    Ok(())
}
