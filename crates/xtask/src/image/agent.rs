//! The agent's static build, for either architecture, without this machine's paths.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use super::Arch;
use crate::apt::Apt;
use crate::cross::{self, toolchain::Toolchain};
use crate::{process, workspace};

/// How much work of the compiler's goes into an agent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Effort {
    /// All, for what is shipped and measured.
    Full,
    /// As much as pays in a machine that is booted for tests.
    Half,
    /// None, for what has to be built, linked and booted, but not to be fast: what the
    /// unit tests of the architecture were built of is used again.
    Quick,
}

/// What every static program is built with.
pub(crate) const STATIC: &str = "-C target-feature=+crt-static";

/// Builds the agent and returns the program's bytes.
pub(super) fn build(apt: &Apt, arch: Arch, effort: Effort) -> Result<Vec<u8>> {
    match effort {
        Effort::Full => build_optimised(apt, arch, "agent", &target_folder()),
        Effort::Half => build_optimised(apt, arch, "agent-test", &target_folder()),
        Effort::Quick => build_quickly(apt, arch),
    }
}

/// Builds the agent as it ships into `target`, a folder, and returns the program's bytes.
pub(super) fn build_again(apt: &Apt, arch: Arch, target: &Path) -> Result<Vec<u8>> {
    build_optimised(apt, arch, "agent", target)
}

fn build_optimised(apt: &Apt, arch: Arch, profile: &str, target: &Path) -> Result<Vec<u8>> {
    let prefixes = prefixes(target)?;
    let map = |option: &str| {
        let options = prefixes.iter().map(|(from, to)| format!("{option}={}={to}", from.display()));
        options.collect::<Vec<_>>().join(" ")
    };
    process::run(
        cargo(apt, arch)?
            .args(["build", "--quiet", "--profile", profile, "--package", "naru-agent"])
            .args(["--target", arch.triple()])
            .current_dir(workspace::root())
            .env("CARGO_TARGET_DIR", target)
            .env("RUSTFLAGS", format!("{STATIC} {}", map("--remap-path-prefix")))
            .env(format!("CFLAGS_{}", arch.triple().replace('-', "_")), map("-ffile-prefix-map")),
    )?;
    read(&target.join(arch.triple()).join(profile).join("naru-agent"))
}

/// Builds the agent of [`Effort::Quick`] and returns the program's bytes.
pub(crate) fn build_quickly(apt: &Apt, arch: Arch) -> Result<Vec<u8>> {
    let target = cross::target_folder();
    process::run(
        cargo(apt, arch)?
            // The features are those that the tests have of it, so that nothing is built twice.
            .args(["build", "--quiet", "--package", "naru-agent", "--target", arch.triple()])
            .args(["--package", "naru-engine", "--features", "tokio/test-util"])
            .current_dir(workspace::root())
            .env("CARGO_TARGET_DIR", &target)
            .env("RUSTFLAGS", STATIC),
    )?;
    read(&target.join(arch.triple()).join("debug/naru-agent"))
}

fn read(program: &Path) -> Result<Vec<u8>> {
    fs::read(program).with_context(|| format!("cannot read {}", program.display()))
}

/// Where the agent is built unless another place is asked for: not in the developer's
/// own target folder, because the flags differ and would rebuild everything there.
fn target_folder() -> PathBuf {
    workspace::output().join("agent")
}

/// The compiler for an architecture: this machine's own, or the cross toolchain.
fn cargo(apt: &Apt, arch: Arch) -> Result<Command> {
    if arch == Arch::native()? {
        return Ok(Command::new("cargo"));
    }
    Ok(Toolchain::prepare(apt, &[arch.triple()])?.cargo())
}

/// What of this machine's paths the program would carry in its panic messages, and what
/// it says instead: two clones give the same bytes. The last that fits counts.
fn prefixes(target: &Path) -> Result<[(PathBuf, &'static str); 3]> {
    Ok([
        (workspace::cargo_home()?, "/cargo"),
        (workspace::root().to_owned(), "/naru"),
        (target.to_owned(), "/target"),
    ])
}
