//! The window's pages: built, linted and tested with npm.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::SystemTime;

use anyhow::{Context, Result};

use crate::step::step;
use crate::{process, setup, workspace};

/// What the pages are made of, below `ui/`.
const SOURCES: [&str; 6] = [
    "src",
    "index.html",
    "package-lock.json",
    "svelte.config.js",
    "tsconfig.json",
    "vite.config.ts",
];

/// Builds `ui/dist`, if a source is newer than it.
pub(crate) fn build() -> Result<()> {
    let ui = workspace::root().join("ui");
    let built = fs::metadata(ui.join("dist/index.html")).and_then(|page| page.modified());
    if let Ok(built) = built {
        let mut newest = SystemTime::UNIX_EPOCH;
        for source in SOURCES {
            newest = newest.max(newest_change(&ui.join(source))?);
        }
        if newest <= built {
            return Ok(());
        }
    }
    setup::ui_packages()?;
    step("building the window's pages", || npm("build"))
}

/// Runs a script of `ui/package.json`.
pub(crate) fn npm(script: &str) -> Result<()> {
    process::run(
        Command::new("npm")
            .args(["run", "--silent", script])
            .current_dir(workspace::root().join("ui")),
    )
}

/// The latest change of a file, or of anything in a folder.
fn newest_change(path: &Path) -> Result<SystemTime> {
    let Ok(metadata) = fs::metadata(path) else { return Ok(SystemTime::UNIX_EPOCH) };
    let mut newest = metadata.modified()?;
    if metadata.is_dir() {
        let entries =
            fs::read_dir(path).with_context(|| format!("cannot read {}", path.display()))?;
        for entry in entries {
            newest = newest.max(newest_change(&entry?.path())?);
        }
    }
    Ok(newest)
}
