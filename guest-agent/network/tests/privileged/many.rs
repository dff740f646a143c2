//! Many published ports at once.

use std::net::Ipv4Addr;

use anyhow::{Context, Result, ensure};
use naru_network::{Networks, NetworksConfig, Publication};
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
