//! Makes one member of the archive real.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::fs::{
    AtFlags, FileType, Mode, OFlags, XattrFlags, chmodat, fsetxattr, futimens, linkat, makedev,
    mkdirat, mknodat, openat, statat, symlinkat,
};
use rustix::io::Errno;

use super::attributes;
use super::error::UnpackError;
use super::member::{Kind, Member};
use super::root::{InnerPath, Root, shown};

const WHITEOUT_PREFIX: &[u8] = b".wh.";
const OPAQUE_NAME: &[u8] = b".wh..wh..opq";
/// aufs's own bookkeeping, which old images carry along.
const AUFS_PREFIX: &[u8] = b".wh..wh.";
const OPAQUE_ATTRIBUTE: &str = "trusted.overlay.opaque";
const COPY_BUFFER: usize = 128 << 10;

/// Fills a layer's directory.
#[derive(Debug)]
pub(super) struct Unpacker {
    root: Root,
    /// Set at the end, because every file made inside changes them again.
    directory_times: Vec<(InnerPath, (i64, u32))>,
    size: u64,
    buffer: Vec<u8>,
}

impl Unpacker {
    pub(super) fn new(root: Root) -> Self {
        Self { root, directory_times: Vec::new(), size: 0, buffer: vec![0; COPY_BUFFER] }
    }

    /// Makes `member`, whose content is read from `content`.
    pub(super) fn apply(
        &mut self,
        member: &Member,
        content: &mut impl Read,
    ) -> Result<(), UnpackError> {
        let entry = || shown(&member.name);
        let path = InnerPath::clean(&member.name)
            .ok_or_else(|| UnpackError::Outside { entry: entry() })?;
        let made = match path.split() {
            None if member.kind == Kind::Directory => self.root_directory(member),
            None => {
                return Err(UnpackError::Entry { entry: entry(), reason: "it has no name" });
            }
            Some((_, name)) if name.starts_with(WHITEOUT_PREFIX) => {
                return self.whiteout(member, &path);
            }
            Some((parent, name)) => self
                .root
                .parent(parent)
                .map_err(io::Error::from)
                .map_err(Failure::Write)
                .and_then(|parent| self.make(member, &parent, name, content)),
        };
        made.map_err(|failure| failure.at(member))?;
        if member.kind == Kind::Directory {
            self.directory_times.push((path, member.mtime));
        }
        Ok(())
    }

    /// Sets the directories' times; gives the bytes of all files.
    pub(super) fn finish(self) -> Result<u64, UnpackError> {
        for (path, mtime) in self.directory_times.iter().rev() {
            let touched = self
                .root
                .open_directory(path.as_bytes())
                .and_then(|directory| futimens(directory, &attributes::times(*mtime)));
            match touched {
                // A later member took the directory's place.
                Ok(()) | Err(Errno::NOENT | Errno::NOTDIR) => {}
                Err(errno) => {
                    let entry = shown(path.as_bytes());
                    return Err(UnpackError::Write { entry, source: errno.into() });
                }
            }
        }
        Ok(self.size)
    }

    fn root_directory(&self, member: &Member) -> Result<(), Failure> {
        Ok(attributes::apply(self.root.as_fd(), member)?)
    }

    fn make(
        &mut self,
        member: &Member,
        parent: &OwnedFd,
        name: &[u8],
        content: &mut impl Read,
    ) -> Result<(), Failure> {
        let parent = parent.as_fd();
        match member.kind {
            Kind::Directory => return self.directory(member, parent, name),
            Kind::File => return self.file(member, parent, name, content),
            Kind::HardLink => return self.hard_link(member, parent, name),
            Kind::Symlink => {
                self.replacing(parent, name, || symlinkat(member.link.as_slice(), parent, name))?;
                // As Docker counts: the size of a link is the length of its target.
                let length = u64::try_from(member.link.len()).unwrap_or(u64::MAX);
                self.size = self.size.saturating_add(length);
            }
            Kind::CharDevice if member.device == (0, 0) => return Err(Failure::ForgedWhiteout),
            Kind::CharDevice => self.node(member, parent, name, FileType::CharacterDevice)?,
            Kind::BlockDevice => self.node(member, parent, name, FileType::BlockDevice)?,
            Kind::Fifo => self.node(member, parent, name, FileType::Fifo)?,
        }
        attributes::own(parent, name, member)?;
        if member.kind != Kind::Symlink {
            // Again, because the new owner cleared the set-id bits. It is not a link: it
            // was just made.
            chmodat(parent, name, Mode::from_raw_mode(member.mode), AtFlags::empty())?;
        }
        Ok(attributes::touch(parent, name, member)?)
    }

    fn directory(
        &mut self,
        member: &Member,
        parent: BorrowedFd<'_>,
        name: &[u8],
    ) -> Result<(), Failure> {
        let mode = Mode::from_raw_mode(0o700);
        let mut hides_lower = false;
        match mkdirat(parent, name, mode) {
            Err(Errno::EXIST) => {
                let found = statat(parent, name, AtFlags::SYMLINK_NOFOLLOW)?;
                if FileType::from_raw_mode(found.st_mode) != FileType::Directory {
                    hides_lower = is_whiteout(&found);
                    self.root.remove(parent, name)?;
                    mkdirat(parent, name, mode)?;
                }
            }
            done => done?,
        }
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let directory = openat(parent, name, flags, Mode::empty())?;
        if hides_lower {
            set_opaque(directory.as_fd())?;
        }
        Ok(attributes::apply(directory.as_fd(), member)?)
    }

