//! `cargo xtask ci`: the checks that look at the code without running it.

use std::process::Command;

use anyhow::Result;

use crate::step::{Checks, say};
use crate::{bindings, cross, fuzz, layers, process, setup, ui, workspace};

/// Runs `cargo xtask ci`.
pub(crate) fn run() -> Result<()> {
    let mut checks = Checks::default();
    add(&mut checks)?;
    checks.finish("ci")
}

/// Adds the checks to those of a larger command.
pub(crate) fn add(checks: &mut Checks) -> Result<()> {
    setup::install(&[setup::BUILD, setup::WINDOW])?;
    ui::build()?;
    checks.run("formatting", || {
        cargo(&["fmt", "--all", "--check"], &[])?;
        cargo(&["fmt", "--check", "--manifest-path", "fuzz/Cargo.toml"], &[])
    });
    checks.run("layers", layers::check);
    checks.run("bindings are up to date", bindings::check);
    checks.run("clippy", || {
        cargo(
            &["clippy", "--quiet", "--workspace", "--all-targets", "--", "--deny", "warnings"],
            &[],
        )
    });
    checks.run("documentation", || {
        cargo(&["doc", "--quiet", "--workspace", "--no-deps"], &[("RUSTDOCFLAGS", "-D warnings")])
    });
    if_installed(checks, "cargo-deny", "licences and duplicates", || {
        cargo(&["deny", "check", "bans", "licenses", "sources"], &[])
    });
    if_installed(checks, "typos", "spelling", || {
        process::run(Command::new("typos").current_dir(workspace::root()))
    });
    fuzz::add(checks);
    cross::add(checks)
}

/// Runs a check whose tool is no part of Rust and too large to build on every machine.
fn if_installed(checks: &mut Checks, tool: &str, name: &str, work: impl FnOnce() -> Result<()>) {
    if setup::find_program(tool).is_some() {
        checks.run(name, work);
    } else {
        say(&format!("skipped: {name} ({tool} is not installed)"));
    }
}

fn cargo(arguments: &[&str], environment: &[(&str, &str)]) -> Result<()> {
    process::run(
        Command::new("cargo")
            .args(arguments)
            .envs(environment.iter().copied())
            .current_dir(workspace::root()),
    )
}
