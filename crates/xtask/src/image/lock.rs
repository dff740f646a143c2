//! `vm-images/manifest.toml`: which Debian packages the image is made of.
//!
//! Debian drops a version when the next one comes. A build whose locked version is
//! gone therefore takes the newest of the same series and says so; `--update` writes
//! the newest into the lock.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{self, Command};

use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};

use super::Arch;
use crate::apt::{self, Apt};
use crate::process::text;
use crate::step::say;
use crate::workspace;

/// Meta-packages `linux-image-<series>-cloud-<arch>` depend on the newest kernel of a
/// long-term series.
const KERNEL_SERIES: &str = "6.12";

/// The one package that is the same for every architecture; apt knows it only without one.
const CA_CERTIFICATES: &str = "ca-certificates";

const HEADER: &str = "\
# The Debian packages that the VM image is made of.
# Written by `cargo xtask image --update`.

";

/// One package, exactly.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Locked {
    /// The package's name.
    pub package: String,
    /// Its version.
    pub version: String,
    /// The SHA-256 of the `.deb`.
    pub sha256: String,
}

/// The packages of one architecture.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct Packages {
    /// The kernel and its modules.
    pub kernel: Locked,
    /// `/sbin/e2fsck`, static.
    pub e2fsck: Locked,
    /// The demo image's userland, static.
    pub busybox: Locked,
    /// The certificate authorities that registries are checked against.
    pub ca_certificates: Locked,
    /// The emulators of other architectures' programs, static.
    pub qemu_user: Locked,
}

/// The whole file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Lock {
    x86_64: Packages,
    aarch64: Packages,
}

/// The packages of an architecture, unpacked, each in a folder of its own.
#[derive(Debug)]
pub(crate) struct Unpacked {
    /// The kernel package as it was found.
    pub kernel_version: String,
    /// `boot/` and `lib/modules/`.
    pub kernel: PathBuf,
    /// `sbin/`.
    pub e2fsck: PathBuf,
    /// `bin/`.
    pub busybox: PathBuf,
    /// `usr/share/ca-certificates/`.
    pub ca_certificates: PathBuf,
    /// `usr/bin/`.
    pub qemu_user: PathBuf,
}

/// Writes the newest version of every package, for both architectures, into the lock.
pub(crate) fn update(apt: &Apt) -> Result<()> {
    apt.update()?;
    let lock = Lock { x86_64: newest(apt, Arch::X86_64)?, aarch64: newest(apt, Arch::Aarch64)? };
    let path = path();
    fs::write(&path, format!("{HEADER}{}", toml::to_string(&lock)?))
        .with_context(|| format!("cannot write {}", path.display()))?;
    say(&format!("renewed {}", path.display()));
    Ok(())
}

/// Gets and unpacks the locked packages, or their successors.
pub(crate) fn fetch(apt: &Apt, arch: Arch) -> Result<Unpacked> {
    let path = path();
    let text =
        fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
    let lock: Lock =
        toml::from_str(&text).with_context(|| format!("{} is damaged", path.display()))?;
    let locked = match arch {
        Arch::X86_64 => lock.x86_64,
        Arch::Aarch64 => lock.aarch64,
    };
    let get = |package: &Locked, meta: Option<String>| -> Result<(Locked, PathBuf)> {
        let found = available(apt, arch, package, meta.as_deref())?;
        let folder = unpacked(apt, arch, &found)?;
        Ok((found, folder))
    };
    let (kernel, kernel_folder) = get(&locked.kernel, Some(kernel_meta_package(arch)))?;
    Ok(Unpacked {
        kernel_version: kernel.version,
        kernel: kernel_folder,
        e2fsck: get(&locked.e2fsck, None)?.1,
        busybox: get(&locked.busybox, None)?.1,
        ca_certificates: get(&locked.ca_certificates, None)?.1,
        qemu_user: get(&locked.qemu_user, None)?.1,
    })
}

fn path() -> PathBuf {
    workspace::root().join("vm-images/manifest.toml")
}

fn kernel_meta_package(arch: Arch) -> String {
    format!("linux-image-{KERNEL_SERIES}-cloud-{}", arch.debian())
}

/// The package as apt is asked for it.
fn qualified(package: &str, arch: Arch) -> String {
    if package == CA_CERTIFICATES {
        return package.to_owned();
    }
    format!("{package}:{}", arch.debian())
}

