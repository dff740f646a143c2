//! Names: what containers of a network find, and what is asked for elsewhere.

use std::fs;
use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, ensure};
use naru_test_framework::{Engine, NativeEngine};

const NAMESERVER: &str = include_str!("nameserver.c");

/// Where every container of a network asks.
const RESOLVER: &str = "127.0.0.11";

/// For containers that know nobody else to ask: there, nobody answers, and says so at once.
const NOBODY: [&str; 2] = ["--dns", "127.0.0.1"];

/// An engine with the network `back`, in which `app` looks for names.
fn with_app() -> anyhow::Result<Engine> {
    let engine = Engine::with_busybox()?;
    engine.docker(&["network", "create", "back"])?.success()?;
    sleeper(&engine, "app", &[&["--network", "back"][..], &NOBODY].concat())?;
    Ok(engine)
}

fn sleeper(engine: &Engine, name: &str, options: &[&str]) -> anyhow::Result<()> {
    let run = [&["run", "-d", "--name", name][..], options, &["busybox", "sleep", "1000"]];
    engine.docker(&run.concat())?.success()?;
    Ok(())
}

fn address(engine: &Engine, container: &str, network: &str) -> anyhow::Result<String> {
    let template = format!("{{{{(index .NetworkSettings.Networks {network:?}).IPAddress}}}}");
    Ok(engine.docker(&["inspect", "-f", &template, container])?.success()?.to_owned())
}

/// The addresses that a container finds for a name, in order; none if it is not found.
fn found(engine: &Engine, container: &str, name: &str) -> anyhow::Result<Vec<String>> {
    let asked = ["exec", container, "nslookup", "-type=a", name, RESOLVER];
    let said = engine.docker(&asked)?.stdout;
    ensure!(said.contains("127.0.0.11:53"), "nslookup did not ask: {said}");
    let addresses = said.lines().filter_map(|line| line.strip_prefix("Address: "));
    let mut addresses: Vec<String> = addresses.map(str::to_owned).collect();
    addresses.sort();
    Ok(addresses)
}

/// The address that the C library finds for a name; none if it is not found.
fn resolved(engine: &Engine, container: &str, name: &str) -> anyhow::Result<Option<String>> {
    let ping = engine.docker(&["exec", container, "ping", "-c1", "-W1", name])?;
    let address = ping.stdout.split(['(', ')']).nth(1).map(str::to_owned);
    ensure!(address.is_some() || ping.stderr.contains("bad address"), "{ping:?}");
    Ok(address)
}

/// Builds a name server, a program without libraries.
pub(crate) fn build_name_server(engine: &Engine) -> anyhow::Result<PathBuf> {
    let (source, program) =
        (engine.scratch().join("nameserver.c"), engine.scratch().join("nameserver"));
    fs::write(&source, NAMESERVER)?;
    let built = Command::new("cc")
        .args(["-static", "-O1", "-Wall", "-Wextra", "-Werror", "-o"])
        .args([&program, &source])
        .output()
        .context("run cc")?;
    ensure!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
    Ok(program)
}

/// A name server in the container `up` of the network `back`, which knows two names. Returns
/// its address.
fn name_server(engine: &Engine) -> anyhow::Result<String> {
    let bind = format!("{}:/nameserver:ro", build_name_server(engine)?.display());
    let run = ["run", "-d", "--name", "up", "--network", "back", "-v", &bind, "busybox"];
    let serve = ["/nameserver", "example.test=192.0.2.7", "db.corp.test=192.0.2.8"];
    engine.docker(&[&run[..], &serve].concat())?.success()?;
    assert_eq!(engine.spawn(&["logs", "-f", "up"])?.line()?, "ready");
    address(engine, "up", "back")
}

/// Waits until the name server has said that it was asked for a name.
fn is_asked(engine: &Engine, transport: &str, name: &str) -> anyhow::Result<()> {
    let question = format!("{transport} {name} ");
    let mut log = engine.spawn(&["logs", "-f", "up"])?;
    while !log.line().with_context(|| question.clone())?.starts_with(&question) {}
    Ok(())
}

