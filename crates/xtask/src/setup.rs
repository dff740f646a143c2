//! What this machine must have, installed by name and only if it is missing.

use std::env;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

use crate::step::{say, step};
use crate::{clients, process, workspace};

/// A purpose, and what it takes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Needs {
    purpose: &'static str,
    /// Each package with a sign that it is there.
    packages: &'static [(&'static str, Sign)],
}

/// How one sees that a package is there without asking apt, which may be busy.
#[derive(Clone, Copy, Debug)]
enum Sign {
    /// A program in `PATH` (or in the system folders that are not in every `PATH`).
    Program(&'static str),
    /// A file pkg-config knows.
    Library(&'static str),
    /// A module of Python's, whoever installed that.
    Module(&'static str),
    /// The package itself is installed.
    Installed,
}

/// To compile at all.
pub(crate) const BUILD: Needs = Needs {
    purpose: "building",
    packages: &[
        ("gcc", Sign::Program("cc")),
        ("libc6-dev", Sign::Installed),
        ("git", Sign::Program("git")),
    ],
};

/// To make the VM image.
pub(crate) const IMAGE: Needs = Needs {
    purpose: "the VM image",
    packages: &[
        ("e2fsprogs", Sign::Program("mke2fs")),
        ("xz-utils", Sign::Program("xz")),
        ("zstd", Sign::Program("zstd")),
    ],
};

/// To compile the window.
pub(crate) const WINDOW: Needs = Needs {
    purpose: "the window",
    packages: &[
        ("pkg-config", Sign::Program("pkg-config")),
        ("libwebkit2gtk-4.1-dev", Sign::Library("webkit2gtk-4.1")),
        ("libayatana-appindicator3-dev", Sign::Library("ayatana-appindicator3-0.1")),
    ],
};

/// To boot the machine.
pub(crate) const MACHINE: Needs = Needs {
    purpose: "the machine",
    packages: &[("qemu-system-x86", Sign::Program("qemu-system-x86_64"))],
};

/// To run another architecture's unit tests.
pub(crate) const CROSS: Needs = Needs {
    purpose: "the cross-check",
    packages: &[("qemu-user-static", Sign::Program("qemu-aarch64-static"))],
};

/// To run the privileged tests, the aarch64 machine among them.
pub(crate) const TESTS: Needs = Needs {
    purpose: "the tests",
    packages: &[
        ("qemu-system-arm", Sign::Program("qemu-system-aarch64")),
        ("docker-registry", Sign::Program("docker-registry")),
        ("docker.io", Sign::Program("dockerd")),
        ("skopeo", Sign::Program("skopeo")),
        ("podman", Sign::Program("podman")),
        ("buildah", Sign::Program("buildah")),
        ("umoci", Sign::Program("umoci")),
        ("crun", Sign::Program("crun")),
        ("busybox-static", Sign::Installed),
        ("python3", Sign::Program("python3")),
        ("python3-venv", Sign::Module("ensurepip")),
        ("nftables", Sign::Program("nft")),
        ("iproute2", Sign::Program("ip")),
        ("webkit2gtk-driver", Sign::Program("WebKitWebDriver")),
        ("chromium", Sign::Program("chromium")),
        ("chromium-driver", Sign::Program("chromedriver")),
        ("xvfb", Sign::Program("Xvfb")),
        ("dbus", Sign::Program("dbus-daemon")),
        ("fonts-nanum", Sign::Installed),
        ("imagemagick", Sign::Program("import")),
    ],
};

/// Runs `cargo xtask setup`.
pub(crate) fn everything() -> Result<()> {
    install(&[BUILD, IMAGE, WINDOW, MACHINE, CROSS, TESTS])?;
    ui_packages()?;
    clients::prepare().map(drop)
}

/// Installs what is missing. Nothing is asked of apt when nothing is missing.
pub(crate) fn install(needs: &[Needs]) -> Result<()> {
    let mut missing = Vec::new();
    for need in needs {
        let lacking: Vec<_> = need
            .packages
            .iter()
            .filter(|(package, sign)| !sign.is_there(package))
            .map(|(package, _)| *package)
            .collect();
        if !lacking.is_empty() {
            say(&format!("missing for {}: {}", need.purpose, lacking.join(", ")));
            missing.extend(lacking);
        }
    }
    if missing.is_empty() {
        return Ok(());
    }
    step("installing packages", || {
        // Someone else's apt may be at work; that is no reason to fail.
        let apt = || {
            let mut apt = Command::new("apt-get");
            apt.env("DEBIAN_FRONTEND", "noninteractive")
                .args(["-qq", "-y", "-o", "DPkg::Lock::Timeout=300"])
                .stdout(Stdio::null());
            apt
        };
        process::run(apt().arg("update"))?;
        process::run(apt().args(["install", "--no-install-recommends"]).args(&missing))
            .context("installing needs root and Debian's package sources")
    })
}

/// Installs the window's JavaScript packages as the lock file has them.
pub(crate) fn ui_packages() -> Result<()> {
    let ui = workspace::root().join("ui");
    let (lock, stamp) = (ui.join("package-lock.json"), ui.join("node_modules/.naru-lock"));
    let wanted = fs::read(&lock).with_context(|| format!("cannot read {}", lock.display()))?;
    if fs::read(&stamp).is_ok_and(|present| present == wanted) {
        return Ok(());
    }
    if find_program("npm").is_none() {
        bail!("npm was not found; install Node.js 20 or later");
    }
    step("npm ci", || {
        process::run(Command::new("npm").args(["ci", "--no-audit", "--no-fund"]).current_dir(&ui))?;
        Ok(fs::write(&stamp, wanted)?)
    })
}

/// The user-space vsock device, on machines whose kernel has none: a test tool from
/// crates.io, built once into the cache.
pub(crate) fn vsock_device() -> Result<PathBuf> {
    const NAME: &str = "vhost-device-vsock";
    const VERSION: &str = "0.3.0";
    if let Some(found) = find_program(NAME) {
        return Ok(found);
    }
    let tools = workspace::cache()?.join("tools");
    let program = tools.join("bin").join(NAME);
    if is_executable(&program) {
        return Ok(program);
    }
    fs::create_dir_all(&tools).with_context(|| format!("cannot create {}", tools.display()))?;
    step(&format!("cargo install {NAME}"), || {
        process::run(
            Command::new("cargo")
                .args(["install", NAME, "--version", VERSION, "--locked", "--quiet", "--root"])
                .arg(&tools)
                // Outside of the clone, whose configuration is none of the tool's business.
                .current_dir(&tools),
        )
    })?;
    Ok(program)
}

impl Sign {
    fn is_there(self, package: &str) -> bool {
        match self {
            Self::Program(name) => find_program(name).is_some(),
            Self::Library(name) => succeeds(Command::new("pkg-config").args(["--exists", name])),
            Self::Module(name) => {
                succeeds(Command::new("python3").args(["-c", &format!("import {name}")]))
            }
            Self::Installed => succeeds(Command::new("dpkg").args(["-s", package])),
        }
    }
}

/// Whether a program is in `PATH` or in a system folder.
pub(crate) fn find_program(name: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&path)
        .chain(["/usr/sbin", "/sbin"].map(Into::into))
        .map(|folder| folder.join(name))
        .find(|program| is_executable(program))
}

fn is_executable(path: &Path) -> bool {
    fs::metadata(path)
        .is_ok_and(|metadata| metadata.is_file() && metadata.permissions().mode() & 0o111 != 0)
}

pub(crate) fn succeeds(command: &mut Command) -> bool {
    command
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}
