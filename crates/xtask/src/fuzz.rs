//! The fuzz targets of `fuzz/`, each for a short time.

use std::fs;
use std::process::Command;

use anyhow::{Context, Result};

use crate::step::{Checks, say};
use crate::{process, setup, workspace};

/// Long enough to go through the samples and what was found before, and some changes of them.
const SECONDS: u32 = 10;

/// Adds the check, where there is what it takes: a sanitizer is no part of a stable toolchain.
pub(crate) fn add(checks: &mut Checks) {
    let missing = if setup::find_program("cargo-fuzz").is_none() {
        "cargo-fuzz"
    } else if setup::find_program("c++").is_none() {
        "a C++ compiler"
    } else if !setup::succeeds(&mut cargo_of_nightly(&["--version"])) {
        "a nightly toolchain"
    } else {
        return checks.run("fuzz targets", run);
    };
    say(&format!("skipped: fuzz targets ({missing} is not installed)"));
}

fn run() -> Result<()> {
    let lock = "Cargo.lock";
    fs::copy(workspace::root().join(lock), workspace::root().join("fuzz").join(lock))
        .context("cannot copy Cargo.lock to fuzz/")?;
    let targets = process::text(&mut cargo_of_nightly(&["fuzz", "list"]))?;
    let output = workspace::cargo_target().join("fuzz").display().to_string();
    let time = format!("-max_total_time={SECONDS}");
    for target in targets.lines() {
        let options = ["--target-dir", &output, "--", "-verbosity=0", &time];
        process::run(cargo_of_nightly(&["fuzz", "run", target]).args(options))?;
    }
    Ok(())
}

/// It is never installed by itself, as `cargo +nightly` may do.
fn cargo_of_nightly(arguments: &[&str]) -> Command {
    let mut command = Command::new("rustup");
    command.args(["run", "nightly", "cargo"]).args(arguments).current_dir(workspace::root());
    command
}
