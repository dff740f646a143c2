//! Makes one member of the archive real.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::AsFd;

use rustix::fs::{
    AtFlags, FileType, Mode, OFlags, futimens, linkat, makedev, mkdirat, mknodat, openat, statat,
    symlinkat,
};
use rustix::io::Errno;

use super::attributes;
use super::error::UnpackError;
use super::member::{Kind, Member};
use super::root::{InnerPath, Parent, Root, shown};
use super::tape::Tape;
use super::whiteout::{Whiteout, is_whiteout, set_opaque};
use crate::record::Recorder;

/// What is remembered of directories until the end; the largest real layers take some MiB.
const MAX_REMEMBERED: usize = 64 << 20;
/// What one takes beside its path.
const DIRECTORY_BYTES: usize = 56;
const COPY_BUFFER: usize = 128 << 10;

/// Fills a layer's directory.
#[derive(Debug)]
pub(super) struct Unpacker {
    root: Root,
    /// Set at the end, because every file made inside changes them again.
    directory_times: Vec<(InnerPath, (i64, u32))>,
    /// What they take.
    remembered: usize,
    size: u64,
    buffer: Vec<u8>,
}

impl Unpacker {
    pub(super) fn new(root: Root) -> Self {
        Self {
            root,
            directory_times: Vec::new(),
            remembered: 0,
            size: 0,
            buffer: vec![0; COPY_BUFFER],
        }
    }

    /// Makes `member`, the one last given out by `tape`.
    pub(super) fn apply<R: Read>(
        &mut self,
        member: &Member,
        tape: &mut Tape<Recorder<R>>,
    ) -> Result<(), UnpackError> {
        let entry = || shown(&member.name);
        let path = InnerPath::clean(&member.name)
            .ok_or_else(|| UnpackError::Outside { entry: entry() })?;
        let made = match path.split() {
            None if member.kind == Kind::Directory => self.root_directory(member),
            None => {
                return Err(UnpackError::Entry { entry: entry(), reason: "it has no name" });
            }
            Some((parent, name)) if let Some(whiteout) = Whiteout::of(name) => {
                if whiteout == Whiteout::Invalid {
                    return Err(UnpackError::Entry { entry: entry(), reason: "it hides no file" });
                }
                let made = whiteout.make(&mut self.root, parent);
                return made
                    .map_err(|errno| UnpackError::Write { entry: entry(), source: errno.into() });
            }
            Some((parent, name)) => self
                .root
                .parent(parent)
                .map_err(io::Error::from)
                .map_err(Failure::Write)
                .and_then(|parent| self.make(member, &Place { parent: &parent, name }, tape)),
        };
        made.map_err(|failure| failure.at(member))?;
        if member.kind == Kind::Directory {
            self.remembered += path.as_bytes().len() + DIRECTORY_BYTES;
            if self.remembered > MAX_REMEMBERED {
                return Err(UnpackError::Tar { reason: "it has too many directories" });
            }
            self.directory_times.push((path, member.mtime));
        }
        Ok(())
    }

