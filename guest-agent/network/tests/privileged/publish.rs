//! Published ports.

use std::fs;
use std::net::{Ipv4Addr, TcpListener};

use anyhow::{Context, Result, ensure};
use naru_error::ErrorKind;
use naru_network::Networks;

use crate::bridge::send_loopback_to;
use crate::config::{bridge, mapping};
use crate::lab::{Container, GATEWAY, HOST, HOST_SECOND, LAN, Lab, Server};

/// A container that serves on port 80, published as `host_ip:8080`.
fn published(lab: &Lab, networks: &Networks, host_ip: Ipv4Addr) -> Result<(Container, Server)> {
    let container = lab.container(networks, &bridge(), 2)?;
    let server = container.namespace.serve(Ipv4Addr::UNSPECIFIED, 80)?;
    let mappings = [mapping(host_ip, 8080, &container)];
    lab.on_host(async { Ok(networks.publish("web", &mappings).await?) })?;
    Ok((container, server))
}

#[test]
fn neighbour_reaches_a_published_port_and_keeps_its_address() -> Result<()> {
    let lab = Lab::new()?;
    let networks = lab.networks()?;
    let _web = published(&lab, &networks, Ipv4Addr::UNSPECIFIED)?;
    ensure!(lab.lan.ask(HOST, 8080)? == LAN.to_string(), "the client's address was lost");
    lab.lan.ask(HOST_SECOND, 8080)?;
    Ok(())
}

#[test]
fn host_reaches_a_published_port_by_each_of_its_addresses() -> Result<()> {
    let lab = Lab::new()?;
    let networks = lab.networks()?;
    let _web = published(&lab, &networks, Ipv4Addr::UNSPECIFIED)?;
    for address in [Ipv4Addr::LOCALHOST, Ipv4Addr::new(127, 3, 2, 1), HOST, HOST_SECOND, GATEWAY] {
        lab.host.ask(address, 8080).with_context(|| address.to_string())?;
    }
    Ok(())
}

#[test]
fn containers_reach_a_published_port_of_their_bridge_through_the_host() -> Result<()> {
    reach_published_port_from_its_bridge(&Lab::new()?)
}

#[test]
fn they_do_so_where_bridged_packets_are_filtered() -> Result<()> {
    let lab = Lab::new()?;
    lab.filter_bridged_packets(true)?;
    reach_published_port_from_its_bridge(&lab)
}

fn reach_published_port_from_its_bridge(lab: &Lab) -> Result<()> {
    let networks = lab.networks()?;
    let (web, _server) = published(lab, &networks, Ipv4Addr::UNSPECIFIED)?;
    let other = lab.container(&networks, &bridge(), 3)?;
    other.namespace.ask(web.address, 80).context("direct")?;
    for address in [HOST, GATEWAY] {
        other.namespace.ask(address, 8080).with_context(|| format!("other to {address}"))?;
        web.namespace.ask(address, 8080).with_context(|| format!("itself to {address}"))?;
    }
    Ok(())
}

#[test]
fn port_published_on_one_address_is_on_no_other() -> Result<()> {
    let lab = Lab::new()?;
    let networks = lab.networks()?;
    let _web = published(&lab, &networks, HOST_SECOND)?;
    lab.lan.ask(HOST_SECOND, 8080)?;
    lab.host.ask(HOST_SECOND, 8080)?;
    ensure!(lab.lan.cannot_reach(HOST, 8080), "it is on another address of the host");
    ensure!(lab.host.cannot_reach(Ipv4Addr::LOCALHOST, 8080), "it is on the loopback address");
    Ok(())
}

#[test]
fn port_published_on_loopback_is_the_hosts_alone() -> Result<()> {
    let lab = Lab::new()?;
    let networks = lab.networks()?;
    let _web = published(&lab, &networks, Ipv4Addr::LOCALHOST)?;
    lab.host.ask(Ipv4Addr::LOCALHOST, 8080)?;
    ensure!(lab.lan.cannot_reach(HOST, 8080), "the neighbour reaches it by the host's address");
    send_loopback_to(&lab.lan, "lan0", HOST)?;
    ensure!(lab.lan.cannot_reach(Ipv4Addr::LOCALHOST, 8080), "the neighbour reaches 127.0.0.1");
    Ok(())
}

#[test]
fn unpublished_port_is_closed_and_free() -> Result<()> {
    let lab = Lab::new()?;
    let networks = lab.networks()?;
    let _web = published(&lab, &networks, Ipv4Addr::UNSPECIFIED)?;
    let taken = lab.host.run(|| Ok(TcpListener::bind("0.0.0.0:8080").is_err()))?;
    ensure!(taken, "another process could listen on a published port");
    lab.on_host(async {
        networks.unpublish("web").await?;
        Ok(networks.unpublish("web").await?)
    })?;
    ensure!(lab.lan.cannot_reach(HOST, 8080), "the port is still open");
    let _own = lab.host.serve(Ipv4Addr::UNSPECIFIED, 8080)?;
    lab.lan.ask(HOST, 8080)?;
    Ok(())
}

