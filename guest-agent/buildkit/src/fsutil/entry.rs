//! One file of a tree: the protocol's attributes, checked, in Linux's terms.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::path::PathBuf;

use super::TransferError;
use super::path;
use crate::wire::fsutil::Stat;

/// The bits of Go's `os.FileMode`.
mod go {
    pub(super) const DIRECTORY: u32 = 1 << 31;
    pub(super) const SYMLINK: u32 = 1 << 27;
    pub(super) const DEVICE: u32 = 1 << 26;
    pub(super) const FIFO: u32 = 1 << 25;
    pub(super) const SOCKET: u32 = 1 << 24;
    pub(super) const SETUID: u32 = 1 << 23;
    pub(super) const SETGID: u32 = 1 << 22;
    pub(super) const CHARACTER: u32 = 1 << 21;
    pub(super) const STICKY: u32 = 1 << 20;
    pub(super) const IRREGULAR: u32 = 1 << 19;
    /// All that say what kind of file it is.
    pub(super) const KIND: u32 =
        DIRECTORY | SYMLINK | DEVICE | FIFO | SOCKET | CHARACTER | IRREGULAR;
}

/// A file of a tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Below the tree's root: relative and clean.
    pub path: PathBuf,
    /// What kind of file it is.
    pub kind: Kind,
    /// Permissions with set-user-id, set-group-id and sticky, as in `st_mode`.
    pub mode: u32,
    /// The owner.
    pub uid: u32,
    /// The owning group.
    pub gid: u32,
    /// The contents' length when the sender looked; no more than a hint.
    pub size: u64,
    /// The time of the last change, in nanoseconds since 1970.
    pub modified_ns: i64,
    /// Extended attributes.
    pub xattrs: BTreeMap<String, Vec<u8>>,
}

/// The kinds of files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A directory.
    Directory,
    /// A file with contents of its own.
    File,
    /// One more name of a file that was told before; relative to the tree's root, and clean.
    HardLink(PathBuf),
    /// A symbolic link to whatever the peer says.
    Symlink(OsString),
    /// A named pipe.
    Fifo,
    /// A socket.
    Socket,
    /// A character device.
    CharacterDevice {
        /// Its major number.
        major: u32,
        /// Its minor number.
        minor: u32,
    },
    /// A block device.
    BlockDevice {
        /// Its major number.
        major: u32,
        /// Its minor number.
        minor: u32,
    },
}

impl TryFrom<Stat> for Entry {
    type Error = TransferError;

    fn try_from(stat: Stat) -> Result<Self, TransferError> {
        let path = path::checked(&stat.path)?;
        let kind = kind(&stat, &path)?;
        let size = u64::try_from(stat.size).unwrap_or(0);
        let special = [(go::SETUID, 0o4000), (go::SETGID, 0o2000), (go::STICKY, 0o1000)];
        let special = special.iter().filter(|(bit, _)| stat.mode & bit != 0);
        let mode = (stat.mode & 0o777) | special.fold(0, |mode, (_, unix)| mode | unix);
        Ok(Self {
            path,
            kind,
            mode,
            uid: stat.uid,
            gid: stat.gid,
            size,
            modified_ns: stat.mod_time,
            xattrs: stat.xattrs,
        })
    }
}

fn kind(stat: &Stat, path: &std::path::Path) -> Result<Kind, TransferError> {
    let no_file = || TransferError::Mode { path: path.to_owned(), mode: stat.mode };
    let device = || -> Result<(u32, u32), TransferError> {
        let number = |number: i64| u32::try_from(number).map_err(|_| no_file());
        Ok((number(stat.devmajor)?, number(stat.devminor)?))
    };
    Ok(match stat.mode & go::KIND {
        go::DIRECTORY => Kind::Directory,
        0 if stat.linkname.is_empty() => Kind::File,
        0 => Kind::HardLink(path::checked(&stat.linkname)?),
        go::SYMLINK if stat.linkname.is_empty() || stat.linkname.contains(&0) => {
            return Err(no_file());
        }
        go::SYMLINK => Kind::Symlink(OsString::from_vec(stat.linkname.clone())),
        go::FIFO => Kind::Fifo,
        go::SOCKET => Kind::Socket,
        go::DEVICE => {
            let (major, minor) = device()?;
            Kind::BlockDevice { major, minor }
        }
        bits if bits == go::DEVICE | go::CHARACTER => {
            let (major, minor) = device()?;
            Kind::CharacterDevice { major, minor }
        }
        _ => return Err(no_file()),
    })
}

impl From<&Entry> for Stat {
    fn from(entry: &Entry) -> Self {
        let special = [(go::SETUID, 0o4000), (go::SETGID, 0o2000), (go::STICKY, 0o1000)];
        let special = special.iter().filter(|(_, unix)| entry.mode & unix != 0);
        let mut stat = Self {
            path: entry.path.as_os_str().as_bytes().to_owned(),
            mode: (entry.mode & 0o777) | special.fold(0, |mode, (bit, _)| mode | bit),
            uid: entry.uid,
            gid: entry.gid,
            size: i64::try_from(entry.size).unwrap_or(i64::MAX),
            mod_time: entry.modified_ns,
            xattrs: entry.xattrs.clone(),
            ..Self::default()
        };
        let mut numbers = |major: u32, minor: u32| {
            (stat.devmajor, stat.devminor) = (i64::from(major), i64::from(minor));
        };
        stat.mode |= match &entry.kind {
            Kind::Directory => go::DIRECTORY,
            Kind::File => 0,
            Kind::HardLink(first) => {
                first.as_os_str().as_bytes().clone_into(&mut stat.linkname);
                0
            }
            Kind::Symlink(target) => {
                target.as_bytes().clone_into(&mut stat.linkname);
                go::SYMLINK
            }
            Kind::Fifo => go::FIFO,
            Kind::Socket => go::SOCKET,
            Kind::CharacterDevice { major, minor } => {
                numbers(*major, *minor);
                go::DEVICE | go::CHARACTER
            }
            Kind::BlockDevice { major, minor } => {
                numbers(*major, *minor);
                go::DEVICE
            }
        };
        stat
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(kind: Kind) -> Entry {
        Entry {
            path: "a/b".into(),
            kind,
            mode: 0o4755,
            uid: 1,
            gid: 2,
            size: 3,
            modified_ns: -4,
            xattrs: BTreeMap::from([("user.a".to_owned(), b"\xff".to_vec())]),
        }
    }

    #[test]
    fn every_kind_comes_back_as_it_went() -> anyhow::Result<()> {
        for kind in [
            Kind::Directory,
            Kind::File,
            Kind::HardLink("a/a".into()),
            Kind::Symlink("../../etc".into()),
            Kind::Fifo,
            Kind::Socket,
            Kind::CharacterDevice { major: 1, minor: 3 },
            Kind::BlockDevice { major: 8, minor: 0 },
        ] {
            let entry = entry(kind);
            assert_eq!(Entry::try_from(Stat::from(&entry))?, entry);
        }
        Ok(())
    }

    #[test]
    fn kinds_that_are_none_are_refused() {
        let good = Stat { path: b"a".to_vec(), ..Stat::default() };
        for mode in [go::IRREGULAR, go::DIRECTORY | go::SYMLINK, go::CHARACTER, go::SYMLINK] {
            let refused = Entry::try_from(Stat { mode, ..good.clone() });
            assert!(matches!(refused, Err(TransferError::Mode { .. })), "{mode:#x}");
        }
        let link = Stat { linkname: b"../a".to_vec(), ..good };
        assert!(matches!(Entry::try_from(link), Err(TransferError::Path { .. })));
    }
}
