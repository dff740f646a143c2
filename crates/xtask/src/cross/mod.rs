//! `cargo xtask cross`: the platforms that this machine is not.
//!
//! The host crates and the window are type-checked for Windows and macOS; the agent is
//! built for aarch64 and its unit tests run there under QEMU's user-mode emulation.

mod stdlib;
pub(crate) mod toolchain;

use std::path::PathBuf;
use std::process::Command;

use anyhow::Result;

use self::toolchain::Toolchain;
use crate::apt::Apt;
use crate::image::{self, Arch};
use crate::step::{Checks, step};
use crate::{process, setup, ui, workspace};

const WINDOWS: &str = "x86_64-pc-windows-gnu";
const MACOS: &str = "aarch64-apple-darwin";

/// What runs on people's machines: everything but the agent, the tests and xtask.
const HOST_PACKAGES: [&str; 8] = [
    "naru-app",
    "naru-cli",
    "naru-desktop",
    "naru-error",
    "naru-ipc",
    "naru-machine",
    "naru-protocol",
    "naru-transport",
];

/// What runs in the machine.
const GUEST_PACKAGES: [&str; 10] = [
    "naru-buildkit",
    "naru-dockerfile",
    "naru-engine",
    "naru-git",
    "naru-image-store",
    "naru-init",
    "naru-network",
    "naru-oci",
    "naru-runtime",
    "naru-shim",
];

/// The modules whose tests need openat2(2), which Debian 12's qemu-user does not know, and one
/// that is thousands of rounds of the same.
const NOT_TRANSLATED: [&str; 20] = [
    "build::context",
    "build::copy",
    "build::cache",
    "buildkit::receive",
    "rootfs::resolve",
    "files::attributes",
    "files::changes",
    "files::copy",
    "files::layer",
    "files::list",
    "files::pack",
    "files::remove",
    "files::size",
    "files::sorted",
    "files::sparse",
    "files::tree",
    "files::unpack",
    "mutations::",
    "volume::directory",
    "volume::files",
];

/// Runs `cargo xtask cross`.
pub(crate) fn run() -> Result<()> {
    let mut checks = Checks::default();
    add(&mut checks)?;
    checks.finish("cross")
}

/// Adds the checks to those of a larger command.
pub(crate) fn add(checks: &mut Checks) -> Result<()> {
    setup::install(&[setup::BUILD, setup::WINDOW, setup::CROSS])?;
    // The window's crate compiles its built pages in.
    ui::build()?;
    let apt = Apt::open()?;
    let agent = Arch::Aarch64.triple();
    let toolchain = step("cross toolchain", || Toolchain::prepare(&apt, &[WINDOWS, MACOS, agent]))?;
    for target in [WINDOWS, MACOS] {
        checks.run(&format!("type-check for {target}"), || {
            process::run(
                packages(&mut cargo(&toolchain), "check", &HOST_PACKAGES)
                    .args(["--target", target])
                    // Crates for macOS leave out their Objective-C by it, for which Apple's
                    // headers are missing here as they are where their documentation is made.
                    .env("DOCS_RS", "1"),
            )
        });
    }
    checks.run(&format!("unit tests for {agent}"), || {
        process::run(
            packages(&mut cargo(&toolchain), "test", &GUEST_PACKAGES)
                // It has no such tests, but says which features of its crates are built.
                .args(["--package", "naru-agent"])
                .args(["--lib", "--target", agent])
                .env("RUSTFLAGS", image::STATIC)
                .env("CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_RUNNER", "qemu-aarch64-static")
                .arg("--")
                .args(NOT_TRANSLATED.iter().flat_map(|module| ["--skip", module])),
        )
    });
    // The agent's own build takes the toolchain for itself.
    drop(toolchain);
    checks.run(&format!("static agent for {agent}"), || {
        image::build_quickly(&apt, Arch::Aarch64).map(drop)
    });
    Ok(())
}

fn cargo(toolchain: &Toolchain) -> Command {
    let mut cargo = toolchain.cargo();
    cargo.current_dir(workspace::root()).env("CARGO_TARGET_DIR", target_folder());
    cargo
}

/// Where is built for other platforms.
pub(crate) fn target_folder() -> PathBuf {
    workspace::output().join("cross")
}

fn packages<'cargo>(
    cargo: &'cargo mut Command,
    verb: &str,
    packages: &[&str],
) -> &'cargo mut Command {
    cargo.args([verb, "--quiet"]);
    for package in packages {
        cargo.args(["--package", package]);
    }
    cargo
}
