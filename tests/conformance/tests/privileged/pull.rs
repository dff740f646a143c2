//! `pull` from a real registry.

use naru_test_framework::oci::digest;
use naru_test_framework::{Engine, Registry, images};
use serde_json::Value;

use crate::expect_error;
use crate::raw::ask;

#[test]
fn an_image_is_pulled_by_tag_and_by_digest() -> anyhow::Result<()> {
    let registry = Registry::start()?;
    let digest = registry.push("tools/busybox", "1.0", &images::busybox()?)?;
    let engine = Engine::start()?;
    let name = registry.reference("tools/busybox", "1.0");
    let bare = name.trim_end_matches(":1.0");

    let pulled = engine.docker(&["pull", &name])?;
    let lines: Vec<&str> = pulled.success()?.lines().collect();
    assert!(lines[0].starts_with("1.0: Pulling from "), "{lines:?}");
    assert!(lines[0].ends_with("tools/busybox"), "{lines:?}");
    assert!(lines.iter().any(|line| line.ends_with(": Pull complete")), "{lines:?}");
    assert_eq!(
        lines[lines.len() - 3..],
        [
            format!("Digest: {digest}"),
            format!("Status: Downloaded newer image for {name}"),
            name.clone()
        ]
    );
    let again = engine.docker(&["pull", &name])?;
    assert!(again.success()?.contains(&format!("Status: Image is up to date for {name}")));
    assert_eq!(engine.docker(&["pull", "-q", &name])?.success()?, name);

    let by_digest = format!("{bare}@{digest}");
    let pulled = engine.docker(&["pull", &by_digest])?;
    assert!(pulled.success()?.contains(&format!("Digest: {digest}")), "{pulled:?}");
    let ran = engine.docker(&["run", "--rm", &by_digest, "echo", "pulled"])?;
    assert_eq!(ran.success()?, "pulled");
    let format = "{{.Repository}} {{.Tag}} {{.Digest}}";
    let listed = engine.docker(&["images", "--digests", "--format", format])?;
    assert_eq!(listed.success()?, format!("{bare} 1.0 {digest}"));
    Ok(())
}

#[test]
fn what_comes_of_a_layer_is_told_in_json_from_its_begin_to_its_end() -> anyhow::Result<()> {
    let registry = Registry::start()?;
    let image = images::busybox()?;
    registry.push("busybox", "1.0", &image)?;
    let engine = Engine::start()?;
    let name = format!("{}/busybox", registry.address());
    let path = format!("/v1.40/images/create?fromImage={name}&tag=1.0");
    let told = String::from_utf8(ask(&engine, "POST", &path)?.body()?)?;
    let lines: Vec<Value> = told.lines().map(serde_json::from_str).collect::<Result<_, _>>()?;
    assert_eq!(lines[0]["id"], "1.0", "{told}");

    let blob = &image.blobs[1];
    let id = &digest(blob)["sha256:".len()..][..12];
    let lines: Vec<&Value> = lines.iter().filter(|line| line["id"] == id).collect();
    let statuses: Vec<_> = lines.iter().filter_map(|line| line["status"].as_str()).collect();
    assert_eq!(statuses.first(), Some(&"Pulling fs layer"), "{told}");
    assert_eq!(statuses.last(), Some(&"Pull complete"), "{told}");
    let moved: Vec<_> = lines.iter().filter(|line| line["status"] == "Downloading").collect();
    assert!(!moved.is_empty(), "{told}");
    for detail in moved.iter().map(|line| &line["progressDetail"]) {
        assert_eq!(detail["total"], blob.len(), "{told}");
        assert!(detail["current"].as_u64() <= detail["total"].as_u64(), "{told}");
    }
    Ok(())
}

#[test]
fn run_pulls_what_is_not_there() -> anyhow::Result<()> {
    let registry = Registry::start()?;
    registry.push("busybox", "latest", &images::busybox()?)?;
    let engine = Engine::start()?;
    let name = format!("{}/busybox", registry.address());

    let ran = engine.docker(&["run", "--rm", &name, "echo", "hello"])?;
    assert_eq!(ran.success()?, "hello", "the pull is told on standard error alone");
    assert!(ran.stderr.starts_with(&format!("Unable to find image '{name}:latest' locally\n")));
    assert!(ran.stderr.contains(&format!("Status: Downloaded newer image for {name}:latest")));
    Ok(())
}

#[test]
fn what_cannot_be_pulled_is_told() -> anyhow::Result<()> {
    let registry = Registry::start()?;
    registry.push("busybox", "latest", &images::busybox()?)?;
    let engine = Engine::start()?;

    let unknown = registry.reference("busybox", "none");
    let output = engine.docker(&["pull", &unknown])?;
    assert!(output.failure(1)?.contains("manifest unknown"), "{output:?}");
    let address = registry.address();
    drop(registry);
    let refused = format!("{address}/busybox");
    let output = engine.docker(&["pull", &refused])?;
    let said = output.failure(1)?;
    assert!(said.starts_with("Error response from daemon: "), "{said}");
    assert!(said.contains(&address) && said.contains("refused"), "{said}");
    let output = engine.docker(&["run", &refused])?;
    assert!(output.failure(125)?.contains("refused"), "{output:?}");
    assert_eq!(engine.docker(&["images", "-q"])?.success()?, "");
    let output = engine.docker(&["create", "--pull", "never", "nothing"])?;
    expect_error(&output, 1, "No such image: nothing:latest")
}
