//! Docker's clients beside the stock `docker`, which the tests run unchanged, and the programs
//! that run in their containers.
//!
//! They are kept in the cache, each in a folder of its own with a stamp that tells its version:
//! the tests find them there by the same names (`naru_test_framework::clients`). None of them is
//! installed in the machine.

mod roots;

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::apt::{self, Apt};
use crate::image::Arch;
use crate::step::step;
use crate::{process, setup, workspace};

/// The release of Debian that has current plugins, which this machine's own may not have.
const RELEASE: &str = "trixie";
/// The plugins of `docker`: each one's folder and Debian's package.
const PLUGINS: [(&str, &str); 2] = [("compose", "docker-compose"), ("buildx", "docker-buildx")];
/// The Dev Containers command, without dependencies.
const DEVCONTAINERS: &str = "@devcontainers/cli@0.89.0";

/// Makes sure that all clients are there, and says where.
pub(crate) fn prepare() -> Result<PathBuf> {
    let folder = workspace::cache()?.join("clients");
    fs::create_dir_all(&folder).with_context(|| format!("cannot create {}", folder.display()))?;
    // One run at a time changes the cache.
    let lock = File::create(folder.join("lock"))?;
    lock.lock().context("cannot lock the clients' cache")?;
    let apt = Apt::of_release(RELEASE)?;
    for (name, package) in PLUGINS {
        let version = format!("{package} of {RELEASE}");
        keep(&folder.join(name), &version, |new| plugin(&apt, package, new))?;
    }
    for root in &roots::ROOTS {
        let version = format!("{} of {RELEASE}", root.packages.join(", "));
        let folder = folder.join("roots").join(root.name);
        keep(&folder, &version, |new| roots::fill(&apt, new, root))?;
    }
    let other = format!("busybox-static:{}", Arch::native()?.other().debian());
    keep(&folder.join("other"), &other, |new| plugin(&Apt::open()?, &other, new))?;
    let requirements = workspace::root().join("tests/conformance/python/requirements.txt");
    let pinned = fs::read_to_string(&requirements)
        .with_context(|| format!("cannot read {}", requirements.display()))?;
    keep(&folder.join("python"), &pinned, |new| python(new, &requirements))?;
    keep(&folder.join("devcontainers"), DEVCONTAINERS, devcontainers)?;
    Ok(folder)
}

/// Leaves a client alone whose stamp is right, and else makes it anew beside it.
fn keep(folder: &Path, version: &str, make: impl FnOnce(&Path) -> Result<()>) -> Result<()> {
    const STAMP: &str = ".naru-version";
    if fs::read_to_string(folder.join(STAMP)).is_ok_and(|present| present == version) {
        return Ok(());
    }
    let new = folder.with_extension("new");
    for stale in [&new, folder].into_iter().filter(|path| path.exists()) {
        fs::remove_dir_all(stale).with_context(|| format!("cannot remove {}", stale.display()))?;
    }
    fs::create_dir_all(&new).with_context(|| format!("cannot create {}", new.display()))?;
    let name = folder.file_name().unwrap_or_default().display();
    step(&format!("fetching {name}"), || make(&new))?;
    fs::write(new.join(STAMP), version)?;
    fs::rename(&new, folder).with_context(|| format!("cannot create {}", folder.display()))
}

/// Debian's package, unpacked.
fn plugin(apt: &Apt, package: &str, folder: &Path) -> Result<()> {
    apt.update()?;
    let download = folder.join("download");
    fs::create_dir(&download)?;
    apt::unpack(&apt.download(package, &download)?, folder)?;
    Ok(fs::remove_dir_all(download)?)
}

/// A virtual environment. It is used through `bin/python` alone, which may be moved.
fn python(folder: &Path, requirements: &Path) -> Result<()> {
    process::run(Command::new("python3").args(["-m", "venv"]).arg(folder))?;
    process::run(
        Command::new(folder.join("bin/python"))
            .args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check"])
            // The file has every package there is to be; a version that is none fails here.
            .args(["--no-deps", "--only-binary", ":all:", "--requirement"])
            .arg(requirements),
    )?;
    process::run(Command::new(folder.join("bin/python")).args(["-m", "pip", "--quiet", "check"]))
}

/// An npm package in `node_modules`; it runs nothing while it is installed.
fn devcontainers(folder: &Path) -> Result<()> {
    if setup::find_program("npm").is_none() {
        bail!("npm was not found; install Node.js 20 or later");
    }
    process::run(
        Command::new("npm")
            .args(["install", "--silent", "--no-save", "--ignore-scripts", "--no-audit"])
            .args(["--prefix".as_ref(), folder.as_os_str()])
            .arg(DEVCONTAINERS)
            .current_dir(folder),
    )
}
