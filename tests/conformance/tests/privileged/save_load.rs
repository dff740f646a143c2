//! `save` and `load`: what goes out comes back, whichever way, and is what it says it is.

use std::collections::BTreeMap;
use std::fs;
use std::io::Read as _;

use anyhow::{Context as _, ensure};
use naru_test_framework::images::{BUSYBOX, two_architectures};
use naru_test_framework::oci::{Compression, Layer, LayerWriter, OciImage, digest};
use naru_test_framework::{DockerHost, Engine};
use serde_json::{Value, json};
use tar::EntryType;

use crate::expect_error;
use crate::raw::{ask, request_at};

/// `cap_net_bind_service+ep`, as the kernel stores it.
pub(crate) const CAPABILITY: [u8; 20] =
    [1, 0, 0, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];

/// A layer with busybox and everything that a file can have.
pub(crate) fn rich_layer() -> anyhow::Result<Layer> {
    let mut layer = LayerWriter::new();
    layer.directory("bin", 0o755)?;
    let program = fs::read(BUSYBOX)?;
    layer.file("bin/busybox", 0o755, &program)?;
    for applet in ["sh", "cat", "stat", "grep", "ls"] {
        // Some tools give the file the mode of its last name.
        let name = format!("bin/{applet}");
        layer.entry(&name, EntryType::Link, 0o755, Some("bin/busybox"), b"")?;
    }
    layer.directory("tmp", 0o1777)?;
    layer.owner(33, 7);
    layer.directory("data", 0o2750)?;
    layer.file("data/secret", 0o600, b"secret")?;
    layer.symlink("data/link", "secret")?;
    layer.owner(0, 0);
    layer.directory("capable", 0o755)?;
    layer.attribute("security.capability", &CAPABILITY);
    layer.file("capable/busybox", 0o755, &program)?;
    layer.file("hidden", 0o644, b"hidden")?;
    layer.file("lower", 0o644, b"lower")?;
    layer.file(&format!("data/{}", "long".repeat(60)), 0o644, b"long")?;
    layer.finish(Compression::Gzip)
}

pub(crate) fn rich_image(upper: &str) -> anyhow::Result<OciImage> {
    let mut layer = LayerWriter::new();
    layer.file(".wh.hidden", 0o644, b"")?;
    layer.file("upper", 0o644, upper.as_bytes())?;
    let layers = vec![rich_layer()?, layer.finish(Compression::Zstd)?];
    let config = json!({ "Env": ["PATH=/bin"], "Cmd": ["sh"], "Labels": { "kept": "yes" } });
    OciImage::new(architecture(), &config, layers)
}

fn architecture() -> &'static str {
    if cfg!(target_arch = "aarch64") { "arm64" } else { "amd64" }
}

/// An OCI archive, because only newer Dockers load zstd from Docker's own.
fn load(engine: &DockerHost, image: &OciImage, name: &str) -> anyhow::Result<String> {
    let archive = image.archive(&format!("docker.io/library/{name}"))?;
    engine.docker_with_input(&["load"], &archive)?.success()?;
    id_of(engine, name)
}

pub(crate) fn id_of(engine: &DockerHost, name: &str) -> anyhow::Result<String> {
    Ok(engine.docker(&["inspect", "--format", "{{.Id}}", name])?.success()?.to_owned())
}

/// What can be seen of the files in a container.
pub(crate) const LOOK: &str = "stat -c '%n %u:%g %a %h %F' /bin/cat /data /data/* /tmp /capable/busybox; \
    cat /data/secret /lower /upper; ls /hidden 2>&1; \
    /capable/busybox grep CapPrm /proc/self/status";

pub(crate) fn expect_content(seen: &str, upper: &str) -> anyhow::Result<()> {
    for line in [
        "/bin/cat 0:0 755 6 regular file",
        "/data 33:7 2750 2 directory",
        "/data/secret 33:7 600 1 regular file",
        "/data/link 33:7 777 1 symbolic link",
        "/tmp 0:0 1777 2 directory",
        "ls: /hidden: No such file or directory",
        &format!("secretlower{upper}"),
    ] {
        ensure!(seen.contains(line), "{seen}\nlacks {line:?}");
    }
    ensure!(seen.contains(&"long".repeat(60)), "{seen}");
    Ok(())
}

fn look(engine: &DockerHost, name: &str) -> anyhow::Result<()> {
    let arguments = ["run", "--rm", name, "sh", "-c", LOOK];
    let seen = engine.docker(&arguments)?;
    expect_content(seen.success()?, "one")?;
    // The bounding set has it, so that a user without rights gets it from the file.
    let user = ["run", "--rm", "--user", "1000", name, "/capable/busybox", "grep", "CapEff"];
    let seen = engine.docker(&[&user[..], &["/proc/self/status"]].concat())?;
    ensure!(seen.success()?.ends_with("0000000000000400"), "{seen:?}");
    Ok(())
}