/// Whether the name server has said so by now.
fn was_asked(engine: &Engine, transport: &str, name: &str) -> anyhow::Result<bool> {
    let log = engine.docker(&["logs", "up"])?;
    let question = format!("{transport} {name} ");
    Ok(log.success()?.lines().any(|line| line.starts_with(&question)))
}

#[test]
fn a_container_is_found_by_each_of_its_names() -> anyhow::Result<()> {
    let engine = with_app()?;
    let options = ["--network", "back", "--network-alias", "site", "--network-alias", "w.w.w"];
    sleeper(&engine, "web", &options)?;
    let web = address(&engine, "web", "back")?;
    let id = engine.docker(&["inspect", "-f", "{{.Id}}", "web"])?.success()?.to_owned();

    for name in ["web", "WEB", "site", "w.w.w", &id[..12], "web.back", "site.back"] {
        assert_eq!(found(&engine, "app", name)?, [&*web], "{name}");
    }
    assert_eq!(resolved(&engine, "app", "web")?.as_deref(), Some(&*web));
    assert_eq!(resolved(&engine, "web", "web")?.as_deref(), Some(&*web), "by itself");
    let reverse = engine.docker(&["exec", "app", "nslookup", &web])?;
    let said = reverse.success()?.lines().any(|line| line.ends_with("name = web.back"));
    assert!(said, "{reverse:?}");
    // Who has no IPv6 address is not asked for elsewhere.
    let asked = engine.docker(&["exec", "app", "nslookup", "-type=aaaa", "web"])?;
    assert!(!asked.success()?.contains("can't find"), "{asked:?}");
    let conf = engine.docker(&["exec", "app", "cat", "/etc/resolv.conf"])?;
    assert!(conf.success()?.contains("nameserver 127.0.0.11\n"), "{conf:?}");
    Ok(())
}

#[test]
fn names_are_found_over_tcp() -> anyhow::Result<()> {
    let engine = with_app()?;
    let address = address(&engine, "app", "back")?;
    let expected = format!("0004{:08x}", address.parse::<Ipv4Addr>()?.to_bits());

    let question = r"\0\25\0\7\1\0\0\1\0\0\0\0\0\0\3app\0\0\1\0\1";
    let ask = format!("printf '{question}' | nc {RESOLVER} 53 | xxd -p | tr -d '\\n'");
    let answer = engine.docker(&["exec", "app", "sh", "-c", &ask])?;
    assert!(answer.success()?.ends_with(&expected), "{answer:?}");
    Ok(())
}

#[test]
fn an_alias_of_several_is_found_at_all_of_them() -> anyhow::Result<()> {
    let engine = with_app()?;
    let mut all = Vec::new();
    for name in ["one", "two", "three"] {
        sleeper(&engine, name, &["--network", "back", "--network-alias", "all"])?;
        all.push(address(&engine, name, "back")?);
    }
    all.sort();
    assert_eq!(found(&engine, "app", "all")?, all);
    engine.docker(&["rm", "-f", "two"])?.success()?;
    assert_eq!(found(&engine, "app", "all")?.len(), 2);
    engine.docker(&["stop", "-t", "0", "one", "three"])?.success()?;
    assert_eq!(resolved(&engine, "app", "all")?, None);
    Ok(())
}

#[test]
fn names_follow_their_containers() -> anyhow::Result<()> {
    let engine = with_app()?;
    sleeper(&engine, "old", &["--network", "back"])?;
    engine.docker(&["rename", "old", "new"])?.success()?;
    let address_now = address(&engine, "new", "back")?;
    assert_eq!(found(&engine, "app", "new")?, [&*address_now]);
    assert_eq!(resolved(&engine, "app", "old")?, None, "the old name is forgotten");

    engine.docker(&["network", "disconnect", "back", "new"])?.success()?;
    assert_eq!(resolved(&engine, "app", "new")?, None, "it has left");
    let connect = ["network", "connect", "--alias", "again", "back", "new"];
    engine.docker(&connect)?.success()?;
    let address_now = address(&engine, "new", "back")?;
    assert_eq!(found(&engine, "app", "again")?, [&*address_now]);
    engine.docker(&["stop", "-t", "0", "new"])?.success()?;
    assert_eq!(resolved(&engine, "app", "new")?, None, "it has stopped");
    engine.docker(&["start", "new"])?.success()?;
    assert_eq!(found(&engine, "app", "new")?, [address(&engine, "new", "back")?]);
    Ok(())
}

