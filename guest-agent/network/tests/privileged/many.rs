//! Many published ports at once.

use std::collections::HashSet;
use std::net::Ipv4Addr;

use anyhow::{Context, Result, ensure};
use naru_network::{BridgeAddress, BridgeConfig, Networks, NetworksConfig, Publication, Subnet};
use nix::sys::resource::{Resource, getrlimit, setrlimit};

use crate::config::{bridge, mapping};
use crate::lab::{HOST, Lab};

/// Enough that they outgrow one message and a socket's usual buffer.
const PORTS: usize = 7000;

#[test]
fn thousands_of_ports_are_published_and_restored() -> Result<()> {
    // Each published port holds a descriptor.
    let (_, most) = getrlimit(Resource::RLIMIT_NOFILE)?;
    setrlimit(Resource::RLIMIT_NOFILE, most, most)?;
    let lab = Lab::new()?;
    let networks = lab.networks()?;
    let container = lab.container(&networks, &bridge(), 2)?;
    let _server = container.namespace.serve(Ipv4Addr::UNSPECIFIED, 80)?;
    let asked = vec![mapping(Ipv4Addr::UNSPECIFIED, 0, &container); PORTS];
    let filled = lab.on_host(async { Ok(networks.publish("many", &asked).await?) })?;
    let (first, last) = (filled.first().context("none")?, filled.last().context("none")?);
    lab.lan.ask(HOST, first.host_port)?;
    lab.lan.ask(HOST, last.host_port)?;
    drop(networks);

    let networks = Networks::open(NetworksConfig::default());
    let publication = Publication { key: "many".to_owned(), mappings: filled.clone() };
    let failures =
        lab.on_host(async { Ok(networks.restore(vec![bridge()], vec![publication]).await?) })?;
    ensure!(failures.is_empty(), "{failures:?}");
    lab.lan.ask(HOST, first.host_port)?;
    lab.lan.ask(HOST, last.host_port)?;
    lab.on_host(async { Ok(networks.unpublish("many").await?) })?;
    ensure!(lab.lan.cannot_reach(HOST, last.host_port), "the last port is still open");
    Ok(())
}

/// As an engine begins: it takes a subnet that is free, and makes a bridge in it.
async fn begin(name: &str) -> Result<Subnet> {
    let networks = Networks::open(NetworksConfig { table: name.to_owned() });
    let _claim = networks.claim_subnets().await?;
    let free = networks.free_subnet(&Networks::default_subnets(), name).await?;
    let subnet = free.context("a subnet is free")?;
    let v4 = Some(BridgeAddress { subnet, gateway: subnet.first_host() });
    networks.ensure_bridge(&BridgeConfig { name: name.to_owned(), v4, ..bridge() }).await?;
    Ok(subnet)
}

#[test]
fn engines_that_begin_at_the_same_moment_take_different_subnets() -> Result<()> {
    let lab = Lab::new()?;
    let (one, two, three, four) = lab
        .on_host(async { tokio::try_join!(begin("n1"), begin("n2"), begin("n3"), begin("n4")) })?;
    let different = HashSet::from([one, two, three, four]);
    ensure!(different.len() == 4, "{different:?}");
    Ok(())
}