/// An archive's files.
pub(crate) fn files(archive: &[u8]) -> anyhow::Result<BTreeMap<String, Vec<u8>>> {
    let mut files = BTreeMap::new();
    for entry in tar::Archive::new(archive).entries()? {
        let mut entry = entry?;
        if !entry.header().entry_type().is_file() {
            continue;
        }
        let name = entry.path()?.display().to_string();
        let mut content = Vec::new();
        entry.read_to_end(&mut content)?;
        ensure!(files.insert(name.clone(), content).is_none(), "{name} is there twice");
    }
    Ok(files)
}

pub(crate) fn saved(engine: &DockerHost, names: &[&str]) -> anyhow::Result<Vec<u8>> {
    let output = engine.command(&[&["save"], names].concat()).output()?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Ok(output.stdout)
}

#[test]
fn an_image_that_was_saved_and_loaded_is_the_same() -> anyhow::Result<()> {
    let engine = Engine::start()?;
    let id = load(&engine, &rich_image("one")?, "rich:1")?;
    look(&engine, "rich:1")?;

    engine.docker(&["save", "-o", "saved.tar", "rich:1"])?.success()?;
    let archive = saved(&engine, &["rich:1"])?;
    engine.docker(&["rmi", "rich:1"])?.success()?;
    let loaded = engine.docker(&["load", "-i", "saved.tar"])?;
    ensure!(loaded.success()?.ends_with("Loaded image: rich:1"), "{loaded:?}");
    ensure!(id_of(&engine, "rich:1")? == id);
    look(&engine, "rich:1")?;

    ensure!(saved(&engine, &["rich:1"])? == archive, "the same image makes the same archive");
    engine.docker(&["rmi", "rich:1"])?.success()?;
    let loaded = engine.docker_with_input(&["load", "--quiet"], &archive)?;
    ensure!(loaded.success()? == "Loaded image: rich:1", "{loaded:?}");
    ensure!(id_of(&engine, "rich:1")? == id);
    look(&engine, "rich:1")
}

#[test]
fn several_images_share_their_layers_in_one_archive() -> anyhow::Result<()> {
    let engine = Engine::start()?;
    let one = load(&engine, &rich_image("one")?, "rich:1")?;
    let two = load(&engine, &rich_image("two")?, "rich:2")?;
    engine.docker(&["tag", "rich:2", "other/name:x"])?.success()?;

    let all = files(&saved(&engine, &["rich", "other/name:x", &one])?)?;
    let manifest: Value = serde_json::from_slice(&all["manifest.json"])?;
    let rows = manifest.as_array().context("a list")?;
    ensure!(rows.len() == 2, "{manifest}");
    ensure!(rows[0]["RepoTags"] == json!(["rich:1"]), "{manifest}");
    ensure!(rows[1]["RepoTags"] == json!(["rich:2", "other/name:x"]), "{manifest}");
    ensure!(rows[0]["Layers"][0] == rows[1]["Layers"][0], "{manifest}");
    let repositories: Value = serde_json::from_slice(&all["repositories"])?;
    ensure!(repositories["other/name"]["x"] == repositories["rich"]["2"], "{repositories}");

    let bare = files(&saved(&engine, &[&two])?)?;
    let manifest: Value = serde_json::from_slice(&bare["manifest.json"])?;
    ensure!(manifest[0]["RepoTags"].is_null(), "{manifest}");
    ensure!(!bare.contains_key("repositories"), "an id has no name");

    let archive = saved(&engine, &["rich", "other/name:x"])?;
    engine.docker(&["rmi", "rich:1", "rich:2", "other/name:x"])?.success()?;
    let loaded = engine.docker_with_input(&["load"], &archive)?;
    for name in ["rich:1", "rich:2", "other/name:x"] {
        let line = format!("Loaded image: {name}");
        ensure!(loaded.success()?.lines().any(|told| told == line), "{loaded:?}");
    }
    ensure!(id_of(&engine, "rich:1")? == one && id_of(&engine, "other/name:x")? == two);
    Ok(())
}

