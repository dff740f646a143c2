//! Docker's clients beside the stock `docker`, and Debian's programs to run in their containers,
//! where `cargo xtask setup` keeps them.

use std::env::var_os;
use std::path::PathBuf;

use anyhow::{Context, ensure};
use serde_json::Value;

use crate::images::of_tree;
use crate::oci::OciImage;

/// docker compose, which `docker` runs as its plugin.
pub fn compose() -> anyhow::Result<PathBuf> {
    program("compose/usr/libexec/docker/cli-plugins/docker-compose")
}

/// docker buildx, which runs as a program of its own, too.
pub fn buildx() -> anyhow::Result<PathBuf> {
    program("buildx/usr/libexec/docker/cli-plugins/docker-buildx")
}

/// Debian's `docker`, which has BuildKit's client built in, beside whatever comes first on the
/// `PATH`.
pub fn old_docker() -> anyhow::Result<PathBuf> {
    let program = PathBuf::from("/usr/bin/docker");
    ensure!(program.exists(), "{} is not there: cargo xtask setup", program.display());
    Ok(program)
}

/// A static busybox for the other one of the two processors that there are machines for.
pub fn other_busybox() -> anyhow::Result<PathBuf> {
    program("other/bin/busybox")
}

/// Python with docker's library and Testcontainers.
pub fn python() -> anyhow::Result<PathBuf> {
    program("python/bin/python")
}

/// The command of Dev Containers.
pub fn devcontainer() -> anyhow::Result<PathBuf> {
    program("devcontainers/node_modules/.bin/devcontainer")
}

/// An image of what Debian has for a language (`gcc`, `go`, `java`, `node`, `python`, `rust`), of
/// its `redis` or `postgres`, or `slim`, its C libraries alone, over the busybox image, with more
/// files and container settings.
pub fn image(name: &str, files: &[(&str, &[u8])], settings: &Value) -> anyhow::Result<OciImage> {
    of_tree(&program("roots")?.join(name), files, settings)
}

/// The folder is `NARU_CLIENTS`, or that in the user's cache.
fn program(path: &str) -> anyhow::Result<PathBuf> {
    let folder = var_os("NARU_CLIENTS").map(PathBuf::from).or_else(in_cache);
    let program = folder.context("HOME is not set")?.join(path);
    ensure!(program.exists(), "{} is not there: cargo xtask setup", program.display());
    Ok(program)
}

fn in_cache() -> Option<PathBuf> {
    let cache = var_os("XDG_CACHE_HOME").filter(|path| !path.is_empty()).map(PathBuf::from);
    let cache = cache.or_else(|| Some(PathBuf::from(var_os("HOME")?).join(".cache")))?;
    Some(cache.join("naru/clients"))
}
