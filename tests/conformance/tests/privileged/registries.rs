//! `push`, `search`, `manifest inspect`, and what other tools make of what was pushed.

use std::process::Command;

use anyhow::{Context, ensure};
use naru_test_framework::{Engine, Guard, Registry, TokenServer, images};

use crate::expect_error;
use crate::raw::ask;

/// The last line of a push, and the digest in it.
fn pushed(output: &str, tag: &str) -> anyhow::Result<String> {
    let last = output.lines().last().unwrap_or_default();
    let rest = last.strip_prefix(&format!("{tag}: digest: ")).context(last.to_owned())?;
    let (digest, size) = rest.split_once(" size: ").context(last.to_owned())?;
    ensure!(digest.starts_with("sha256:") && size.parse::<u32>()? > 100, "{last}");
    Ok(digest.to_owned())
}

/// How many lines tell this of a layer.
fn told(output: &str, state: &str) -> usize {
    output.lines().filter(|line| line.ends_with(state)).count()
}

fn run(program: &str, arguments: &[&str]) -> anyhow::Result<String> {
    let output = Command::new(program).args(arguments).output()?;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    ensure!(output.status.success(), "{program} {arguments:?}: {said}");
    Ok(String::from_utf8(output.stdout)?.trim_end().to_owned())
}

#[test]
fn a_pushed_image_comes_back_the_same() -> anyhow::Result<()> {
    let registry = Registry::start()?;
    let engine = Engine::with_busybox()?;
    let name = registry.reference("tools/busybox", "1.0");
    let id = engine.docker(&["inspect", "-f", "{{.Id}}", "busybox"])?.success()?.to_owned();
    engine.docker(&["tag", "busybox", &name])?.success()?;

    let output = engine.docker(&["push", &name])?;
    let output = output.success()?;
    let bare = name.trim_end_matches(":1.0");
    assert!(output.starts_with(&format!("The push refers to repository [{bare}]\n")), "{output}");
    assert!(told(output, ": Preparing") > 0 && told(output, ": Pushed") > 0, "{output}");
    let digest = pushed(output, "1.0")?;
    let digests = engine.docker(&["inspect", "-f", "{{.RepoDigests}}", &name])?;
    assert_eq!(digests.success()?, format!("[{bare}@{digest}]"));
    let now = engine.docker(&["info", "--format", "{{.SystemTime}}"])?;
    let events = ["events", "--since", engine.since(), "--until", now.success()?];
    let events = engine.docker(&[&events[..], &["--filter", "event=push"]].concat())?;
    assert!(events.success()?.contains(&format!("image push {name}")), "{events:?}");

    engine.docker(&["rmi", "busybox", &name])?.success()?;
    let by_digest = format!("{bare}@{digest}");
    engine.docker(&["pull", &by_digest])?.success()?;
    assert_eq!(engine.docker(&["inspect", "-f", "{{.Id}}", &by_digest])?.success()?, id);
    assert_eq!(engine.docker(&["run", "--rm", &by_digest, "echo", "back"])?.success()?, "back");
    Ok(())
}

#[test]
fn what_the_registry_has_is_not_sent_again() -> anyhow::Result<()> {
    let registry = Registry::start()?;
    let engine = Engine::with_busybox()?;
    let (first, second) = (registry.reference("a/box", "1"), registry.reference("b/box", "1"));
    let (third, all) = (registry.reference("a/box", "2"), registry.reference("a/box", ""));
    for name in [&first, &second, &third] {
        engine.docker(&["tag", "busybox", name])?.success()?;
    }
    let output = engine.docker(&["push", &first])?;
    let digest = pushed(output.success()?, "1")?;
    let again = engine.docker(&["push", &first])?;
    let again = again.success()?;
    assert!(told(again, "Layer already exists") > 0 && told(again, ": Pushed") == 0, "{again}");
    assert_eq!(pushed(again, "1")?, digest, "the same image has the same manifest");
    let other = engine.docker(&["push", &second])?;
    let other = other.success()?;
    assert!(told(other, "Mounted from a/box") > 0 && told(other, ": Pushed") == 0, "{other}");
    assert_eq!(pushed(other, "1")?, digest);
    let both = engine.docker(&["push", "--all-tags", all.trim_end_matches(':')])?;
    let both = both.success()?;
    assert!(both.contains(&format!("1: digest: {digest}")), "{both}");
    assert_eq!(pushed(both, "2")?, digest);
    Ok(())
}