    /// Sets the directories' times; gives the bytes of all files.
    pub(super) fn finish(self) -> Result<u64, UnpackError> {
        for (path, mtime) in &self.directory_times {
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

    fn make<R: Read>(
        &mut self,
        member: &Member,
        place: &Place<'_>,
        tape: &mut Tape<Recorder<R>>,
    ) -> Result<(), Failure> {
        let (parent, name) = (place.parent.as_fd(), place.name);
        match member.kind {
            Kind::Directory => return self.directory(member, place, tape.recorder()),
            Kind::File => return self.file(member, place, tape),
            Kind::HardLink => return self.hard_link(member, place, tape.recorder()),
            Kind::Symlink => {
                let link = || symlinkat(member.link.as_slice(), parent, name);
                self.replacing(place, tape.recorder(), link)?;
                // As Docker counts: the size of a link is the length of its target.
                let length = u64::try_from(member.link.len()).unwrap_or(u64::MAX);
                self.size = self.size.saturating_add(length);
            }
            Kind::CharDevice if member.device == (0, 0) => return Err(Failure::ForgedWhiteout),
            Kind::CharDevice | Kind::BlockDevice | Kind::Fifo => {
                let kind = match member.kind {
                    Kind::CharDevice => FileType::CharacterDevice,
                    Kind::BlockDevice => FileType::BlockDevice,
                    _ => FileType::Fifo,
                };
                let device = makedev(member.device.0, member.device.1);
                let mode = Mode::from_raw_mode(member.mode);
                let node = || mknodat(parent, name, kind, mode, device);
                self.replacing(place, tape.recorder(), node)?;
            }
        }
        Ok(attributes::apply_unopened(parent, name, member, member.kind == Kind::Symlink)?)
    }

    fn directory<R: Read>(
        &mut self,
        member: &Member,
        place: &Place<'_>,
        recorder: &mut Recorder<R>,
    ) -> Result<(), Failure> {
        let (parent, name) = (place.parent.as_fd(), place.name);
        let mode = attributes::made_with(member);
        let mut hides_lower = false;
        match mkdirat(parent, name, mode) {
            Err(Errno::EXIST) => {
                let found = statat(parent, name, AtFlags::SYMLINK_NOFOLLOW)?;
                if FileType::from_raw_mode(found.st_mode) != FileType::Directory {
                    hides_lower = is_whiteout(&found);
                    self.replace(place, recorder)?;
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

    fn file<R: Read>(
        &mut self,
        member: &Member,
        place: &Place<'_>,
        tape: &mut Tape<Recorder<R>>,
    ) -> Result<(), Failure> {
        let flags =
            OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let mode = attributes::made_with(member);
        let make = || openat(place.parent, place.name, flags, mode);
        let descriptor = self.replacing(place, tape.recorder(), make)?;
        tape.content_goes_to(&place.parent.path_of(place.name), member)?;
        let mut file = File::from(descriptor);
        let size = match &member.sparse {
            Some(sparse) => {
                sparse.write(tape, &mut file)?;
                sparse.real_size
            }
            None => copy(tape, &mut file, &mut self.buffer)?,
        };
        self.size = self.size.saturating_add(size);
        attributes::apply(file.as_fd(), member)?;
        Ok(futimens(&file, &attributes::times(member.mtime))?)
    }

    fn hard_link<R: Read>(
        &mut self,
        member: &Member,
        place: &Place<'_>,
        recorder: &mut Recorder<R>,
    ) -> Result<(), Failure> {
        let target = InnerPath::clean(&member.link).ok_or(Failure::LinkOutside)?;
        let (target_parent, target_name) = target.split().ok_or(Failure::LinkOutside)?;
        let target_parent = self.root.open_directory(target_parent)?;
        let link =
            || linkat(&target_parent, target_name, place.parent, place.name, AtFlags::empty());
        self.replacing(place, recorder, link)?;
        // As Docker does: what the last of a file's names has is the file's.
        let (parent, name) = (place.parent.as_fd(), place.name);
        let linked = statat(parent, name, AtFlags::SYMLINK_NOFOLLOW)?;
        match FileType::from_raw_mode(linked.st_mode) {
            FileType::RegularFile => {
                let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
                let file = openat(parent, name, flags, Mode::empty())?;
                attributes::apply(file.as_fd(), member)?;
                Ok(futimens(&file, &attributes::times(member.mtime))?)
            }
            kind => {
                let is_symlink = kind == FileType::Symlink;
                Ok(attributes::apply_unopened(parent, name, member, is_symlink)?)
            }
        }
    }

    /// Does `make`, after taking away what is in its place: the later member wins.
    fn replacing<T, R: Read>(
        &mut self,
        place: &Place<'_>,
        recorder: &mut Recorder<R>,
        make: impl Fn() -> Result<T, Errno>,
    ) -> io::Result<T> {
        match make() {
            Err(Errno::EXIST) => {
                self.replace(place, recorder)?;
                Ok(make()?)
            }
            done => Ok(done?),
        }
    }

    fn replace<R: Read>(
        &mut self,
        place: &Place<'_>,
        recorder: &mut Recorder<R>,
    ) -> io::Result<()> {
        self.root.forget_parents();
        let path = place.parent.path_of(place.name);
        recorder.replace(place.parent.as_fd(), place.name, &path)
    }
}

/// Where in the layer a member goes.
#[derive(Debug)]
struct Place<'a> {
    parent: &'a Parent,
    name: &'a [u8],
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
