//! Networks beside an interface of the host's.

use std::process::{Command, id};

use anyhow::ensure;
use naru_test_framework::{Engine, NativeEngine};

use crate::networks_connect::{address, reaches, reaches_not, serve};

/// A pair of interfaces of the host, of which one can be a parent. It goes with its handle.
struct Parent(String);

impl Parent {
    fn new() -> anyhow::Result<Self> {
        let parent = Self(format!("np{}", id()));
        let peer = format!("nq{}", id());
        ip(&["link", "add", &parent.0, "type", "veth", "peer", "name", &peer])?;
        ip(&["link", "set", &parent.0, "up"])?;
        ip(&["link", "set", &peer, "up"])?;
        Ok(parent)
    }
}

impl Drop for Parent {
    fn drop(&mut self) {
        // What is left of it goes with the machine.
        drop(ip(&["link", "del", &self.0]));
    }
}

fn ip(words: &[&str]) -> anyhow::Result<()> {
    ensure!(Command::new("ip").args(words).status()?.success(), "ip {words:?}");
    Ok(())
}

#[test]
fn containers_beside_an_interface_reach_each_other() -> anyhow::Result<()> {
    let engine = Engine::Own(NativeEngine::with_busybox()?);
    let parent = Parent::new()?;
    let option = format!("parent={}", parent.0);
    let create = ["network", "create", "-d", "macvlan", "-o", &option, "--subnet", "10.236.0.0/24"];
    engine.docker(&[&create[..], &["beside"]].concat())?.success()?;
    serve(&engine, "one", &["--network", "beside"])?;
    serve(&engine, "two", &["--network", "beside"])?;
    let one = address(&engine, "one", "beside")?;
    reaches(&engine, "two", &one)?;

    // The host is beside it too, and in no network with it.
    serve(&engine, "far", &[])?;
    reaches_not(&engine, "far", &one)?;
    engine.docker(&["network", "disconnect", "beside", "two"])?.success()?;
    reaches_not(&engine, "two", &one)?;
    engine.docker(&["network", "connect", "beside", "two"])?.success()?;
    reaches(&engine, "two", &one)?;
    engine.docker(&["rm", "-f", "one", "two"])?.success()?;
    engine.docker(&["network", "rm", "beside"])?.success()?;
    Ok(())
}

#[test]
fn what_is_beside_nothing_is_refused() -> anyhow::Result<()> {
    let engine = Engine::Own(NativeEngine::with_busybox()?);
    for (option, said) in [
        ("parent=nosuch0", "the host has no interface nosuch0"),
        ("macvlan_mode=bridge", "-o parent="),
        ("macvlan_mode=odd", "unknown macvlan mode: odd"),
    ] {
        let output = engine.docker(&["network", "create", "-d", "macvlan", "-o", option, "n"])?;
        assert!(output.failure(1)?.contains(said), "{output:?}");
    }
    let list = engine.docker(&["network", "ls", "-q", "--filter", "type=custom"])?;
    assert_eq!(list.success()?, "");
    Ok(())
}
