//! A walk through a source, by descriptors alone.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::fs::{
    AtFlags, Dir, FileType, Mode, OFlags, StatxFlags, Timespec, Timestamps, UTIME_NOW, openat,
    statx,
};
use rustix::io::Errno;
use rustix::process::{getegid, geteuid};
use tokio_util::sync::CancellationToken;

use super::error::{CopyError, Tried as _};
use super::filter::{Filter, Matched};
use crate::files::DEPTH_MAX;

/// What a file is like.
#[derive(Clone, Debug)]
pub(super) struct Status {
    pub(super) kind: FileType,
    /// The permissions, without the kind.
    pub(super) mode: u32,
    pub(super) owner: (u32, u32),
    pub(super) size: u64,
    /// What it takes on the disk.
    pub(super) allocated: u64,
    /// How many names it has.
    pub(super) names: u32,
    /// Tells it from all others of its tree.
    pub(super) identity: (u32, u32, u64),
    /// A device's numbers.
    pub(super) device: (u32, u32),
    pub(super) times: Timestamps,
}

impl Status {
    /// What `name` in `directory` is like, itself if it is a link; the directory if it is empty.
    pub(super) fn of(directory: impl AsFd, name: &[u8]) -> Result<Self, Errno> {
        let flags = AtFlags::SYMLINK_NOFOLLOW | AtFlags::EMPTY_PATH;
        let found = statx(directory, name, flags, StatxFlags::BASIC_STATS)?;
        let mode = u32::from(found.stx_mode);
        Ok(Self {
            kind: FileType::from_raw_mode(mode),
            mode: mode & 0o7777,
            owner: (found.stx_uid, found.stx_gid),
            size: found.stx_size,
            allocated: found.stx_blocks.saturating_mul(512),
            names: found.stx_nlink,
            identity: (found.stx_dev_major, found.stx_dev_minor, found.stx_ino),
            device: (found.stx_rdev_major, found.stx_rdev_minor),
            times: Timestamps {
                last_access: Timespec {
                    tv_sec: found.stx_atime.tv_sec,
                    tv_nsec: found.stx_atime.tv_nsec.into(),
                },
                last_modification: Timespec {
                    tv_sec: found.stx_mtime.tv_sec,
                    tv_nsec: found.stx_mtime.tv_nsec.into(),
                },
            },
        })
    }
}

impl Status {
    /// What a file is like that is written in a Dockerfile: the engine's own, and new.
    pub(super) fn of_document() -> Self {
        let now = Timespec { tv_sec: 0, tv_nsec: UTIME_NOW };
        Self {
            kind: FileType::RegularFile,
            mode: 0o644,
            owner: (geteuid().as_raw(), getegid().as_raw()),
            size: 0,
            allocated: 0,
            names: 1,
            identity: (0, 0, 0),
            device: (0, 0),
            times: Timestamps { last_access: now, last_modification: now },
        }
    }
}

/// Something in a directory.
#[derive(Debug)]
pub(super) struct Entry<'a> {
    pub(super) directory: BorrowedFd<'a>,
    pub(super) name: &'a [u8],
    /// Where it is, for messages.
    pub(super) path: &'a [u8],
    pub(super) status: &'a Status,
}

/// What is done on the way.
pub(super) trait Visitor {
    /// Goes into a directory, which is open. One that is not included is only on the way to
    /// something that may be.
    fn enter(
        &mut self,
        open: BorrowedFd<'_>,
        entry: &Entry<'_>,
        is_included: bool,
    ) -> Result<(), CopyError>;

    /// Comes out of the directory that was gone into last.
    fn leave(&mut self) -> Result<(), CopyError>;

    /// Comes to something else, which is included.
    fn file(&mut self, entry: &Entry<'_>) -> Result<(), CopyError>;
}

struct Level {
    directory: Dir,
    /// The length of its path.
    end: usize,
    matched: Matched,
}

/// Goes through the open directory `root`, which is at `place` of its tree, and all that is meant
/// of what is below it.
pub(super) fn walk(
    root: OwnedFd,
    place: &[u8],
    filter: &Filter,
    token: &CancellationToken,
    visitor: &mut impl Visitor,
) -> Result<(), CopyError> {
    let mut path = place.to_vec();
    if path == b"/" {
        path.clear();
    }
    let base = path.len();
    let status = Status::of(&root, b"").tried("look at", place)?;
    let entry = Entry { directory: root.as_fd(), name: b"", path: place, status: &status };
    visitor.enter(root.as_fd(), &entry, true)?;
    let directory = Dir::new(root).tried("read", place)?;
    let mut levels = vec![Level { directory, end: base, matched: Matched::default() }];
    loop {
        let depth = levels.len();
        let Some(level) = levels.last_mut() else { return Ok(()) };
        if token.is_cancelled() {
            return Err(CopyError::Cancelled);
        }
        path.truncate(level.end);
        let Some(found) = level.directory.read() else {
            levels.pop();
            visitor.leave()?;
            continue;
        };
        let found = found.tried("read", &path)?;
        let name = found.file_name().to_bytes();
        if matches!(name, b"." | b"..") {
            continue;
        }
        path.push(b'/');
        path.extend_from_slice(name);
        let verdict = filter.judge(&path[base + 1..], &level.matched);
        if !verdict.is_included && !verdict.is_entered {
            continue;
        }
        let here = level.directory.fd().tried("read", &path)?;
        let status = Status::of(here, name).tried("look at", &path)?;
        let entry = Entry { directory: here, name, path: &path, status: &status };
        if status.kind != FileType::Directory {
            if verdict.is_included {
                visitor.file(&entry)?;
            }
            continue;
        }
        if depth >= DEPTH_MAX {
            return Err(CopyError::io("enter", &path, Errno::NAMETOOLONG));
        }
        let open = open_directory(here, name).tried("open", &path)?;
        visitor.enter(open.as_fd(), &entry, verdict.is_included)?;
        let directory = Dir::new(open).tried("read", &path)?;
        levels.push(Level { directory, end: path.len(), matched: verdict.matched });
    }
}

/// Opens a directory for reading, not what a link leads to.
pub(super) fn open_directory(parent: impl AsFd, name: &[u8]) -> Result<OwnedFd, Errno> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    openat(parent, name, flags, Mode::empty())
}

/// Opens a regular file for reading.
pub(super) fn open_file(parent: impl AsFd, name: &[u8]) -> Result<OwnedFd, Errno> {
    let flags =
        OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NOCTTY | OFlags::NONBLOCK | OFlags::CLOEXEC;
    openat(parent, name, flags, Mode::empty())
}
