//! Where things are: the clone, its build output, and the cache outside of it.

use std::env;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

/// The root of the clone that this program was built from.
pub(crate) fn root() -> &'static Path {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR"));
    // crates/xtask lies two folders below the root.
    manifest.parent().and_then(Path::parent).unwrap_or(manifest)
}

/// Where the build's own output goes, whatever `CARGO_TARGET_DIR` says: the app and
/// the tests look for the VM image there.
pub(crate) fn output() -> PathBuf {
    root().join("target")
}

/// Where cargo puts the programs it builds for the developer.
pub(crate) fn cargo_target() -> PathBuf {
    match env::var_os("CARGO_TARGET_DIR").filter(|path| !path.is_empty()) {
        Some(path) => root().join(path),
        None => output(),
    }
}

/// What is downloaded or built once for all clones of this machine.
pub(crate) fn cache() -> Result<PathBuf> {
    let base = match env::var_os("XDG_CACHE_HOME").filter(|path| !path.is_empty()) {
        Some(path) => PathBuf::from(path),
        None => home()?.join(".cache"),
    };
    Ok(base.join("naru"))
}

/// Where cargo keeps the sources of the crates.
pub(crate) fn cargo_home() -> Result<PathBuf> {
    match env::var_os("CARGO_HOME").filter(|path| !path.is_empty()) {
        Some(path) => Ok(PathBuf::from(path)),
        None => Ok(home()?.join(".cargo")),
    }
}

fn home() -> Result<PathBuf> {
    env::var_os("HOME").map(PathBuf::from).context("HOME is not set")
}
