//! An engine that is killed finds its networks again, and who is in them.

use std::fs;

use naru_test_framework::{Engine, NativeEngine};

use crate::networks::network;
use crate::networks_connect::{address, reaches, serve};

#[test]
fn networks_outlive_their_engine() -> anyhow::Result<()> {
    let mut engine = Engine::Own(NativeEngine::with_busybox()?);
    engine.docker(&["network", "create", "--subnet", "10.235.0.0/24", "web"])?.success()?;
    engine.docker(&["network", "create", "idle"])?.success()?;
    serve(&engine, "one", &["--network", "web"])?;
    serve(&engine, "two", &["--network", "web", "--ip", "10.235.0.9"])?;
    engine.docker(&["network", "connect", "idle", "two"])?.success()?;
    let before = engine.docker(&["network", "inspect", "web", "idle"])?;
    let one = address(&engine, "one", "web")?;

    if let Engine::Own(engine) = &mut engine {
        engine.kill()?;
        engine.restart()?;
    }
    let after = engine.docker(&["network", "inspect", "web", "idle"])?;
    assert_eq!(before.success()?, after.success()?);
    reaches(&engine, "two", &one)?;
    let run = ["run", "--rm", "--network", "web", "--ip", "10.235.0.9", "busybox", "true"];
    let output = engine.docker(&run)?;
    assert!(output.failure(125)?.contains("Address already in use"), "{output:?}");
    serve(&engine, "three", &["--network", "web"])?;
    reaches(&engine, "three", &one)?;
    let removed = engine.docker(&["network", "rm", "web"])?;
    assert!(removed.failure(1)?.contains("has active endpoints"), "{removed:?}");
    engine.docker(&["network", "disconnect", "idle", "two"])?.success()?;
    engine.docker(&["network", "rm", "idle"])?.success()?;
    Ok(())
}

#[test]
fn a_start_that_fails_leaves_nothing_in_the_network() -> anyhow::Result<()> {
    let engine = Engine::Own(NativeEngine::with_busybox()?);
    engine.docker(&["network", "create", "web"])?.success()?;
    engine.docker(&["network", "create", "side"])?.success()?;
    let bridge = format!("br-{}", &network(&engine, "web", "{{.Id}}")?[..12]);
    let ports = || -> anyhow::Result<usize> {
        Ok(fs::read_dir(format!("/sys/class/net/{bridge}/brif"))?.count())
    };
    for command in ["nosuch", "/etc"] {
        let create = ["create", "--name", "bad", "--network", "web", "busybox", command];
        engine.docker(&create)?.success()?;
        engine.docker(&["network", "connect", "side", "bad"])?.success()?;
        engine.docker(&["start", "bad"])?.failure(1)?;
        assert_eq!(ports()?, 0);
        assert_eq!(network(&engine, "web", "{{len .Containers}}")?, "0");
        engine.docker(&["rm", "bad"])?.success()?;
    }
    engine.docker(&["network", "rm", "web", "side"])?.success()?;
    assert!(!fs::exists(format!("/sys/class/net/{bridge}"))?, "the bridge is gone");
    Ok(())
}
