//! Whiteouts: what an archive says of lower layers, as overlayfs reads it.

use std::os::fd::{AsFd, BorrowedFd};

use rustix::fs::{FileType, Mode, OFlags, XattrFlags, fsetxattr, makedev, mknodat, openat};
use rustix::io::Errno;

use super::root::Root;

const PREFIX: &[u8] = b".wh.";
const OPAQUE_NAME: &[u8] = b".wh..wh..opq";
/// aufs's own bookkeeping, which old images carry along.
const AUFS_PREFIX: &[u8] = b".wh..wh.";
const OPAQUE_ATTRIBUTE: &str = "trusted.overlay.opaque";

/// What a member's name alone says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Whiteout<'a> {
    /// Nothing below this directory is to be seen.
    Opaque,
    /// The lower file of this name is not to be seen.
    Hides(&'a [u8]),
    /// It says nothing.
    Ignored,
    /// It is none that can be.
    Invalid,
}

impl<'a> Whiteout<'a> {
    /// `None` for the name of a file.
    pub(super) fn of(name: &'a [u8]) -> Option<Self> {
        let hidden = name.strip_prefix(PREFIX)?;
        Some(match hidden {
            b"" | b"." | b".." => Self::Invalid,
            _ if name == OPAQUE_NAME => Self::Opaque,
            _ if name.starts_with(AUFS_PREFIX) => Self::Ignored,
            _ => Self::Hides(hidden),
        })
    }

    /// Makes it so in the directory `path`.
    pub(super) fn make(self, root: &mut Root, path: &[u8]) -> Result<(), Errno> {
        match self {
            Self::Invalid | Self::Ignored => Ok(()),
            Self::Opaque => set_opaque(root.parent(path)?.as_fd()),
            Self::Hides(hidden) => {
                let parent = root.parent(path)?;
                let kind = FileType::CharacterDevice;
                match mknodat(&parent, hidden, kind, Mode::empty(), makedev(0, 0)) {
                    // A whiteout hides what lies in lower layers, never what this one brings.
                    Err(Errno::EXIST) => hide_below(parent.as_fd(), hidden),
                    done => done,
                }
            }
        }
    }
}

/// The layer has both a whiteout and the thing itself. A file hides the lower one by being
/// there; a directory must be made opaque.
fn hide_below(parent: BorrowedFd<'_>, name: &[u8]) -> Result<(), Errno> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    match openat(parent, name, flags, Mode::empty()) {
        Ok(directory) => set_opaque(directory.as_fd()),
        Err(Errno::NOTDIR | Errno::LOOP) => Ok(()),
        Err(errno) => Err(errno),
    }
}

pub(super) fn set_opaque(directory: BorrowedFd<'_>) -> Result<(), Errno> {
    fsetxattr(directory, OPAQUE_ATTRIBUTE, b"y", XattrFlags::empty())
}

/// Whether it is what a whiteout became.
pub(super) fn is_whiteout(stat: &rustix::fs::Stat) -> bool {
    FileType::from_raw_mode(stat.st_mode) == FileType::CharacterDevice && stat.st_rdev == 0
}
