//! What is in `/dev`.

use std::os::fd::{AsFd, BorrowedFd};
use std::path::{Path, PathBuf};

use oci_spec::runtime::{LinuxDevice, LinuxDeviceType};
use rustix::fs::{
    AtFlags, Dev, FileType, Gid, Mode, Uid, chownat, makedev, mknodat, statat, symlinkat,
};
use rustix::io::Errno;

use super::mounts::{attach, clone_at, clone_tree};
use super::resolve::{Missing, RootDirectory};
use crate::error::{Context, Result, RuntimeError};

/// Devices that every container has (OCI runtime specification, "Default Devices").
const DEFAULTS: [(&str, u32, u32); 6] = [
    ("/dev/null", 1, 3),
    ("/dev/zero", 1, 5),
    ("/dev/full", 1, 7),
    ("/dev/random", 1, 8),
    ("/dev/urandom", 1, 9),
    ("/dev/tty", 5, 0),
];

const LINKS: [(&str, &str); 5] = [
    ("/dev/fd", "/proc/self/fd"),
    ("/dev/stdin", "/proc/self/fd/0"),
    ("/dev/stdout", "/proc/self/fd/1"),
    ("/dev/stderr", "/proc/self/fd/2"),
    ("/dev/ptmx", "pts/ptmx"),
];

/// A device node.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Device {
    path: PathBuf,
    kind: FileType,
    number: Dev,
    mode: u32,
    owner: (u32, u32),
}

impl Device {
    /// The default devices.
    pub(crate) fn defaults() -> impl Iterator<Item = Self> {
        DEFAULTS.into_iter().map(|(path, major, minor)| Self {
            path: path.into(),
            kind: FileType::CharacterDevice,
            number: makedev(major, minor),
            mode: 0o666,
            owner: (0, 0),
        })
    }

    /// A device of the specification.
    pub(crate) fn from_spec(device: &LinuxDevice) -> Result<Self> {
        let kind = match device.typ() {
            LinuxDeviceType::B => FileType::BlockDevice,
            LinuxDeviceType::C | LinuxDeviceType::U => FileType::CharacterDevice,
            LinuxDeviceType::P => FileType::Fifo,
            LinuxDeviceType::A => {
                let path = device.path().display();
                return Err(RuntimeError::invalid(format!("device {path} has no type")));
            }
        };
        let part = |number: i64| u32::try_from(number).unwrap_or(0);
        Ok(Self {
            path: device.path().clone(),
            kind,
            number: makedev(part(device.major()), part(device.minor())),
            mode: device.file_mode().unwrap_or(0o666) & 0o7777,
            owner: (device.uid().unwrap_or(0), device.gid().unwrap_or(0)),
        })
    }

    /// Makes the node; where that is not allowed, binds the host's.
    pub(crate) fn create(&self, root: &RootDirectory) -> Result<()> {
        let name = self.path.display();
        let (directory, file) = root.parent_of(&self.path).context("make device", &name)?;
        let mode = Mode::from_raw_mode(self.mode);
        match mknodat(&directory, file, self.kind, mode, self.number) {
            Ok(()) => {}
            Err(Errno::EXIST) => return self.check_existing(directory.as_fd(), file.as_ref()),
            Err(Errno::PERM) => return self.bind(root),
            Err(errno) => return Err(errno).context("make device", &name),
        }
        let (uid, gid) = self.owner;
        if self.owner != (0, 0) {
            let owner = (Some(Uid::from_raw(uid)), Some(Gid::from_raw(gid)));
            chownat(&directory, file, owner.0, owner.1, AtFlags::SYMLINK_NOFOLLOW)
                .context("change the owner of", &name)?;
        }
        Ok(())
    }

    /// A node of that name is fine if it is the same device.
    fn check_existing(&self, directory: BorrowedFd<'_>, file: &Path) -> Result<()> {
        let stat = statat(directory, file, AtFlags::SYMLINK_NOFOLLOW)
            .context("stat", self.path.display())?;
        if FileType::from_raw_mode(stat.st_mode) == self.kind && stat.st_rdev == self.number {
            return Ok(());
        }
        Err(Errno::EXIST).context("make device", self.path.display())
    }

    fn bind(&self, root: &RootDirectory) -> Result<()> {
        let name = self.path.display();
        let source = clone_tree(&self.path, false).context("bind device", &name)?;
        let target =
            root.look_or_create(&self.path, Missing::File).context("bind device", &name)?;
        attach(&source, &target).context("bind device", &name)
    }
}

/// Makes the links in `/dev`; what the image or a mount has put there stays.
pub(crate) fn create_links(root: &RootDirectory) -> Result<()> {
    for (path, target) in LINKS {
        let (directory, name) = root.parent_of(Path::new(path)).context("make", path)?;
        match symlinkat(target, &directory, name) {
            Ok(()) | Err(Errno::EXIST) => {}
            Err(errno) => return Err(errno).context("make", path),
        }
    }
    Ok(())
}

/// Puts the terminal at `/dev/console`.
pub(crate) fn bind_console(root: &RootDirectory, terminal: BorrowedFd<'_>) -> Result<()> {
    let path = Path::new("/dev/console");
    let target = root.look_or_create(path, Missing::File).context("make", "/dev/console")?;
    let source = clone_at(terminal, false).context("bind", "/dev/console")?;
    attach(&source, &target).context("bind", "/dev/console")
}
