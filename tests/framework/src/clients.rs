//! Docker's clients beside the stock `docker`, where `cargo xtask setup` keeps them.

use std::env::var_os;
use std::path::PathBuf;

use anyhow::{Context, ensure};

/// docker compose, which `docker` runs as its plugin.
pub fn compose() -> anyhow::Result<PathBuf> {
    program("compose/usr/libexec/docker/cli-plugins/docker-compose")
}

/// Python with docker's library and Testcontainers.
pub fn python() -> anyhow::Result<PathBuf> {
    program("python/bin/python")
}

/// The command of Dev Containers.
pub fn devcontainer() -> anyhow::Result<PathBuf> {
    program("devcontainers/node_modules/.bin/devcontainer")
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
