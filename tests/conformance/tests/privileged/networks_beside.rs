//! Engines beside each other on one host.

use std::collections::BTreeSet;
use std::thread;

use anyhow::ensure;
use naru_test_framework::NativeEngine;

const ENGINES: usize = 4;

/// The subnet of a network.
fn subnet(engine: &NativeEngine, network: &str) -> anyhow::Result<String> {
    let format = "{{(index .IPAM.Config 0).Subnet}}";
    let inspect = engine.docker(&["network", "inspect", "--format", format, network])?;
    Ok(inspect.success()?.to_owned())
}

/// Starts an engine, makes a network, and gives the subnets of both its networks.
fn begin() -> anyhow::Result<(NativeEngine, [String; 2])> {
    let engine = NativeEngine::start()?;
    engine.docker(&["network", "create", "own"])?.success()?;
    let subnets = [subnet(&engine, "bridge")?, subnet(&engine, "own")?];
    Ok((engine, subnets))
}

#[test]
fn engines_that_begin_at_the_same_moment_take_different_subnets() -> anyhow::Result<()> {
    let begun = thread::scope(|scope| {
        let begin: Vec<_> = (0..ENGINES).map(|_| scope.spawn(begin)).collect();
        let joined = begin.into_iter().map(|engine| match engine.join() {
            Ok(begun) => begun,
            Err(_) => anyhow::bail!("a client panicked"),
        });
        joined.collect::<anyhow::Result<Vec<_>>>()
    })?;
    let all: Vec<&String> = begun.iter().flat_map(|(_, subnets)| subnets).collect();
    let different: BTreeSet<_> = all.iter().collect();
    ensure!(different.len() == all.len(), "{all:?}");
    Ok(())
}
