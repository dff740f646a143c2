//! `cargo xtask image`: what the VM boots, made from Debian packages and the agent.
//!
//! ```text
//! vm-images/manifest.toml ─► packages ─┬─► kernel ──────────► vmlinux | Image
//! vm-images/modules.txt ───────────────┼─► modules ─────────────────┐
//! guest-agent ─► static build ─────────┼────────────────────────────┼─► initramfs.cpio
//!                                      └─► e2fsck, CAs, qemu-user ──┘
//! vm-images/mke2fs.conf ─────────────────────────────────► data.img
//! vm-images/demo ──────────────────────────────────────────► demo-image.tar
//! ```
//!
//! The same inputs give the same bytes; `--check` builds everything twice and compares.

mod agent;
mod cpio;
mod demo;
mod disk;
mod elf;
mod kernel;
mod lock;
mod modules;

use std::env::consts::ARCH;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use clap::{Args, ValueEnum};
use serde::Serialize;

pub(crate) use self::agent::{Effort, STATIC, build_quickly};
use crate::apt::Apt;
use crate::step::{say, step};
use crate::{setup, workspace};

const INITRAMFS: &str = "initramfs.cpio";
const DATA_DISK: &str = "data.img";
const DEMO_IMAGE: &str = "demo-image.tar";
const MANIFEST: &str = "manifest.json";

/// Directories the kernel or init mounts something on, or writes to.
const EMPTY_DIRECTORIES: [&str; 6] = ["dev", "proc", "run", "sys", "tmp", "var/lib/naru"];

/// `/dev/console` (`devices.txt`: 5, 1): the kernel opens it for PID 1 before devtmpfs
/// is mounted.
const CONSOLE: (u32, u32) = (5, 1);

/// An architecture the VM exists for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Arch {
    /// 64-bit x86.
    #[value(name = "x86_64")]
    X86_64,
    /// 64-bit ARM.
    #[value(name = "aarch64")]
    Aarch64,
}

impl Arch {
    /// All of them.
    pub(crate) const ALL: [Self; 2] = [Self::X86_64, Self::Aarch64];

    /// The architecture of this machine.
    pub(crate) fn native() -> Result<Self> {
        let name = ARCH;
        let native = Self::ALL.into_iter().find(|arch| arch.name() == name);
        native.with_context(|| format!("there is no VM image for {name}"))
    }

    /// The one whose programs run under emulation in the machine.
    pub(crate) fn other(self) -> Self {
        match self {
            Self::X86_64 => Self::Aarch64,
            Self::Aarch64 => Self::X86_64,
        }
    }

    /// The name that Rust and QEMU use.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::X86_64 => "x86_64",
            Self::Aarch64 => "aarch64",
        }
    }

    /// The name that Debian uses.
    pub(crate) fn debian(self) -> &'static str {
        match self {
            Self::X86_64 => "amd64",
            Self::Aarch64 => "arm64",
        }
    }

    /// The name that OCI images use, which is Debian's.
    pub(crate) fn oci(self) -> &'static str {
        self.debian()
    }

    /// The agent's target.
    pub(crate) fn triple(self) -> &'static str {
        match self {
            Self::X86_64 => "x86_64-unknown-linux-gnu",
            Self::Aarch64 => "aarch64-unknown-linux-gnu",
        }
    }
}

/// Options of `cargo xtask image`.
#[derive(Debug, Args)]
pub(crate) struct ImageArgs {
    /// The architecture to build for; this machine's own if left out.
    #[arg(long, value_enum)]
    arch: Option<Arch>,
    /// Write the newest package versions into vm-images/manifest.toml first.
    #[arg(long)]
    update: bool,
    /// Build everything twice, from nothing, and fail if one byte differs.
    #[arg(long)]
    check: bool,
}

/// Runs `cargo xtask image`.
pub(crate) fn run(arguments: &ImageArgs) -> Result<()> {
    setup::install(&[setup::BUILD, setup::IMAGE])?;
    let apt = Apt::open()?;
    if arguments.update {
        lock::update(&apt)?;
    }
    let arch = match arguments.arch {
        Some(arch) => arch,
        None => Arch::native()?,
    };
    build(&apt, arch, Effort::Full)?;
    if arguments.check {
        step("building it again", || check(&apt, arch))?;
    }
    Ok(())
}

/// Builds the image of an architecture into its usual place.
pub(crate) fn build(apt: &Apt, arch: Arch, effort: Effort) -> Result<()> {
    let folder = folder(arch);
    step(&format!("VM image for {}", arch.name()), || {
        let agent = step("agent", || agent::build(apt, arch, effort))?;
        assemble(apt, arch, &folder, agent)
    })
}

/// Where the image of an architecture lies.
pub(crate) fn folder(arch: Arch) -> PathBuf {
    workspace::output().join("vm-images").join(arch.name())
}

/// A file of the image, as `manifest.json` has it.
#[derive(Debug, PartialEq, Eq, Serialize)]
struct FileRecord {
    name: &'static str,
    size: u64,
    sha256: String,
}

