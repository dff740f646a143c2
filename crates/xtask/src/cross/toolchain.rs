//! A compiler for other platforms, from Debian's packages, unpacked but not installed.
//!
//! Debian has a current `rustc-web` with exactly matching library sources. In the
//! cache it becomes one compiler with a standard library for each target: Debian's own
//! for Linux on aarch64, else built once from those sources. The C tools come the same
//! way. The cache is stale when Debian has a newer compiler: security updates replace
//! the packages, and parts of two versions do not fit together.

use std::env;
use std::ffi::OsString;
use std::fs::{self, File};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail};

use super::stdlib;
use crate::apt::{self, Apt};
use crate::step::say;
use crate::workspace;

/// How long the cache is used before Debian is asked for a newer compiler.
const FRESH_FOR: Duration = Duration::from_hours(14 * 24);

/// The wrappers' names for the compiler and its companions.
const COMPILER: [&str; 3] = ["rustc", "rustdoc", "cargo"];

const MINGW: &str = "x86_64-w64-mingw32";

/// The unpacked compiler, ready for the targets it was prepared for.
#[derive(Debug)]
pub(crate) struct Toolchain {
    folder: PathBuf,
    /// Held as long as the toolchain is in use: one run at a time changes the cache.
    _lock: File,
}

impl Toolchain {
    /// Makes the toolchain fit for the targets, from the cache or from Debian.
    pub(crate) fn prepare(apt: &Apt, targets: &[&str]) -> Result<Self> {
        let folder = workspace::cache()?.join("cross");
        fs::create_dir_all(&folder)
            .with_context(|| format!("cannot create {}", folder.display()))?;
        let lock = File::create(folder.with_extension("lock"))?;
        lock.lock().context("cannot lock the cross toolchain's cache")?;
        let toolchain = Self { folder, _lock: lock };
        if toolchain.is_stale(apt)? {
            say("Debian has a newer compiler: renewing the cross toolchain");
            toolchain.clear()?;
        }
        if let Err(error) = toolchain.fill(apt, targets) {
            if !toolchain.has_stamp("base") {
                return Err(error);
            }
            // Most likely a package of the cached version is gone from the archive.
            say(&format!("cannot complete the cross toolchain ({error:#}): starting afresh"));
            toolchain.clear()?;
            toolchain.fill(apt, targets)?;
        }
        Ok(toolchain)
    }

    /// `cargo` of the toolchain, with the C compilers and linkers of every target.
    pub(crate) fn cargo(&self) -> Command {
        let bin = self.bin();
        let mut path = OsString::from(&bin);
        path.push(":");
        path.push(env::var_os("PATH").unwrap_or_default());
        let mut cargo = Command::new(bin.join("cargo"));
        cargo
            .env("PATH", path)
            .env("RUSTC", bin.join("rustc"))
            .env("RUSTDOC", bin.join("rustdoc"))
            .env("CARGO_TARGET_X86_64_PC_WINDOWS_GNU_LINKER", format!("{MINGW}-gcc"))
            .env("CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_LINKER", "aarch64-linux-gnu-gcc")
            .env("CC_aarch64_apple_darwin", "apple-clang");
        // Set by the cargo that runs this program; they mean another compiler.
        for name in ["CARGO", "RUSTUP_TOOLCHAIN", "RUSTC_BOOTSTRAP", "RUSTFLAGS"] {
            cargo.env_remove(name);
        }
        cargo
    }

    fn fill(&self, apt: &Apt, targets: &[&str]) -> Result<()> {
        for folder in [self.root(), self.bin(), self.stamps()] {
            fs::create_dir_all(&folder)
                .with_context(|| format!("cannot create {}", folder.display()))?;
        }
        self.compiler(apt)?;
        for target in targets {
            self.c_tools(apt, target)?;
            self.standard_library(apt, target)?;
        }
        Ok(())
    }

    fn compiler(&self, apt: &Apt) -> Result<()> {
        if !self.has_stamp("base") {
            apt.update()?;
            let version = compiler_version(apt)?;
            let packages = ["rustc-web", "cargo-web", "rust-web-src", "libstd-rust-web-dev"]
                .map(|package| format!("{package}={version}"));
            self.unpack_group(apt, &packages)?;
            fs::write(self.stamp("base.version"), &version)?;
            fs::write(self.stamp("base"), "")?;
        }
        for program in COMPILER {
            self.wrap(program, &self.root().join("usr/bin").join(program))?;
        }
        Ok(())
    }

    /// The C compiler and binutils that crates with C code, and std itself, ask for.
    fn c_tools(&self, apt: &Apt, target: &str) -> Result<()> {
        let usr_bin = self.root().join("usr/bin");
        match target {
            "x86_64-pc-windows-gnu" => {
                let packages = ["gcc-mingw-w64-x86-64-posix", "g++-mingw-w64-x86-64-posix"];
                self.group(apt, "mingw", &packages)?;
                for tool in ["gcc", "g++"] {
                    let real = usr_bin.join(format!("{MINGW}-{tool}-posix"));
                    self.wrap(&format!("{MINGW}-{tool}"), &real)?;
                }
                for tool in ["ar", "as", "dlltool", "ld", "nm", "objcopy", "ranlib", "windres"] {
                    let name = format!("{MINGW}-{tool}");
                    self.wrap(&name, &usr_bin.join(&name))?;
                }
            }
            // Some crates compile one Objective-C file, which Debian's cc cannot.
            "aarch64-apple-darwin" => {
                let compiler = newest_clang(apt)?;
                self.group(apt, "clang", &[&compiler])?;
                let version = compiler.trim_start_matches("clang-");
                let real = self.root().join(format!("usr/lib/llvm-{version}/bin/clang"));
                self.wrap("apple-clang", &real)?;
            }
            "aarch64-unknown-linux-gnu" => {
                let packages = ["gcc-aarch64-linux-gnu", "libc6-dev-arm64-cross"];
                self.group(apt, "gcc-arm64", &packages)?;
                for tool in ["gcc", "ar"] {
                    let name = format!("aarch64-linux-gnu-{tool}");
                    self.wrap(&name, &usr_bin.join(&name))?;
                }
            }
            other => bail!("there is no cross toolchain for {other}"),
        }
        Ok(())
    }