#[test]
fn names_are_those_of_ones_own_networks() -> anyhow::Result<()> {
    let engine = with_app()?;
    engine.docker(&["network", "create", "side"])?.success()?;
    sleeper(&engine, "other", &["--network", "side", "--network-alias", "beside"])?;
    assert_eq!(resolved(&engine, "app", "other")?, None);
    assert_eq!(resolved(&engine, "app", "other.side")?, None);

    engine.docker(&["network", "connect", "side", "app"])?.success()?;
    let other = address(&engine, "other", "side")?;
    for name in ["other", "other.side", "beside"] {
        assert_eq!(found(&engine, "app", name)?, [&*other], "{name}");
    }
    assert_eq!(resolved(&engine, "app", "other.back")?, None);
    Ok(())
}

#[test]
fn a_link_is_a_name_for_one_only() -> anyhow::Result<()> {
    let engine = with_app()?;
    sleeper(&engine, "web", &["--network", "back"])?;
    sleeper(&engine, "linked", &["--network", "back", "--link", "web:database"])?;
    let web = address(&engine, "web", "back")?;
    assert_eq!(found(&engine, "linked", "database")?, [&*web]);
    assert_eq!(found(&engine, "linked", "web")?, [&*web]);
    assert_eq!(resolved(&engine, "app", "database")?, None);
    Ok(())
}

#[test]
fn who_comes_from_the_default_network_finds_names() -> anyhow::Result<()> {
    let engine = with_app()?;
    sleeper(&engine, "plain", &NOBODY)?;
    let conf = engine.docker(&["exec", "plain", "cat", "/etc/resolv.conf"])?;
    assert!(!conf.success()?.contains(RESOLVER), "{conf:?}");

    engine.docker(&["network", "connect", "back", "plain"])?.success()?;
    let app = address(&engine, "app", "back")?;
    assert_eq!(resolved(&engine, "plain", "app")?.as_deref(), Some(&*app));
    engine.docker(&["restart", "-t", "0", "plain"])?.success()?;
    assert_eq!(resolved(&engine, "plain", "app")?.as_deref(), Some(&*app));
    Ok(())
}

#[test]
fn what_is_nobodys_name_is_asked_for_elsewhere() -> anyhow::Result<()> {
    let engine = with_app()?;
    let up = name_server(&engine)?;
    sleeper(&engine, "web", &["--network", "back", "--dns", &up])?;

    assert_eq!(found(&engine, "web", "Example.test")?, ["192.0.2.7"]);
    assert_eq!(resolved(&engine, "web", "example.test")?.as_deref(), Some("192.0.2.7"));
    assert_eq!(found(&engine, "web", "app")?, [address(&engine, "app", "back")?]);
    let unknown = engine.docker(&["exec", "web", "nslookup", "-type=a", "nosuch.test"])?;
    assert!(unknown.stdout.contains("can't find nosuch.test: NXDOMAIN"), "{unknown:?}");
    assert_eq!(resolved(&engine, "web", "nosuch")?, None);
    let question = r"\0\36\0\7\1\0\0\1\0\0\0\0\0\0\7example\4test\0\0\1\0\1";
    let ask = format!("printf '{question}' | nc {RESOLVER} 53 | xxd -p | tr -d '\\n'");
    let answer = engine.docker(&["exec", "web", "sh", "-c", &ask])?;
    assert!(answer.success()?.ends_with("0004c0000207"), "{answer:?}");

    for (transport, name) in [("udp", "Example.test"), ("tcp", "example.test"), ("udp", "nosuch")] {
        is_asked(&engine, transport, name)?;
    }
    assert!(!was_asked(&engine, "udp", "app")?, "our names are nobody else's business");
    // The name server has port 53 of all its addresses, and finds names nevertheless.
    assert_eq!(found(&engine, "up", "web")?, [address(&engine, "web", "back")?]);
    let own = engine.docker(&["exec", "up", "nslookup", "-type=a", "db.corp.test", "127.0.0.1"])?;
    assert!(own.success()?.contains("192.0.2.8"), "{own:?}");
    Ok(())
}