#[test]
fn a_pulled_image_is_pushed_with_the_manifest_it_came_with() -> anyhow::Result<()> {
    let registry = Registry::start()?;
    let image = images::busybox()?;
    let digest = registry.push("from/box", "1", &image)?;
    let engine = Engine::start()?;
    let (from, to) = (registry.reference("from/box", "1"), registry.reference("to/box", "1"));
    engine.docker(&["pull", &from])?.success()?;
    engine.docker(&["tag", &from, &to])?.success()?;
    let output = engine.docker(&["push", &to])?;
    let output = output.success()?;
    assert!(told(output, "Mounted from from/box") > 0, "{output}");
    assert_eq!(pushed(output, "1")?, digest);
    // A registry that has nothing of it gets layers of our own.
    let other = Registry::start()?;
    let elsewhere = other.reference("box", "1");
    engine.docker(&["tag", &from, &elsewhere])?.success()?;
    let output = engine.docker(&["push", &elsewhere])?;
    assert!(told(output.success()?, ": Pushed") > 0, "{output:?}");
    Ok(())
}

#[test]
fn what_cannot_be_pushed_is_told() -> anyhow::Result<()> {
    let registry = Registry::start()?;
    let engine = Engine::with_busybox()?;
    let none = registry.reference("nothing", "1");
    let output = engine.docker(&["push", &none])?;
    let bare = none.trim_end_matches(":1");
    let expected = format!("An image does not exist locally with the tag: {bare}");
    assert_eq!(output.failure(1)?, expected);
    let name = registry.reference("box", "1");
    engine.docker(&["tag", "busybox", &name])?.success()?;
    let none = registry.reference("box", "none");
    let output = engine.docker(&["push", &none])?;
    assert_eq!(output.failure(1)?, format!("tag does not exist: {none}"));
    let address = registry.address();
    drop(registry);
    let output = engine.docker(&["push", &name])?;
    let said = output.failure(1)?;
    assert!(said.contains(&address) && said.contains("refused"), "{said}");
    Ok(())
}

#[test]
fn what_there_is_not_to_pull_is_told_in_the_very_words() -> anyhow::Result<()> {
    let tokens = TokenServer::start()?;
    let (open, guarded) = (Registry::start()?, Registry::start_guarded(&Guard::Token(&tokens))?);
    open.push("box", "1", &images::busybox()?)?;
    let engine = Engine::start()?;
    let unknown =
        |name: &str| format!("manifest for {name} not found: manifest unknown: manifest unknown");
    for name in [open.reference("nosuch", "1"), open.reference("box", "nosuch")] {
        let output = engine.docker(&["pull", &name])?;
        let said = output.failure(1)?;
        ensure!(said == format!("Error response from daemon: {}", unknown(&name)), "{said}");
    }
    // It tells nobody what it has; a stranger may not even ask.
    let name = guarded.reference("mine/box", "1");
    let output = engine.docker(&["pull", &name])?;
    let said = output.failure(1)?;
    let expected = format!(
        "Error response from daemon: pull access denied for {}, repository does not exist or may \
         require 'docker login': denied: requested access to the resource is denied",
        name.trim_end_matches(":1")
    );
    ensure!(said == expected, "{said}");
    // One who runs it is told the same.
    let output = engine.docker(&["run", "--rm", &open.reference("nosuch", "1")])?;
    let said = output.failure(125)?;
    ensure!(said.contains(&unknown(&open.reference("nosuch", "1"))), "{said}");
    Ok(())
}