    fn file(
        &mut self,
        member: &Member,
        parent: BorrowedFd<'_>,
        name: &[u8],
        content: &mut impl Read,
    ) -> Result<(), Failure> {
        let flags =
            OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let mode = Mode::from_raw_mode(0o600);
        let descriptor = self.replacing(parent, name, || openat(parent, name, flags, mode))?;
        let mut file = File::from(descriptor);
        let size = match &member.sparse {
            Some(sparse) => {
                sparse.write(content, &mut file)?;
                sparse.real_size
            }
            None => copy(content, &mut file, &mut self.buffer)?,
        };
        self.size = self.size.saturating_add(size);
        attributes::apply(file.as_fd(), member)?;
        Ok(futimens(&file, &attributes::times(member.mtime))?)
    }

    fn hard_link(
        &mut self,
        member: &Member,
        parent: BorrowedFd<'_>,
        name: &[u8],
    ) -> Result<(), Failure> {
        let target = InnerPath::clean(&member.link).ok_or(Failure::LinkOutside)?;
        let (target_parent, target_name) = target.split().ok_or(Failure::LinkOutside)?;
        let target_parent = self.root.open_directory(target_parent)?;
        self.replacing(parent, name, || {
            linkat(&target_parent, target_name, parent, name, AtFlags::empty())
        })
        .map_err(Failure::from)
    }

    fn node(
        &mut self,
        member: &Member,
        parent: BorrowedFd<'_>,
        name: &[u8],
        kind: FileType,
    ) -> Result<(), Failure> {
        let device = makedev(member.device.0, member.device.1);
        let mode = Mode::from_raw_mode(member.mode);
        Ok(self.replacing(parent, name, || mknodat(parent, name, kind, mode, device))?)
    }

    /// Does `make`, after taking away what is in its place: the later member wins.
    fn replacing<T>(
        &mut self,
        parent: BorrowedFd<'_>,
        name: &[u8],
        make: impl Fn() -> Result<T, Errno>,
    ) -> io::Result<T> {
        match make() {
            Err(Errno::EXIST) => {
                self.root.remove(parent, name)?;
                Ok(make()?)
            }
            done => Ok(done?),
        }
    }

    fn whiteout(&mut self, member: &Member, path: &InnerPath) -> Result<(), UnpackError> {
        let entry = || shown(&member.name);
        let Some((parent, name)) = path.split() else { return Ok(()) };
        let hidden = &name[WHITEOUT_PREFIX.len()..];
        if matches!(hidden, b"" | b"." | b"..") {
            return Err(UnpackError::Entry { entry: entry(), reason: "it hides no file" });
        }
        if name != OPAQUE_NAME && name.starts_with(AUFS_PREFIX) {
            return Ok(());
        }
        let made = self.root.parent(parent).and_then(|parent| {
            if name == OPAQUE_NAME {
                return set_opaque(parent.as_fd());
            }
            let mode = Mode::empty();
            match mknodat(&parent, hidden, FileType::CharacterDevice, mode, makedev(0, 0)) {
                // A whiteout hides what lies in lower layers, never what this one brings.
                Err(Errno::EXIST) => hide_below(parent.as_fd(), hidden),
                done => done,
            }
        });
        made.map_err(|errno| UnpackError::Write { entry: entry(), source: errno.into() })
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

fn set_opaque(directory: BorrowedFd<'_>) -> Result<(), Errno> {
    fsetxattr(directory, OPAQUE_ATTRIBUTE, b"y", XattrFlags::empty())
}

fn is_whiteout(stat: &rustix::fs::Stat) -> bool {
    FileType::from_raw_mode(stat.st_mode) == FileType::CharacterDevice && stat.st_rdev == 0
}

fn copy(content: &mut impl Read, file: &mut File, buffer: &mut [u8]) -> Result<u64, Failure> {
    let mut copied = 0;
    loop {
        match content.read(buffer) {
            Ok(0) => return Ok(copied),
            Ok(count) => {
                file.write_all(&buffer[..count])?;
                copied += count as u64;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(Failure::Read(error)),
        }
    }
}

/// A failure before it knows its entry.
#[derive(Debug)]
enum Failure {
    Read(io::Error),
    Write(io::Error),
    ForgedWhiteout,
    LinkOutside,
}

impl Failure {
    fn at(self, member: &Member) -> UnpackError {
        let entry = shown(&member.name);
        match self {
            Self::Read(source) => UnpackError::Read(source),
            Self::Write(source) => UnpackError::Write { entry, source },
            Self::ForgedWhiteout => UnpackError::ForgedWhiteout { entry },
            Self::LinkOutside => UnpackError::LinkOutside { entry, target: shown(&member.link) },
        }
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::Write(error)
    }
}

impl From<Errno> for Failure {
    fn from(errno: Errno) -> Self {
        Self::Write(errno.into())
    }
}