#[test]
fn an_archive_is_an_oci_layout_too_and_each_blob_is_what_it_is_called() -> anyhow::Result<()> {
    let engine = Engine::start()?;
    let id = load(&engine, &rich_image("one")?, "rich:1")?;
    let all = files(&saved(&engine, &["rich:1"])?)?;
    for (name, content) in &all {
        if let Some(hex) = name.strip_prefix("blobs/sha256/") {
            ensure!(digest(content) == format!("sha256:{hex}"), "{name}");
        }
    }
    let json = |name: &str| -> anyhow::Result<Value> {
        Ok(serde_json::from_slice(all.get(name).with_context(|| format!("{name} is missing"))?)?)
    };
    let follow = |descriptor: &Value| -> anyhow::Result<String> {
        let digest = descriptor["digest"].as_str().context("it has a digest")?;
        let name = format!("blobs/{}", digest.replace(':', "/"));
        let content = all.get(&name).with_context(|| format!("{name} is missing"))?;
        ensure!(descriptor["size"] == content.len(), "{descriptor}");
        Ok(name)
    };
    ensure!(json("oci-layout")? == json!({ "imageLayoutVersion": "1.0.0" }));
    let index = json("index.json")?;
    let entry = &index["manifests"][0];
    let annotations = &entry["annotations"];
    ensure!(annotations["io.containerd.image.name"] == "docker.io/library/rich:1", "{index}");
    ensure!(annotations["org.opencontainers.image.ref.name"] == "1", "{index}");
    let manifest = json(&follow(entry)?)?;
    ensure!(manifest["config"]["digest"] == id.as_str(), "{manifest}");
    let config = json(&follow(&manifest["config"])?)?;
    let layers = manifest["layers"].as_array().context("layers")?;
    for (layer, diff_id) in layers.iter().zip(config["rootfs"]["diff_ids"].as_array().context("")?)
    {
        ensure!(layer["digest"] == *diff_id, "layers are as the configuration knows them");
        follow(layer)?;
    }
    let row = &json("manifest.json")?[0];
    ensure!(row["Layers"].as_array().is_some_and(|rows| rows.len() == layers.len()), "{row}");
    ensure!(row["Config"] == format!("blobs/{}", id.replace(':', "/")), "{row}");
    Ok(())
}

#[test]
fn what_cannot_be_saved_or_loaded_is_named() -> anyhow::Result<()> {
    let engine = Engine::with_busybox()?;
    let output = engine.docker(&["save", "-o", "x.tar", "busybox", "missing:1"])?;
    expect_error(&output, 1, "No such image: missing:1")?;
    let platform = "%7B%22os%22%3A%22linux%22%2C%22architecture%22%3A%22s390x%22%7D";
    let message = "does not match the specified platform (linux/s390x)";
    for (path, status, expected) in [
        (format!("/v1.48/images/busybox/get?platform={platform}"), 404, message),
        ("/images/get".to_owned(), 400, "names: there is no image to be saved"),
        ("/images/busybox/get?platform=%7B".to_owned(), 400, "invalid platform"),
    ] {
        let mut answer = ask(&engine, "GET", &path)?;
        let told = String::from_utf8(answer.body()?)?;
        ensure!(answer.status == status && told.contains(expected), "{path}: {told}");
    }
    let archive = saved(&engine, &["busybox"])?;
    let told = load_for(&engine, &archive, platform)?;
    ensure!(told.contains(message), "{told}");
    let told = load_for(&engine, &archive, &format!("linux%2F{}", architecture()))?;
    ensure!(told.contains("Loaded image: busybox:latest"), "{told}");
    Ok(())
}

fn load_for(engine: &DockerHost, archive: &[u8], platform: &str) -> anyhow::Result<String> {
    let path = format!("/v1.48/images/load?platform={platform}");
    let headers = ["Connection: close", "Content-Type: application/x-tar"];
    let mut answer = request_at(engine.socket(), "POST", &path, &headers, archive)?;
    Ok(String::from_utf8(answer.body()?)?)
}

#[test]
fn a_platform_is_chosen_from_an_archive_of_several() -> anyhow::Result<()> {
    let engine = Engine::start()?;
    let archive = two_architectures()?.archive("docker.io/library/both:1")?;
    for architecture in ["arm64", "amd64"] {
        let told = load_for(&engine, &archive, &format!("linux%2F{architecture}"))?;
        ensure!(told.contains("Loaded image: both:1"), "{told}");
        let found = engine.docker(&["inspect", "--format", "{{.Architecture}}", "both:1"])?;
        ensure!(found.success()? == architecture, "{found:?}");
    }
    Ok(())
}

#[test]
fn saving_and_loading_is_told() -> anyhow::Result<()> {
    let engine = Engine::with_busybox()?;
    let id = id_of(&engine, "busybox")?;
    saved(&engine, &["busybox"])?;
    let mut events = engine.spawn(&[
        "events",
        "--since",
        engine.since(),
        "--filter",
        "event=save",
        "--filter",
        "event=load",
        "--format",
        "{{.Action}} {{.Actor.ID}} {{.Actor.Attributes.name}}",
    ])?;
    let load = events.line()?;
    ensure!(load.starts_with(&format!("load {id}")), "{load}");
    let save = events.line()?;
    ensure!(save == format!("save {id} {id}"), "{save}");
    Ok(())
}