#[test]
fn port_zero_becomes_a_free_port_that_leads_to_the_container() -> Result<()> {
    let lab = Lab::new()?;
    let networks = lab.networks()?;
    let container = lab.container(&networks, &bridge(), 2)?;
    let _server = container.namespace.serve(Ipv4Addr::UNSPECIFIED, 80)?;
    let asked = [mapping(Ipv4Addr::UNSPECIFIED, 0, &container); 2];
    let filled = lab.on_host(async { Ok(networks.publish("web", &asked).await?) })?;
    let ports: Vec<u16> = filled.iter().map(|mapping| mapping.host_port).collect();
    ensure!(ports[0] != ports[1], "{ports:?}");
    for port in ports {
        lab.lan.ask(HOST, port)?;
    }
    Ok(())
}

#[test]
fn taken_ports_are_refused_in_dockers_words_and_nothing_is_published() -> Result<()> {
    let lab = Lab::new()?;
    let networks = lab.networks()?;
    let (web, _server) = published(&lab, &networks, Ipv4Addr::UNSPECIFIED)?;
    let _listener = lab.host.run(|| Ok(TcpListener::bind("0.0.0.0:9090")?))?;
    let any = Ipv4Addr::UNSPECIFIED;
    let (naru, other) = lab.on_host(async {
        let naru = [mapping(any, 7070, &web), mapping(any, 8080, &web)];
        let other = [mapping(any, 7070, &web), mapping(any, 9090, &web)];
        Ok((networks.publish("a", &naru).await.err(), networks.publish("b", &other).await.err()))
    })?;
    let (naru, other) = (naru.context("8080 twice")?, other.context("9090 taken")?);
    ensure!(naru.to_string() == "Bind for 0.0.0.0:8080 failed: port is already allocated");
    let expected = "failed to bind host port for 0.0.0.0:9090: address already in use";
    ensure!(other.to_string() == expected, "{other}");
    ensure!(naru.kind() == ErrorKind::Conflict && other.kind() == ErrorKind::Conflict);
    ensure!(lab.lan.cannot_reach(HOST, 7070), "half of a refused list was published");
    Ok(())
}

#[test]
fn other_tables_are_not_touched() -> Result<()> {
    let lab = Lab::new()?;
    let rules = "add table ip nat\nadd chain ip nat prerouting { type nat hook prerouting priority -100 ; }\n\
                 add rule ip nat prerouting tcp dport 1 dnat to 192.0.2.9:2\n\
                 add table inet naru\nadd chain inet naru mine\n";
    let file = lab.directory.path().join("rules.nft");
    fs::write(&file, rules)?;
    lab.host.command(&format!("nft -f {}", file.display()))?;
    fs::remove_file(&file)?;
    let before = lab.host.command("nft list ruleset")?;
    let networks = lab.networks()?;
    let _web = published(&lab, &networks, Ipv4Addr::UNSPECIFIED)?;
    lab.lan.ask(HOST, 8080)?;
    let table = lab.host.command("nft list table ip naru")?;
    let during = lab.host.command("nft list ruleset")?;
    ensure!(during.replace(&table, "") == before, "{during}");
    lab.on_host(async { Ok(networks.clear().await?) })?;
    ensure!(lab.host.command("nft list ruleset")? == before);
    Ok(())
}

#[test]
fn filter_of_others_holds_until_the_user_makes_an_exception_in_it() -> Result<()> {
    let lab = Lab::new()?;
    // What Docker makes of a host that did not forward before.
    for rule in [
        "add table ip filter",
        "add chain ip filter DOCKER-USER",
        "add chain ip filter FORWARD { type filter hook forward priority 0 ; policy drop ; }",
        "add rule ip filter FORWARD jump DOCKER-USER",
    ] {
        lab.host.command(&format!("nft {rule}"))?;
    }
    let networks = lab.networks()?;
    let (web, _server) = published(&lab, &networks, Ipv4Addr::UNSPECIFIED)?;
    let _outside = lab.lan.serve(LAN, 8000)?;
    ensure!(web.namespace.cannot_reach(LAN, 8000), "the host's own filter was overridden");
    ensure!(lab.lan.cannot_reach(HOST, 8080), "the host's own filter was overridden");
    for direction in ["iifname", "oifname"] {
        lab.host
            .command(&format!("nft add rule ip filter DOCKER-USER {direction} naru0 accept"))?;
    }
    web.namespace.ask(LAN, 8000)?;
    lab.lan.ask(HOST, 8080)?;
    lab.lan.command(&format!("ip route add 172.17.0.0/16 via {HOST}"))?;
    ensure!(lab.lan.cannot_reach(web.address, 80), "the exception opens unpublished ports");
    Ok(())
}

#[test]
fn table_reads_as_documented() -> Result<()> {
    let lab = Lab::new()?;
    let networks = lab.networks()?;
    let _web = published(&lab, &networks, Ipv4Addr::UNSPECIFIED)?;
    let other = lab.container(&networks, &bridge(), 3)?;
    let mappings = [mapping(Ipv4Addr::LOCALHOST, 8081, &other)];
    lab.on_host(async { Ok(networks.publish("local", &mappings).await?) })?;
    let table = lab.host.command("nft list table ip naru")?;
    ensure!(table == include_str!("table.nft"), "{table}");
    Ok(())
}
