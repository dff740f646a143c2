//! `pull` and `push` as scripts use them: what is printed, and which names there are afterwards.

use anyhow::ensure;
use naru_test_framework::images::{busybox, busybox_with, two_architectures};
use naru_test_framework::{DockerHost, Engine, Registry};
use serde_json::json;

use crate::save_load::id_of;

fn inspected(engine: &DockerHost, name: &str, format: &str) -> anyhow::Result<String> {
    Ok(engine.docker(&["image", "inspect", "-f", format, name])?.success()?.to_owned())
}

#[test]
fn latest_is_pulled_where_no_tag_is_named() -> anyhow::Result<()> {
    let registry = Registry::start()?;
    registry.push("box", "latest", &busybox()?)?;
    registry.push("box", "1", &busybox_with(&json!({ "Cmd": ["true"] }))?)?;
    let engine = Engine::start()?;
    let name = format!("{}/box", registry.address());
    let pulled = engine.docker(&["pull", &name])?;
    ensure!(pulled.success()?.starts_with("Using default tag: latest\n"), "{pulled:?}");
    let listed = engine.docker(&["images", "--format", "{{.Repository}}:{{.Tag}}"])?;
    assert_eq!(listed.success()?, format!("{name}:latest"));
    Ok(())
}

#[test]
fn quiet_says_the_name_alone() -> anyhow::Result<()> {
    let registry = Registry::start()?;
    let engine = Engine::with_busybox()?;
    let name = registry.reference("box", "1");
    engine.docker(&["tag", "busybox", &name])?.success()?;
    assert_eq!(engine.docker(&["push", "-q", &name])?.success()?, name);
    engine.docker(&["rmi", &name])?.success()?;
    assert_eq!(engine.docker(&["pull", "-q", &name])?.success()?, name);
    Ok(())
}

#[test]
fn a_tag_that_has_moved_in_the_registry_moves_here() -> anyhow::Result<()> {
    let registry = Registry::start()?;
    let first = registry.push("box", "1", &busybox()?)?;
    let engine = Engine::start()?;
    let name = registry.reference("box", "1");
    engine.docker(&["pull", "-q", &name])?.success()?;
    let before = id_of(&engine, &name)?;
    let other = busybox_with(&json!({ "Cmd": ["echo", "moved"] }))?;
    let second = registry.push("box", "1", &other)?;
    let pulled = engine.docker(&["pull", &name])?;
    let said = pulled.success()?;
    ensure!(said.contains(&format!("Status: Downloaded newer image for {name}")), "{said}");
    ensure!(said.contains(&format!("Digest: {second}")), "{said}");
    assert_eq!(engine.docker(&["run", "--rm", &name])?.success()?, "moved");
    // The image from before is still there, by its id and by its digest.
    let bare = name.trim_end_matches(":1");
    assert_eq!(inspected(&engine, &before, "{{.RepoTags}}")?, "[]");
    assert_eq!(id_of(&engine, &format!("{bare}@{first}"))?, before);
    Ok(())
}

#[test]
fn a_platform_is_pulled_as_asked() -> anyhow::Result<()> {
    let registry = Registry::start()?;
    registry.push("two", "1", &two_architectures()?)?;
    let engine = Engine::start()?;
    let name = registry.reference("two", "1");
    for architecture in ["arm64", "amd64"] {
        let platform = format!("linux/{architecture}");
        engine.docker(&["pull", "-q", "--platform", &platform, &name])?.success()?;
        assert_eq!(inspected(&engine, &name, "{{.Os}}/{{.Architecture}}")?, platform);
    }
    let output = engine.docker(&["pull", "--platform", "linux/s390x", &name])?;
    let said = output.failure(1)?;
    ensure!(said.contains("no matching manifest for linux/s390x"), "{said}");
    Ok(())
}

#[test]
fn an_image_keeps_the_digests_of_all_its_repositories() -> anyhow::Result<()> {
    let (one, two) = (Registry::start()?, Registry::start()?);
    let engine = Engine::start()?;
    let mut expected = Vec::new();
    for registry in [&one, &two] {
        let digest = registry.push("box", "1", &busybox()?)?;
        engine.docker(&["pull", "-q", &registry.reference("box", "1")])?.success()?;
        expected.push(format!("{}/box@{digest}", registry.address()));
    }
    expected.sort();
    let name = one.reference("box", "1");
    let found = inspected(&engine, &name, "{{join .RepoDigests \" \"}}")?;
    let mut found: Vec<&str> = found.split(' ').collect();
    found.sort_unstable();
    assert_eq!(found, expected);
    let tags = inspected(&engine, &name, "{{len .RepoTags}}")?;
    assert_eq!(tags, "2");
    Ok(())
}

#[test]
fn a_digest_that_the_registry_does_not_have_is_told() -> anyhow::Result<()> {
    let registry = Registry::start()?;
    registry.push("box", "1", &busybox()?)?;
    let engine = Engine::start()?;
    let name = format!("{}/box@sha256:{}", registry.address(), "5".repeat(64));
    let output = engine.docker(&["pull", &name])?;
    let said = output.failure(1)?;
    ensure!(said.contains("manifest unknown"), "{said}");
    let unknown = registry.reference("none", "1");
    let said = engine.docker(&["pull", &unknown])?;
    let said = said.failure(1)?;
    ensure!(said.contains("not found") || said.contains("unknown"), "{said}");
    assert_eq!(engine.docker(&["images", "-aq"])?.success()?, "");
    Ok(())
}

#[test]
fn a_container_is_made_of_what_is_pulled_anew() -> anyhow::Result<()> {
    let registry = Registry::start()?;
    registry.push("box", "1", &busybox()?)?;
    let engine = Engine::start()?;
    let name = registry.reference("box", "1");
    engine.docker(&["pull", "-q", &name])?.success()?;
    registry.push("box", "1", &busybox_with(&json!({ "Cmd": ["echo", "anew"] }))?)?;
    let missing = ["run", "--rm", "--pull", "missing", &name, "echo", "as before"];
    assert_eq!(engine.docker(&missing)?.success()?, "as before");
    let always = ["run", "--rm", "--pull", "always", "--quiet", &name];
    assert_eq!(engine.docker(&always)?.success()?, "anew");
    Ok(())
}