#[test]
fn other_tools_take_what_was_pushed() -> anyhow::Result<()> {
    let registry = Registry::start()?;
    let engine = Engine::with_busybox()?;
    let name = registry.reference("box", "1");
    engine.docker(&["tag", "busybox", &name])?.success()?;
    let pushed = pushed(engine.docker(&["push", &name])?.success()?, "1")?;

    let image = format!("docker://{name}");
    let inspected = run("skopeo", &["inspect", "--tls-verify=false", &image])?;
    let inspected: serde_json::Value = serde_json::from_str(&inspected)?;
    assert_eq!(inspected["Digest"], pushed.as_str());
    let manifest = engine.docker(&["manifest", "inspect", "--insecure", &name])?;
    let manifest: serde_json::Value = serde_json::from_str(manifest.success()?)?;
    assert_eq!(manifest["schemaVersion"], 2);
    let (root, graph) = (engine.scratch().join("podman"), engine.scratch().join("podman-run"));
    let storage = [
        "--storage-driver=vfs",
        &format!("--root={}", root.display()),
        &format!("--runroot={}", graph.display()),
    ];
    let pull = ["pull", "--quiet", "--tls-verify=false", name.as_str()];
    run("podman", &[&storage[..], &pull].concat())?;
    let list = run("podman", &[&storage[..], &["images", "--format", "{{.Digest}}"]].concat())?;
    assert_eq!(list, pushed);
    // So it goes on from podman to Naru.
    let archive = engine.scratch().join("box.tar");
    let archive = archive.to_str().context("a path that is text")?;
    run("podman", &[&storage[..], &["save", "--quiet", "-o", archive, &name]].concat())?;
    engine.docker(&["rmi", "busybox", &name])?.success()?;
    engine.docker(&["load", "-i", archive])?.success()?;
    assert_eq!(engine.docker(&["run", "--rm", &name, "echo", "around"])?.success()?, "around");
    Ok(())
}

#[test]
fn a_registrys_own_repositories_are_searched() -> anyhow::Result<()> {
    let registry = Registry::start()?;
    for repository in ["tools/box", "tools/hammer", "box"] {
        registry.push(repository, "1", &images::busybox()?)?;
    }
    let engine = Engine::start()?;
    let term = format!("{}/box", registry.address());
    let found = engine.docker(&["search", "--format", "{{.Name}}", &term])?;
    let mut found: Vec<&str> = found.success()?.lines().collect();
    found.sort_unstable();
    let address = registry.address();
    assert_eq!(found, [format!("{address}/box"), format!("{address}/tools/box")]);
    let starred = engine.docker(&["search", "--filter", "stars=1", "--format", "x", &term])?;
    assert_eq!(starred.success()?, "");
    let output = engine.docker(&["search", "--filter", "stars=many", &term])?;
    expect_error(&output, 1, "invalid filter 'stars=many'")?;
    let output = engine.docker(&["search", "--limit", "101", &term])?;
    expect_error(&output, 1, "limit 101 is outside the range of [1, 100]")
}

#[test]
fn a_repositorys_tags_are_listed_with_sizes_and_platforms() -> anyhow::Result<()> {
    let registry = Registry::start()?;
    let image = images::busybox()?;
    let digest = registry.push("box", "1", &image)?;
    registry.push("box", "2", &image)?;
    let engine = Engine::start()?;
    let path = format!("/naru/repository?name={}/box&limit=1", registry.address());
    let first = ask(&engine, "GET", &path)?.json()?;
    assert_eq!(first["official"], false);
    assert_eq!(first["more"], true);
    let tag = &first["tags"][0];
    assert_eq!(tag["digest"], digest.as_str());
    let size: usize = image.blobs.iter().map(Vec::len).sum();
    assert_eq!(tag["images"][0]["size"], size);
    let platform = tag["images"][0]["platform"].as_str().context("it has one")?;
    assert!(platform.starts_with("linux/"), "{platform}");
    let name = tag["name"].as_str().context("it has one")?;
    let rest = ask(&engine, "GET", &format!("{path}&after={name}"))?.json()?;
    assert_eq!(rest["more"], false);
    assert_ne!(rest["tags"][0]["name"], name);
    assert_eq!(ask(&engine, "GET", &format!("{path}&after=none"))?.status, 400);
    Ok(())
}

#[test]
fn what_a_registry_has_is_inspected_without_pulling() -> anyhow::Result<()> {
    let registry = Registry::start()?;
    let digest = registry.push("box", "1", &images::busybox()?)?;
    let engine = Engine::start()?;
    let path = format!("/distribution/{}/json", registry.reference("box", "1"));
    let mut answer = ask(&engine, "GET", &path)?;
    assert_eq!(answer.status, 200);
    let answer = answer.json()?;
    assert_eq!(answer["Descriptor"]["digest"], digest.as_str());
    assert_eq!(answer["Platforms"][0]["os"], "linux");
    let path = format!("/distribution/{}/json", registry.reference("box", "none"));
    assert_eq!(ask(&engine, "GET", &path)?.status, 404);
    assert_eq!(engine.docker(&["images", "-q"])?.success()?, "");
    Ok(())
}