#[test]
fn search_domains_and_options_are_the_containers_own() -> anyhow::Result<()> {
    let engine = with_app()?;
    let up = name_server(&engine)?;
    let options = ["--network", "back", "--dns", &up, "--dns-search", "corp.test"];
    sleeper(&engine, "web", &options)?;
    assert_eq!(resolved(&engine, "web", "db")?.as_deref(), Some("192.0.2.8"));
    assert_eq!(resolved(&engine, "web", "app")?, Some(address(&engine, "app", "back")?));
    assert_eq!(
        settings(&engine, "web")?,
        ["nameserver 127.0.0.11", "options ndots:0", "search corp.test"]
    );

    let dots = ["--dns-option", "ndots:1"];
    sleeper(&engine, "dotted", &[&options[..], &dots].concat())?;
    assert_eq!(resolved(&engine, "dotted", "db")?.as_deref(), Some("192.0.2.8"));
    assert_eq!(resolved(&engine, "dotted", "lonely")?, None);
    is_asked(&engine, "udp", "lonely.corp.test")?;
    assert!(!was_asked(&engine, "udp", "lonely")?, "a name without a dot is left to domains");
    assert!(settings(&engine, "dotted")?.contains(&"options ndots:1".to_owned()));
    Ok(())
}

/// The lines of a container's `resolv.conf` but for comments, sorted.
fn settings(engine: &Engine, container: &str) -> anyhow::Result<Vec<String>> {
    let conf = engine.docker(&["exec", container, "cat", "/etc/resolv.conf"])?;
    let lines = conf.success()?.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    let mut lines: Vec<String> = lines.map(str::to_owned).collect();
    lines.sort();
    Ok(lines)
}

#[test]
fn an_internal_network_has_its_own_names_only() -> anyhow::Result<()> {
    let engine = with_app()?;
    let up = name_server(&engine)?;
    engine.docker(&["network", "create", "--internal", "inside"])?.success()?;
    sleeper(&engine, "web", &["--network", "inside", "--dns", &up])?;
    sleeper(&engine, "db", &["--network", "inside"])?;
    assert_eq!(found(&engine, "web", "db")?, [address(&engine, "db", "inside")?]);
    assert_eq!(resolved(&engine, "web", "example.test")?, None);
    assert!(!was_asked(&engine, "udp", "example.test")?, "the question has left the network");
    // With a way out, there is somebody to ask.
    engine.docker(&["network", "connect", "back", "web"])?.success()?;
    assert_eq!(resolved(&engine, "web", "example.test")?.as_deref(), Some("192.0.2.7"));
    Ok(())
}

#[test]
fn names_are_found_again_after_the_engine_was_killed() -> anyhow::Result<()> {
    let mut engine = Engine::Own(NativeEngine::with_busybox()?);
    engine.docker(&["network", "create", "back"])?.success()?;
    let up = name_server(&engine)?;
    sleeper(&engine, "web", &["--network", "back", "--network-alias", "site", "--dns", &up])?;
    let web = address(&engine, "web", "back")?;
    assert_eq!(found(&engine, "web", "site")?, [&*web]);

    for _ in 0..2 {
        if let Engine::Own(engine) = &mut engine {
            engine.kill()?;
            engine.restart()?;
        }
        for name in ["web", "site"] {
            assert_eq!(found(&engine, "up", name)?, [&*web], "{name}");
        }
        assert_eq!(found(&engine, "web", "example.test")?, ["192.0.2.7"]);
    }
    sleeper(&engine, "app", &["--network", "back"])?;
    assert_eq!(found(&engine, "app", "site")?, [&*web]);
    assert_eq!(found(&engine, "web", "app")?, [address(&engine, "app", "back")?]);
    Ok(())
}
