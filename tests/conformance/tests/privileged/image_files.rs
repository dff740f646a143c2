//! What is in an image and in each of its layers, without a container of it.

use std::collections::BTreeMap;

use naru_test_framework::NativeEngine;
use serde_json::{Value, json};

use crate::raw::ask;
use crate::save_load::rich_image;

/// What a folder has, by name.
fn folder(engine: &NativeEngine, query: &str) -> anyhow::Result<BTreeMap<String, Value>> {
    let found = ask(engine, "GET", &format!("/naru/folder?{query}"))?.json()?;
    let entries = found["entries"].as_array().cloned().unwrap_or_default();
    let named = entries.into_iter().map(|entry| {
        let name = entry["name"].as_str().unwrap_or_default().to_owned();
        (name, entry)
    });
    Ok(named.collect())
}

fn names(folder: &BTreeMap<String, Value>) -> Vec<&str> {
    folder.keys().map(String::as_str).collect()
}

#[test]
fn the_files_of_an_image_and_of_each_layer_are_listed() -> anyhow::Result<()> {
    let engine = NativeEngine::start()?;
    let archive = rich_image("one")?.archive("docker.io/library/rich:1")?;
    engine.docker_with_input(&["load"], &archive)?.success()?;

    let whole = folder(&engine, "image=rich:1&path=/")?;
    assert_eq!(names(&whole), ["bin", "capable", "data", "lower", "tmp", "upper"]);
    let data = folder(&engine, "image=rich:1&path=/data")?;
    let secret = &data["secret"];
    assert_eq!((&secret["kind"], &secret["size"]), (&json!("file"), &json!(6)));
    assert_eq!(secret["mode"], 0o600);
    assert_eq!(data["link"]["target"], "/data/secret");

    let lowest = folder(&engine, "image=rich:1&layer=0&path=/")?;
    assert_eq!(names(&lowest), ["bin", "capable", "data", "hidden", "lower", "tmp"]);
    let upper = folder(&engine, "image=rich:1&layer=1&path=/")?;
    assert_eq!(names(&upper), ["hidden", "upper"]);
    assert_eq!(upper["hidden"]["kind"], "removed");
    assert_eq!(upper["upper"]["kind"], "file");
    for (query, status) in [
        ("image=rich:1&layer=2&path=/", 404),
        ("image=rich:1&path=/hidden", 404),
        ("image=missing&path=/", 404),
        ("image=rich:1&container=x&path=/", 400),
        ("container=x&layer=0&path=/", 400),
        ("path=/", 400),
    ] {
        let mut answer = ask(&engine, "GET", &format!("/naru/folder?{query}"))?;
        let said = answer.message()?;
        assert_eq!(answer.status, status, "{query}: {said}");
    }
    // Nobody keeps the image any more.
    engine.docker(&["rmi", "rich:1"])?.success()?;
    assert_eq!(ask(&engine, "GET", "/naru/folder?image=rich:1&path=/")?.status, 404);
    Ok(())
}
