//! The data disk: found, checked, mounted and grown.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread::{self, JoinHandle};

use rustix::mount::{MountFlags, mount};

use crate::error::InitError;
use crate::superblock::{LENGTH, NotExt4, OFFSET, Superblock};
use crate::{DATA_DIR, console, sys};

/// The disk's serial number and its volume label (`naru_protocol::DATA_DISK_SERIAL`;
/// init does not link the protocol crate for nine bytes).
const DATA_DISK: &str = "naru-data";
const BLOCK_DIR: &str = "/sys/class/block";
const E2FSCK: &str = "/sbin/e2fsck";
const SECTOR_BYTES: u64 = 512;

/// `e2fsck` statuses up to this one leave a file system that can be mounted: 1 means
/// errors were corrected, 2 that a mounted root would need a reboot (`man e2fsck`).
const E2FSCK_USABLE: i32 = 3;

/// Mounts the data disk on [`DATA_DIR`], after a repair if the machine was not shut
/// down in order. If the disk has become larger than the file system, a thread grows it
/// while the machine is in use; that is what is returned.
pub(crate) fn mount_data() -> Result<Option<JoinHandle<()>>, InitError> {
    let device = find()?.ok_or(InitError::DiskMissing)?;
    let superblock = read_superblock(&device)?;
    let device_bytes = device_bytes(&device)?;
    if superblock.bytes() > device_bytes {
        return Err(InitError::DiskCut {
            device,
            filesystem_bytes: superblock.bytes(),
            device_bytes,
        });
    }
    if !superblock.clean {
        repair(&device)?;
    }
    fs::create_dir_all(DATA_DIR).map_err(|source| InitError::File {
        operation: "create",
        path: DATA_DIR.into(),
        source,
    })?;
    mount(&device, DATA_DIR, "ext4", MountFlags::NOATIME, c"nodiscard,errors=remount-ro")
        .map_err(|errno| InitError::DiskMount { device: device.clone(), source: errno.into() })?;
    let blocks = device_bytes / superblock.block_bytes;
    Ok((blocks > superblock.blocks).then(|| thread::spawn(move || grow(blocks))))
}

/// The block device whose serial number, or else whose volume label, is the data disk's.
fn find() -> Result<Option<PathBuf>, InitError> {
    let failed = |source| InitError::File { operation: "read", path: BLOCK_DIR.into(), source };
    let mut names = Vec::new();
    for entry in fs::read_dir(BLOCK_DIR).map_err(failed)? {
        names.push(entry.map_err(failed)?.file_name());
    }
    names.sort();
    let has_serial = |name: &&_| {
        fs::read_to_string(Path::new(BLOCK_DIR).join(name).join("serial"))
            .is_ok_and(|serial| serial.trim_end() == DATA_DISK)
    };
    let has_label = |name: &&_| {
        read_superblock(&Path::new("/dev").join(name))
            .is_ok_and(|superblock| superblock.label == DATA_DISK)
    };
    let name = names.iter().find(has_serial).or_else(|| names.iter().find(has_label));
    Ok(name.map(|name| Path::new("/dev").join(name)))
}

fn read_superblock(device: &Path) -> Result<Superblock, InitError> {
    let failed = |source| InitError::File { operation: "read", path: device.to_owned(), source };
    let mut bytes = [0; LENGTH];
    let file = File::open(device).map_err(failed)?;
    match file.read_exact_at(&mut bytes, OFFSET) {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
            return Err(InitError::DiskFormat {
                device: device.to_owned(),
                source: NotExt4::Magic,
            });
        }
        Err(error) => return Err(failed(error)),
    }
    Superblock::parse(&bytes)
        .map_err(|source| InitError::DiskFormat { device: device.to_owned(), source })
}

fn device_bytes(device: &Path) -> Result<u64, InitError> {
    let path = Path::new(BLOCK_DIR).join(device.file_name().unwrap_or_default()).join("size");
    let sectors = fs::read_to_string(&path).and_then(|text| {
        text.trim_end()
            .parse::<u64>()
            .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))
    });
    sectors.map(|sectors| sectors * SECTOR_BYTES).map_err(|source| InitError::File {
        operation: "read",
        path,
        source,
    })
}

/// Replays the journal and repairs what can be repaired without asking.
fn repair(device: &Path) -> Result<(), InitError> {
    console::info("the data disk was not unmounted in order; checking it");
    let status = sys::prepare_child(&mut Command::new(E2FSCK))
        .arg("-p")
        .arg(device)
        .stdin(Stdio::null())
        .status()
        .map_err(|source| InitError::File { operation: "run", path: E2FSCK.into(), source })?;
    // A signal has no exit code; it counts as "operational error".
    let status = status.code().unwrap_or(8);
    if status > E2FSCK_USABLE {
        return Err(InitError::DiskDamaged { device: device.to_owned(), status });
    }
    Ok(())
}

/// Grows the mounted file system. The disk as it is works too, so a failure is said and
/// nothing else comes of it.
fn grow(blocks: u64) {
    let result = File::open(DATA_DIR).and_then(|mounted| sys::resize_ext4(&mounted, blocks));
    match result {
        Ok(()) => console::info(&format!("grew the data disk to {blocks} blocks")),
        Err(error) => {
            console::error(&format!("cannot grow the data disk to {blocks} blocks: {error}"));
        }
    }
}
