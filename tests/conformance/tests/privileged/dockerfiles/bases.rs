//! The images that those under test are built from.

use std::slice;

use anyhow::Context as _;
use naru_test_framework::images::busybox;
use naru_test_framework::oci::{Compression, Layer, LayerWriter, OciImage};
use serde_json::{Value, json};

const PATH: &str = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
/// What real projects build from: each of these names is the image of stand-ins for the tools.
const TOOLED: [&str; 16] = [
    "alpine:3.20",
    "composer:2",
    "debian:bookworm-slim",
    "eclipse-temurin:21-jdk",
    "eclipse-temurin:21-jre",
    "gcc:13",
    "golang:1.22-alpine",
    "maven:3.9-eclipse-temurin-21",
    "nginx:1.27-alpine",
    "node:20-alpine",
    "php:8.3-fpm",
    "python:3.12-slim",
    "ruby:3.3-slim",
    "rust:1.79-slim",
    "ubuntu:24.04",
    "gradle:8-jdk21",
];
/// The stand-ins: each leaves files that tell what it was asked for, and by which files.
const TOOLS: &str = include_str!("../../../tools.sh");
const TOOL_NAMES: [&str; 22] = [
    "adduser-debian",
    "apk",
    "apt-get",
    "bundle",
    "cargo",
    "composer",
    "curl",
    "gcc",
    "go",
    "gradle",
    "java",
    "make",
    "mvn",
    "node",
    "npm",
    "pip",
    "pnpm",
    "poetry",
    "python",
    "ruby",
    "useradd",
    "yarn",
];

/// Each with its names.
pub(super) fn all() -> anyhow::Result<Vec<(OciImage, Vec<&'static str>)>> {
    let bottom = bottom()?;
    let plain = json!({ "Env": [PATH], "Cmd": ["sh"] });
    let with = |config: &Value, layers: &[Layer]| {
        OciImage::new(architecture(), config, [slice::from_ref(&bottom), layers].concat())
    };
    Ok(vec![
        (with(&plain, &[])?, vec!["busybox:latest", "docker.io/library/other:2.0"]),
        (with(&settings(), &[])?, vec!["settled:1"]),
        (with(&plain, &[files()?])?, vec!["files:1"]),
        (with(&triggers(), &[])?, vec!["triggers:1"]),
        (with(&plain, &[tools()?])?, TOOLED.to_vec()),
    ])
}

fn architecture() -> &'static str {
    if cfg!(target_arch = "aarch64") { "arm64" } else { "amd64" }
}

fn bottom() -> anyhow::Result<Layer> {
    let image = busybox()?;
    let config: Value = serde_json::from_slice(&image.blobs[0])?;
    let diff_id = config["rootfs"]["diff_ids"][0].as_str().context("a layer")?.to_owned();
    Ok(Layer { blob: image.blobs[1].clone(), diff_id, compression: Compression::Gzip })
}

/// Everything that a configuration can have.
fn settings() -> Value {
    json!({
        "Env": [PATH, "A=of the base", "B=too"],
        "User": "www-data",
        "WorkingDir": "/srv/work",
        "Entrypoint": ["/bin/sh", "-c"],
        "Cmd": ["echo base"],
        "Labels": { "base": "yes", "kept": "of the base" },
        "Volumes": { "/vol": {} },
        "ExposedPorts": { "80/tcp": {} },
        "StopSignal": "SIGQUIT",
        "Healthcheck": { "Test": ["CMD", "true"], "Interval": 5_000_000_000_i64 },
    })
}

fn triggers() -> Value {
    json!({
        "Env": [PATH],
        "OnBuild": ["COPY a /triggered/", "RUN cat /triggered/a > /ran", "ENV TRIGGERED=yes"],
    })
}

/// Files of every kind.
fn files() -> anyhow::Result<Layer> {
    let mut layer = LayerWriter::new();
    layer.directory("own", 0o755)?;
    layer.file("own/plain", 0o644, b"plain\n")?;
    layer.hard_link("own/again", "own/plain")?;
    layer.symlink("own/link", "plain")?;
    layer.symlink("own/away", "/etc/passwd")?;
    layer.file("own/setuid", 0o4755, b"setuid\n")?;
    layer.entry("own/pipe", tar::EntryType::Fifo, 0o640, None, b"")?;
    layer.directory("own/sticky", 0o1777)?;
    layer.directory("own/empty", 0o700)?;
    layer.attribute("user.note", b"noted");
    layer.file("own/noted", 0o600, b"noted\n")?;
    layer.owner(33, 44);
    layer.file("own/owned", 0o640, b"owned\n")?;
    layer.directory("own/deep", 0o750)?;
    layer.file("own/deep/file", 0o640, b"deep\n")?;
    layer.owner(0, 0);
    layer.directory("real", 0o755)?;
    layer.file("real/file", 0o644, b"real\n")?;
    layer.symlink("to-real", "real")?;
    layer.symlink("to-root", "/")?;
    layer.symlink("loop", "loop")?;
    layer.finish(Compression::Gzip)
}

fn tools() -> anyhow::Result<Layer> {
    let mut layer = LayerWriter::new();
    layer.directory("usr/local", 0o755)?;
    layer.directory("usr/local/bin", 0o755)?;
    layer.file("usr/local/bin/tool", 0o755, TOOLS.as_bytes())?;
    for name in TOOL_NAMES {
        layer.symlink(&format!("usr/local/bin/{name}"), "tool")?;
    }
    // Some name it by its whole path.
    layer.symlink("bin/bash", "busybox")?;
    layer.file("etc/debian_version", 0o644, b"12.5\n")?;
    layer.finish(Compression::Gzip)
}
