//! What idle engines keep in memory, without a container and with one that sleeps.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use hyper::Method;
use serde_json::json;

use super::{EngineBench, row_of_engines};
use crate::engine::Engine;
use crate::row::Row;

const KIB_PER_MIB: f64 = 1024.0;
const CONTAINER: &str = "sleeps";
/// What the programs beside a container are called: Naru's, containerd's, podman's.
const SHIMS: [&str; 3] = ["\0shim\0", "containerd-shim", "conmon"];

pub(super) async fn measure(bench: &EngineBench<'_>) -> Result<Vec<Row>> {
    let mut daemon = row_of_engines("idle: engine, resident", "MiB");
    let mut shim = row_of_engines("idle: a container's shim, private", "MiB");
    let body = json!({ "Image": bench.busybox, "Cmd": ["sleep", "86400"] }).to_string();
    for engine in &bench.engines {
        daemon.push(engine.name, memory(engine)?.daemon);
        let path = format!("/containers/create?name={CONTAINER}");
        engine.ask(Method::POST, &path, &body).await?;
        engine.ask(Method::POST, &format!("/containers/{CONTAINER}/start"), "").await?;
        shim.push(engine.name, memory(engine)?.shims);
        engine.ask(Method::DELETE, &format!("/containers/{CONTAINER}?force=true"), "").await?;
    }
    Ok(vec![daemon, shim])
}

/// What an engine keeps in memory, in MiB.
pub(super) struct Memory {
    /// What its daemons have resident.
    pub(super) daemon: f64,
    /// What all its shims have for themselves.
    pub(super) shims: f64,
}

/// Looks at an engine's processes.
pub(super) fn memory(engine: &Engine) -> Result<Memory> {
    let (mut daemon, mut shim) = (0.0, 0.0);
    let directory = engine.directory().to_str().context("the directory's name is UTF-8")?;
    for entry in fs::read_dir("/proc")?.flatten() {
        // Also its own child containerd names the directory.
        let line = fs::read(entry.path().join("cmdline")).unwrap_or_default();
        let line = String::from_utf8_lossy(&line);
        let is_root =
            entry.file_name().to_str() == engine.pid().map(|pid| pid.to_string()).as_deref();
        if !is_root && !line.contains(directory) {
            continue;
        }
        let rollup = entry.path().join("smaps_rollup");
        if SHIMS.iter().any(|name| line.contains(name)) {
            shim += sum(&rollup, "Private_")?;
        } else {
            daemon += sum(&rollup, "Rss:")?;
        }
    }
    Ok(Memory { daemon: daemon / KIB_PER_MIB, shims: shim / KIB_PER_MIB })
}

/// The sum of the fields whose names begin so (proc(5), `smaps`); KiB.
fn sum(rollup: &Path, prefix: &str) -> Result<f64> {
    let text = fs::read_to_string(rollup)?;
    let fields = text.lines().filter(|line| line.starts_with(prefix));
    Ok(fields.filter_map(|line| line.split_whitespace().nth(1)?.parse::<f64>().ok()).sum())
}
