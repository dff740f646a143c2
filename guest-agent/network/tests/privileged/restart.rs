//! What outlives the engine, and coming back.

use std::net::{Ipv4Addr, TcpListener};

use anyhow::{Result, ensure};
use naru_error::ErrorKind;
use naru_network::{Networks, NetworksConfig, Publication};

use crate::config::{bridge, mapping};
use crate::lab::{HOST, LAN, Lab};

#[test]
fn published_ports_outlive_the_engine_and_come_back() -> Result<()> {
    let lab = Lab::new()?;
    let networks = lab.networks()?;
    let container = lab.container(&networks, &bridge(), 2)?;
    let _server = container.namespace.serve(Ipv4Addr::UNSPECIFIED, 80)?;
    let any = Ipv4Addr::UNSPECIFIED;
    let kept = vec![mapping(any, 8080, &container)];
    let lost = vec![mapping(any, 8081, &container), mapping(any, 8082, &container)];
    lab.on_host(async {
        networks.publish("kept", &kept).await?;
        networks.publish("lost", &lost).await?;
        networks.publish("forgotten", &[mapping(any, 8083, &container)]).await?;
        Ok(())
    })?;
    drop(networks);
    lab.lan.ask(HOST, 8080)?;

    let _thief = lab.host.run(|| Ok(TcpListener::bind("0.0.0.0:8082")?))?;
    let networks = Networks::open(NetworksConfig::default());
    lab.lan.ask(HOST, 8080)?;
    let failures = lab.on_host(async {
        let publications = vec![
            Publication { key: "kept".to_owned(), mappings: kept.clone() },
            Publication { key: "lost".to_owned(), mappings: lost.clone() },
        ];
        Ok(networks.restore(vec![bridge()], publications).await?)
    })?;
    let [(key, error)] = failures.as_slice() else { anyhow::bail!("{failures:?}") };
    ensure!(key == "lost" && error.kind() == ErrorKind::Conflict, "{failures:?}");
    lab.lan.ask(HOST, 8080)?;
    ensure!(lab.lan.cannot_reach(HOST, 8081), "half of what could not be restored is open");
    ensure!(lab.lan.cannot_reach(HOST, 8083), "a port that was not restored is open");
    let taken = lab.host.run(|| Ok(TcpListener::bind("0.0.0.0:8080").is_err()))?;
    ensure!(taken, "the restored port is not reserved");
    lab.on_host(async { Ok(networks.unpublish("kept").await?) })?;
    ensure!(lab.lan.cannot_reach(HOST, 8080), "the restored port cannot be unpublished");
    Ok(())
}

#[test]
fn table_that_was_flushed_is_written_anew_by_the_next_change() -> Result<()> {
    let lab = Lab::new()?;
    let networks = lab.networks()?;
    let container = lab.container(&networks, &bridge(), 2)?;
    let _server = container.namespace.serve(Ipv4Addr::UNSPECIFIED, 80)?;
    let _outside = lab.lan.serve(LAN, 8000)?;
    let any = Ipv4Addr::UNSPECIFIED;
    lab.on_host(async { Ok(networks.publish("one", &[mapping(any, 8080, &container)]).await?) })?;
    lab.host.command("nft flush ruleset")?;
    ensure!(lab.lan.cannot_reach(HOST, 8080), "the rules were not flushed");
    lab.on_host(async { Ok(networks.publish("two", &[mapping(any, 8081, &container)]).await?) })?;
    lab.lan.ask(HOST, 8080)?;
    lab.lan.ask(HOST, 8081)?;
    container.namespace.ask(LAN, 8000)?;
    lab.host.command("nft flush ruleset")?;
    lab.on_host(async { Ok(networks.unpublish("two").await?) })?;
    lab.lan.ask(HOST, 8080)?;
    ensure!(lab.lan.cannot_reach(HOST, 8081), "an unpublished port came back");
    Ok(())
}