    fn standard_library(&self, apt: &Apt, target: &str) -> Result<()> {
        let stamp = format!("std-{target}");
        if self.has_stamp(&stamp) {
            return Ok(());
        }
        if target == "aarch64-unknown-linux-gnu" {
            let version = self.version()?;
            say(&format!("unpacking the standard library of {target}"));
            let scratch = self.scratch()?;
            let package = format!("libstd-rust-web-dev:arm64={version}");
            apt::unpack(&apt.download(&package, &scratch)?, &self.root())?;
            fs::remove_dir_all(scratch)?;
        } else {
            say(&format!("building the standard library of {target} (once; minutes)"));
            let scratch = self.scratch()?;
            stdlib::build(self.cargo(), target, &scratch, &self.rustlib())?;
            fs::remove_dir_all(scratch)?;
        }
        Ok(fs::write(self.stamp(&stamp), "")?)
    }

    fn group(&self, apt: &Apt, name: &str, packages: &[&str]) -> Result<()> {
        if self.has_stamp(name) {
            return Ok(());
        }
        apt.update()?;
        let packages: Vec<_> = packages.iter().map(|&package| package.to_owned()).collect();
        self.unpack_group(apt, &packages)?;
        Ok(fs::write(self.stamp(name), "")?)
    }

    /// Unpacks packages and those of their dependencies that this machine lacks.
    fn unpack_group(&self, apt: &Apt, packages: &[String]) -> Result<()> {
        say(&format!("unpacking {}", packages.join(", ")));
        let scratch = self.scratch()?;
        apt.download_with_dependencies(packages, &scratch)?;
        for entry in fs::read_dir(&scratch)? {
            let path = entry?.path();
            if path.extension().is_some_and(|extension| extension == "deb") {
                apt::unpack(&path, &self.root())?;
            }
        }
        Ok(fs::remove_dir_all(scratch)?)
    }

    /// A program of the cache that finds the cache's libraries.
    fn wrap(&self, name: &str, program: &Path) -> Result<()> {
        if !program.exists() {
            bail!("the unpacked packages have no {}", program.display());
        }
        let libraries =
            self.root().join("usr/lib").join(format!("{}-linux-gnu", env::consts::ARCH));
        let script = format!(
            "#!/bin/sh\nexport LD_LIBRARY_PATH=\"{}${{LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}}\"\n\
             exec \"{}\" \"$@\"\n",
            libraries.display(),
            program.display()
        );
        let path = self.bin().join(name);
        if fs::read_to_string(&path).is_ok_and(|present| present == script) {
            return Ok(());
        }
        fs::write(&path, script)?;
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755))
            .with_context(|| format!("cannot create {}", path.display()))
    }

    fn is_stale(&self, apt: &Apt) -> Result<bool> {
        let stamp = self.stamp("base.version");
        let Ok(age) = fs::metadata(&stamp).and_then(|metadata| metadata.modified()) else {
            return Ok(false);
        };
        if age.elapsed().unwrap_or_default() < FRESH_FOR {
            return Ok(false);
        }
        apt.update()?;
        let newest = compiler_version(apt)?;
        if newest != self.version()? {
            return Ok(true);
        }
        // Asked and found fresh: written again for its time.
        fs::write(&stamp, newest)?;
        Ok(false)
    }

    fn clear(&self) -> Result<()> {
        fs::remove_dir_all(&self.folder)
            .with_context(|| format!("cannot remove {}", self.folder.display()))
    }

    fn version(&self) -> Result<String> {
        Ok(fs::read_to_string(self.stamp("base.version"))?.trim().to_owned())
    }

    fn scratch(&self) -> Result<PathBuf> {
        let path = self.folder.join("scratch");
        if path.exists() {
            // Left by a run that was interrupted; the lock says nobody uses it.
            fs::remove_dir_all(&path)?;
        }
        fs::create_dir_all(&path)?;
        Ok(path)
    }

    fn root(&self) -> PathBuf {
        self.folder.join("root")
    }

    fn bin(&self) -> PathBuf {
        self.folder.join("bin")
    }

    fn rustlib(&self) -> PathBuf {
        self.root().join("usr/lib/rustlib")
    }

    fn stamps(&self) -> PathBuf {
        self.folder.join("stamps")
    }

    fn stamp(&self, name: &str) -> PathBuf {
        self.stamps().join(name)
    }

    fn has_stamp(&self, name: &str) -> bool {
        self.stamp(name).exists()
    }
}

fn compiler_version(apt: &Apt) -> Result<String> {
    let newest = apt.candidates("rustc-web")?.into_iter().next();
    let newest = newest.context(
        "Debian's rustc-web was not found; this needs the sources of Debian 12 (bookworm) and of \
         its security updates",
    )?;
    Ok(newest.version)
}

/// The newest of Debian's compilers: Apple's targets are new to the old ones.
fn newest_clang(apt: &Apt) -> Result<String> {
    for version in (16..30).rev() {
        let package = format!("clang-{version}");
        if !apt.candidates(&package)?.is_empty() {
            return Ok(package);
        }
    }
    bail!("Debian has no current clang")
}
