//! Owner, mode, attributes and times of what is written.

use std::os::fd::{AsFd, BorrowedFd};

use naru_dockerfile::FileMode;
use rustix::fs::{
    AtFlags, FileType, Gid, Mode, Timestamps, Uid, chmodat, chownat, fchmod, fchown, utimensat,
};
use rustix::io::Errno;

use super::walk::Status;
use crate::files::{Attributes, write_attributes};

/// What the instruction says of all files.
#[derive(Clone, Copy, Debug)]
pub(super) struct Orders<'a> {
    /// Whom they are to belong to; else each keeps its owner.
    pub(super) owner: Option<(u32, u32)>,
    /// What becomes of their modes.
    pub(super) mode: Option<&'a FileMode>,
}

/// What one file gets.
#[derive(Clone, Debug)]
pub(super) struct Dress {
    uid: Uid,
    gid: Gid,
    mode: Mode,
    pub(super) times: Timestamps,
}

impl Orders<'_> {
    pub(super) fn dress(&self, status: &Status) -> Dress {
        let (uid, gid) = self.owner.unwrap_or(status.owner);
        let is_directory = status.kind == FileType::Directory;
        let mode = self.mode.map_or(status.mode, |mode| mode.apply(status.mode, is_directory));
        Dress {
            uid: Uid::from_raw(uid),
            gid: Gid::from_raw(gid),
            mode: Mode::from_raw_mode(mode),
            times: status.times.clone(),
        }
    }
}

impl Dress {
    /// All but the times, which are set last. Changing the owner clears set-id bits and
    /// capabilities, so it comes first.
    pub(super) fn onto(&self, made: impl AsFd, attributes: &Attributes) -> Result<(), Errno> {
        fchown(&made, Some(self.uid), Some(self.gid))?;
        fchmod(&made, self.mode)?;
        write_attributes(&made, attributes)
    }

    /// The same of a link, which has no mode.
    pub(super) fn onto_link(&self, directory: BorrowedFd<'_>, name: &[u8]) -> Result<(), Errno> {
        let flags = AtFlags::SYMLINK_NOFOLLOW;
        chownat(directory, name, Some(self.uid), Some(self.gid), flags)?;
        utimensat(directory, name, &self.times, flags)
    }

    /// The same of a device or a pipe, which is not opened. It was just made, and nobody else
    /// writes here, so that no link can have taken its place.
    pub(super) fn onto_special(&self, directory: BorrowedFd<'_>, name: &[u8]) -> Result<(), Errno> {
        chownat(directory, name, Some(self.uid), Some(self.gid), AtFlags::SYMLINK_NOFOLLOW)?;
        chmodat(directory, name, self.mode, AtFlags::empty())?;
        utimensat(directory, name, &self.times, AtFlags::SYMLINK_NOFOLLOW)
    }
}
