//! The names that containers have in networks of users.

use naru_test_framework::{Engine, NativeEngine};

use crate::networks_connect::address;

/// Runs a container that does nothing.
fn idle(engine: &Engine, name: &str, options: &[&str]) -> anyhow::Result<()> {
    let run = ["run", "-d", "--name", name];
    engine.docker(&[&run[..], options, &["busybox", "sleep", "1000"]].concat())?.success()?;
    Ok(())
}

/// The addresses that a container finds under a name, without a dot at its end; none if there
/// are none.
fn found(engine: &Engine, container: &str, name: &str) -> anyhow::Result<Vec<String>> {
    let name = format!("{name}.");
    let output = engine.docker(&["exec", container, "nslookup", "-type=a", &name])?;
    let Ok(said) = output.success() else { return Ok(Vec::new()) };
    // The server's own address stands before the answer.
    let answer = said.split_once("Name:").map_or("", |(_, answer)| answer);
    let lines = answer.lines().filter_map(|line| line.strip_prefix("Address"));
    let words = lines.filter_map(|line| line.split_whitespace().find(|word| word.contains('.')));
    let mut addresses: Vec<String> = words.map(str::to_owned).collect();
    addresses.sort();
    addresses.dedup();
    Ok(addresses)
}

#[test]
fn containers_find_each_other_by_every_name() -> anyhow::Result<()> {
    let engine = Engine::with_busybox()?;
    engine.docker(&["network", "create", "web"])?.success()?;
    engine.docker(&["network", "create", "side"])?.success()?;
    let options = ["--network", "web", "--network-alias", "store", "--hostname", "base"];
    idle(&engine, "db", &options)?;
    idle(&engine, "app", &["--network", "web"])?;
    let db = [address(&engine, "db", "web")?];
    let id = engine.docker(&["inspect", "-f", "{{.Id}}", "db"])?.success()?[..12].to_owned();
    for name in ["db", "store", "db.web", "DB", &id] {
        assert_eq!(found(&engine, "app", name)?, db, "{name}");
    }
    assert_eq!(found(&engine, "app", "nosuch")?, [""; 0]);
    let conf = engine.docker(&["exec", "app", "cat", "/etc/resolv.conf"])?;
    let conf = conf.success()?;
    assert!(conf.contains("nameserver 127.0.0.11\n") && conf.contains("ndots:0"), "{conf}");

    // One name may be several containers'.
    idle(&engine, "db2", &["--network", "web", "--network-alias", "store"])?;
    let mut both = [db[0].clone(), address(&engine, "db2", "web")?];
    both.sort();
    assert_eq!(found(&engine, "app", "store")?, both);

    // In another network nobody knows them, until somebody comes in.
    idle(&engine, "far", &["--network", "side"])?;
    assert_eq!(found(&engine, "far", "db")?, [""; 0]);
    engine.docker(&["network", "connect", "--alias", "near", "side", "db"])?.success()?;
    let near = [address(&engine, "db", "side")?];
    assert_eq!(found(&engine, "far", "near")?, near);
    assert_eq!(found(&engine, "far", "db")?, near);
    engine.docker(&["network", "disconnect", "side", "db"])?.success()?;
    assert_eq!(found(&engine, "far", "db")?, [""; 0]);

    engine.docker(&["rename", "db", "base2"])?.success()?;
    assert_eq!(found(&engine, "app", "base2")?, db);
    assert_eq!(found(&engine, "app", "db")?, [""; 0]);
    engine.docker(&["rm", "-f", "base2", "db2"])?.success()?;
    assert_eq!(found(&engine, "app", "store")?, [""; 0]);
    Ok(())
}

#[test]
fn a_link_is_a_name_of_the_containers_own() -> anyhow::Result<()> {
    let engine = Engine::with_busybox()?;
    engine.docker(&["network", "create", "web"])?.success()?;
    idle(&engine, "db", &["--network", "web"])?;
    idle(&engine, "app", &[])?;
    let conf = engine.docker(&["exec", "app", "cat", "/etc/resolv.conf"])?;
    assert!(!conf.success()?.contains("127.0.0.11"), "the default bridge has no names");
    engine.docker(&["network", "connect", "--link", "db:mysql", "web", "app"])?.success()?;
    let db = [address(&engine, "db", "web")?];
    assert_eq!(found(&engine, "app", "mysql")?, db);
    assert_eq!(found(&engine, "app", "db")?, db);
    assert_eq!(found(&engine, "db", "mysql")?, [""; 0]);
    Ok(())
}

#[test]
fn names_are_served_after_the_engine_was_killed() -> anyhow::Result<()> {
    let mut engine = Engine::Own(NativeEngine::with_busybox()?);
    engine.docker(&["network", "create", "web"])?.success()?;
    idle(&engine, "db", &["--network", "web", "--network-alias", "store"])?;
    idle(&engine, "app", &["--network", "web"])?;
    let db = [address(&engine, "db", "web")?];
    for _ in 0..2 {
        if let Engine::Own(engine) = &mut engine {
            engine.kill()?;
            engine.restart()?;
        }
        assert_eq!(found(&engine, "app", "store")?, db);
    }
    engine.docker(&["restart", "-t", "0", "app"])?.success()?;
    assert_eq!(found(&engine, "app", "db")?, db);
    Ok(())
}
