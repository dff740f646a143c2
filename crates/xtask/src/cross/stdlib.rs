//! A standard library built from the compiler's own sources.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};

use crate::process;

/// What is built: `test` and `proc_macro` too, so that any crate can be checked.
const CRATES: &str = "-Zbuild-std=std,panic_abort,panic_unwind,proc_macro,test";

const PROBE: &str = "\
[package]
name = \"stdprobe\"
version = \"0.0.0\"
edition = \"2024\"

[workspace]

[profile.release]
debug = 0
";

/// Builds the standard library of a target with the given `cargo`, in an empty scratch
/// folder, and installs it where the compiler looks for it.
pub(crate) fn build(
    mut cargo: Command,
    target: &str,
    scratch: &Path,
    rustlib: &Path,
) -> Result<()> {
    fs::create_dir(scratch.join("src"))?;
    fs::write(scratch.join("src/lib.rs"), "")?;
    fs::write(scratch.join("Cargo.toml"), PROBE)?;
    let output = scratch.join("target");
    process::run(
        cargo
            .args(["build", "--quiet", "--release", CRATES, "--target", target])
            .current_dir(scratch)
            // The flag above is for the compiler's own developers; this is what unlocks it.
            .env("RUSTC_BOOTSTRAP", "1")
            .env("CARGO_TARGET_DIR", &output),
    )?;
    let built = output.join(target).join("release/deps");
    let installed = rustlib.join(target).join("lib");
    fs::create_dir_all(&installed)?;
    for entry in fs::read_dir(&built).with_context(|| format!("cannot read {}", built.display()))? {
        let entry = entry?;
        let name = entry.file_name();
        let text = name.to_string_lossy();
        let is_library = text.ends_with(".rlib") || text.ends_with(".rmeta");
        if is_library && !text.starts_with("libstdprobe") {
            fs::copy(entry.path(), installed.join(&name))?;
        }
    }
    Ok(())
}
