//! `pull --all-tags`.

use naru_test_framework::{Engine, Registry, images};
use serde_json::json;

#[test]
fn all_tags_of_a_repository_are_pulled() -> anyhow::Result<()> {
    let registry = Registry::start()?;
    let first = registry.push("tools/busybox", "1", &images::busybox()?)?;
    let other = images::busybox_with(&json!({ "Cmd": ["echo", "two"] }))?;
    let second = registry.push("tools/busybox", "2", &other)?;
    let engine = Engine::start()?;
    let name = format!("{}/tools/busybox", registry.address());

    let pulled = engine.docker(&["pull", "-a", &name])?;
    let said = pulled.success()?;
    for line in [
        "1: Pulling from tools/busybox".to_owned(),
        "2: Pulling from tools/busybox".to_owned(),
        format!("Digest: {first}"),
        format!("Digest: {second}"),
        format!("Status: Downloaded newer image for {name}"),
    ] {
        let line = line.rsplit("from ").next().unwrap_or_default();
        assert!(said.lines().any(|one| one.ends_with(line)), "{line:?} is not in {said}");
    }
    let listed = engine.docker(&["images", "--format", "{{.Repository}}:{{.Tag}}"])?;
    let mut listed: Vec<&str> = listed.success()?.lines().collect();
    listed.sort_unstable();
    assert_eq!(listed, [format!("{name}:1"), format!("{name}:2")]);
    assert_eq!(engine.docker(&["run", "--rm", &format!("{name}:2")])?.success()?, "two");
    let again = engine.docker(&["pull", "-a", &name])?;
    assert!(again.success()?.contains(&format!("Status: Image is up to date for {name}")));
    let nothing = engine.docker(&["pull", "-a", &format!("{}/nothing", registry.address())])?;
    let said = nothing.failure(1)?;
    assert!(said.contains("repository name not known to registry"), "{said}");
    Ok(())
}