fn newest(apt: &Apt, arch: Arch) -> Result<Packages> {
    Ok(Packages {
        kernel: newest_kernel(apt, arch, &kernel_meta_package(arch))?,
        e2fsck: newest_of(apt, arch, "e2fsck-static")?,
        busybox: newest_of(apt, arch, "busybox-static")?,
        ca_certificates: newest_of(apt, arch, CA_CERTIFICATES)?,
        qemu_user: newest_of(apt, arch, "qemu-user-static")?,
    })
}

fn newest_of(apt: &Apt, arch: Arch, package: &str) -> Result<Locked> {
    let found = apt.candidates(&qualified(package, arch))?;
    let Some(candidate) = found.into_iter().next() else {
        bail!("Debian has no package {package} for {}", arch.debian());
    };
    Ok(Locked { package: package.to_owned(), version: candidate.version, sha256: candidate.sha256 })
}

/// The kernel that a meta-package depends on: its package is named after the version.
fn newest_kernel(apt: &Apt, arch: Arch, meta: &str) -> Result<Locked> {
    let found = apt.candidates(&qualified(meta, arch))?;
    let depends = found.first().map(|candidate| candidate.depends.clone()).unwrap_or_default();
    let Some(package) = depends.split([' ', ',']).find(|name| name.starts_with("linux-image-"))
    else {
        bail!("the package {meta} names no kernel");
    };
    newest_of(apt, arch, package)
}

/// The package itself if it is in the cache or still in the archive, else the newest of
/// its series (for the kernel: what `meta` depends on).
fn available(apt: &Apt, arch: Arch, locked: &Locked, meta: Option<&str>) -> Result<Locked> {
    if folder_of(locked)?.exists() {
        return Ok(locked.clone());
    }
    apt.update()?;
    let exact = format!("{}={}", qualified(&locked.package, arch), locked.version);
    if apt.candidates(&exact)?.iter().any(|candidate| candidate.sha256 == locked.sha256) {
        return Ok(locked.clone());
    }
    let newest = match meta {
        Some(meta) => newest_kernel(apt, arch, meta)?,
        None => newest_of(apt, arch, &locked.package)?,
    };
    say(&format!(
        "WARNING: Debian no longer has {} {}; building with {} {} instead.\n\
         WARNING: `cargo xtask image --update` renews vm-images/manifest.toml.",
        locked.package, locked.version, newest.package, newest.version
    ));
    Ok(newest)
}

fn folder_of(package: &Locked) -> Result<PathBuf> {
    Ok(workspace::cache()?.join("packages").join(&package.sha256))
}

/// The package's files in the cache. The folder's name is the archive's digest, and it
/// appears by a rename, so that what exists is complete and right.
fn unpacked(apt: &Apt, arch: Arch, package: &Locked) -> Result<PathBuf> {
    let folder = folder_of(package)?;
    if folder.exists() {
        return Ok(folder);
    }
    say(&format!("fetching {} {}", package.package, package.version));
    let scratch = folder.with_extension(format!("new-{}", process::id()));
    let (download, tree) = (scratch.join("download"), scratch.join("tree"));
    for path in [&download, &tree] {
        fs::create_dir_all(path).with_context(|| format!("cannot create {}", path.display()))?;
    }
    let exact = format!("{}={}", qualified(&package.package, arch), package.version);
    let archive = apt.download(&exact, &download)?;
    let digest = sha256_of(&archive)?;
    if digest != package.sha256 {
        bail!("{} has the SHA-256 {digest}, not {}", archive.display(), package.sha256);
    }
    apt::unpack(&archive, &tree)?;
    match fs::rename(&tree, &folder) {
        // Another run was quicker; what it left is the same.
        Err(_) if folder.exists() => {}
        result => result.with_context(|| format!("cannot create {}", folder.display()))?,
    }
    fs::remove_dir_all(&scratch)?;
    Ok(folder)
}

/// The SHA-256 of a file, by the system's own tool: this program is built without
/// optimisation, and the files are large.
pub(crate) fn sha256_of(path: &Path) -> Result<String> {
    let line = text(Command::new("sha256sum").arg("--").arg(path))?;
    line.split(' ').next().map(str::to_owned).context("sha256sum printed nothing")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_committed_lock_is_whole() {
        let lock: Lock = toml::from_str(&fs::read_to_string(path()).unwrap()).unwrap();
        for packages in [lock.x86_64, lock.aarch64] {
            let Packages { kernel, e2fsck, busybox, ca_certificates, qemu_user } = packages;
            assert!(kernel.version.starts_with(KERNEL_SERIES));
            for locked in [kernel, e2fsck, busybox, ca_certificates, qemu_user] {
                assert_eq!(locked.sha256.len(), 64, "{}", locked.package);
            }
        }
    }
}