/// What `manifest.json` says of the image.
#[derive(Debug, Serialize)]
struct Manifest {
    arch: &'static str,
    agent_version: &'static str,
    kernel_version: String,
    demo_image: &'static str,
    files: Vec<FileRecord>,
}

fn assemble(apt: &Apt, arch: Arch, folder: &Path, agent: Vec<u8>) -> Result<()> {
    fs::create_dir_all(folder).with_context(|| format!("cannot create {}", folder.display()))?;
    let packages = lock::fetch(apt, arch)?;
    let write = |name: &str, content: &[u8]| write_whole(&folder.join(name), content);
    write(kernel::file_name(arch), &kernel::extract(&packages.kernel, arch)?)?;
    write(INITRAMFS, &initramfs(&packages, agent, arch)?)?;
    write(DEMO_IMAGE, &demo::archive(&packages.busybox, arch)?)?;
    disk::create(&folder.join(DATA_DISK))?;

    let mut files = Vec::new();
    for name in [kernel::file_name(arch), INITRAMFS, DATA_DISK, DEMO_IMAGE] {
        let path = folder.join(name);
        let size = fs::metadata(&path)?.len();
        say(&format!("{:>12} {}", size, path.display()));
        files.push(FileRecord { name, size, sha256: lock::sha256_of(&path)? });
    }
    let manifest = Manifest {
        arch: arch.name(),
        agent_version: env!("CARGO_PKG_VERSION"),
        kernel_version: packages.kernel_version,
        demo_image: demo::NAME,
        files,
    };
    // Last, so that a folder with a manifest is a whole image.
    write(MANIFEST, format!("{}\n", serde_json::to_string_pretty(&manifest)?).as_bytes())
}

/// The agent as `/init`, with what it needs to bring the machine up.
fn initramfs(packages: &lock::Unpacked, agent: Vec<u8>, arch: Arch) -> Result<Vec<u8>> {
    let mut tree = cpio::Tree::default();
    for path in EMPTY_DIRECTORIES {
        tree.directory(path);
    }
    tree.char_device("dev/console", 0o600, CONSOLE);
    tree.file("init", 0o755, agent);
    let e2fsck = packages.e2fsck.join("sbin/e2fsck.static");
    tree.file("sbin/e2fsck", 0o755, read(&e2fsck)?);
    tree.file("etc/ssl/certs/ca-certificates.crt", 0o644, certificates(&packages.ca_certificates)?);
    let emulator = format!("usr/bin/qemu-{}", arch.other().name());
    let program = packages.qemu_user.join(format!("{emulator}-static"));
    tree.file(&emulator, 0o755, read(&program)?);
    let list = fs::read_to_string(workspace::root().join("vm-images/modules.txt"))
        .context("cannot read vm-images/modules.txt")?;
    let modules = modules::collect(&packages.kernel, &list, arch)?;
    for (position, module) in modules.into_iter().enumerate() {
        let path = format!("lib/modules/{position:02}-{}.ko", module.name);
        tree.file(&path, 0o644, module.object);
    }
    Ok(tree.to_bytes())
}

/// Every certificate authority of the package, in one file, sorted by name.
fn certificates(package: &Path) -> Result<Vec<u8>> {
    let folder = package.join("usr/share/ca-certificates/mozilla");
    let mut paths = Vec::new();
    for entry in
        fs::read_dir(&folder).with_context(|| format!("cannot read {}", folder.display()))?
    {
        paths.push(entry?.path());
    }
    paths.sort();
    let mut bundle = Vec::new();
    for path in paths {
        bundle.extend(read(&path)?);
        if bundle.last() != Some(&b'\n') {
            bundle.push(b'\n');
        }
    }
    Ok(bundle)
}

/// Builds a second image from nothing and compares it with the first.
fn check(apt: &Apt, arch: Arch) -> Result<()> {
    let scratch = workspace::output().join("vm-images/check");
    match fs::remove_dir_all(&scratch) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error.into()),
        _ => {}
    }
    let second = scratch.join(arch.name());
    assemble(apt, arch, &second, agent::build_again(apt, arch, &scratch.join("agent"))?)?;
    // The manifest has the digest of every other file.
    let (one, other) = (read(&folder(arch).join(MANIFEST))?, read(&second.join(MANIFEST))?);
    if one != other {
        bail!(
            "two builds differ:\n{}\n{}",
            String::from_utf8_lossy(&one),
            String::from_utf8_lossy(&other)
        );
    }
    say("two builds gave the same bytes");
    Ok(fs::remove_dir_all(&scratch)?)
}

fn read(path: &Path) -> Result<Vec<u8>> {
    fs::read(path).with_context(|| format!("cannot read {}", path.display()))
}

/// Writes a file beside its place and renames it, so that a machine that is just being
/// started never sees half of it.
fn write_whole(path: &Path, content: &[u8]) -> Result<()> {
    let scratch = path.with_extension("new");
    fs::write(&scratch, content)
        .and_then(|()| fs::rename(&scratch, path))
        .with_context(|| format!("cannot write {}", path.display()))
}
