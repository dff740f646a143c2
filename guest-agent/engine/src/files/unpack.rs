//! A tar archive becomes files in a directory of a tree.

use std::io::{self, BufReader, Read};
use std::os::fd::{AsFd as _, OwnedFd};

use naru_image_store::{Kind, Member, Tape, UnpackError, decompressed, while_room};
use rustix::fs::{AtFlags, FileType, Mode, OFlags, futimens, linkat, openat, statat};
use rustix::io::Errno;

use super::attributes::{self, Attributes};
use super::error::{FilesError, shown};
use super::path::{parts_below, split};
use super::place::{self, Owner};
use super::remove::remove;
use super::room::Room;
use super::tree::Tree;
use super::walk::below;

const BUFFER: usize = 128 << 10;
/// So many directories are remembered.
const DIRECTORIES_MAX: usize = 1 << 16;

/// How an archive is unpacked.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct UnpackOptions {
    /// Neither a directory takes a file's place nor the other way round.
    pub(crate) keep_kinds: bool,
    /// User and group of everything; else they are the archive's.
    pub(crate) owner: Option<(u32, u32)>,
    /// What it may take, if that is bounded.
    pub(crate) room: Option<Room>,
    /// The archive is all that there is to be: it has an entry at least and its end, and what it
    /// says of its top is the destination's. It takes what it is, however much that is, but
    /// nothing of what is kept of the disk for everybody else.
    pub(crate) whole: bool,
}

/// Unpacks `archive`, compressed or not, into the directory `destination` of `tree`.
///
/// `destination` is absolute and has no links in it. Later members take the place of earlier
/// ones and of what is there; directories are merged. What was unpacked before an error stays.
pub(crate) fn unpack(
    tree: &Tree,
    destination: &[u8],
    options: UnpackOptions,
    archive: impl Read,
) -> Result<(), FilesError> {
    let buffered = BufReader::with_capacity(BUFFER, archive);
    let mut reader = decompressed(buffered).map_err(UnpackError::Read)?;
    if options.whole {
        let place = tree.as_fd().try_clone_to_owned();
        let bounded = place.and_then(|place| while_room(reader, place.into()));
        reader = Box::new(bounded.map_err(FilesError::io("looking at", destination))?);
    }
    let bounded = Bounded { reader, left: options.room.map_or(u64::MAX, |room| room.bytes) };
    let mut tape = Tape::new(BufReader::with_capacity(BUFFER, bounded));
    let mut unpacker =
        Unpacker { tree, destination, options, parent: None, directories: Vec::new() };
    let mut is_empty = true;
    while let Some(mut member) = tape.next_member()? {
        is_empty = false;
        let late = unpacker.take_late(&mut member);
        unpacker.apply(&member, late, &mut tape)?;
    }
    unpacker.finish();
    if options.whole && (is_empty || !tape.is_closed()) {
        return Err(if is_empty { FilesError::EmptyArchive } else { FilesError::CutOff });
    }
    // What follows the archive's end is padding. A client whose request is not read to its end
    // takes the answer for a broken connection.
    tape.read_past_end()?;
    Ok(())
}

struct Unpacker<'a> {
    tree: &'a Tree,
    destination: &'a [u8],
    options: UnpackOptions,
    /// The directory that the last member went into.
    parent: Option<(Vec<u8>, OwnedFd)>,
    /// What is theirs when nothing more comes.
    directories: Vec<(Vec<u8>, Late)>,
}

/// What a directory gets when all is in it: every file made inside changes its time again, and
/// would get its default ACL, which is for what is made later.
struct Late {
    mtime: (i64, u32),
    attributes: Attributes,
}

/// An archive that ends in an error where it has become too large.
struct Bounded<R> {
    reader: R,
    left: u64,
}

impl<R: Read> Read for Bounded<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.reader.read(buffer)?;
        self.left = self.left.checked_sub(count as u64).ok_or(Errno::NOSPC)?;
        Ok(count)
    }
}

impl Unpacker<'_> {
    fn apply<R: Read>(
        &mut self,
        member: &Member,
        late: Late,
        tape: &mut Tape<R>,
    ) -> Result<(), FilesError> {
        let Some(path) = self.inside(&member.name)? else { return self.top(member, late) };
        let (above, name) = split(&path);
        let parent = match self.parent.take() {
            Some((known, parent)) if known == above => parent,
            _ => self
                .tree
                .directory_made(above)
                .map_err(FilesError::io("making the directory", above))?,
        };
        self.clear(&parent, name, &path, member.kind == Kind::Directory)?;
        let owner = Owner::new(self.options.owner.unwrap_or((member.uid, member.gid)));
        let here = parent.as_fd();
        let made = match member.kind {
            Kind::Directory => {
                self.remember(&path, late);
                place::directory(here, name, member, owner).map_err(io::Error::from)
            }
            Kind::File => {
                place::file(here, name, (member, tape), owner).and_then(|size| self.count(size))
            }
            Kind::Symlink => place::symlink(here, name, member, owner).map_err(io::Error::from),
            Kind::HardLink => self
                .hard_link(&parent, name, member)?
                .and_then(|()| place::linked(here, name, member, owner)),
            Kind::CharDevice | Kind::BlockDevice | Kind::Fifo => {
                place::special(here, name, member, owner)
            }
        };
        made.and_then(|()| self.count_one()).map_err(FilesError::io("writing", &path))?;
        self.parent = Some((above.to_vec(), parent));
        Ok(())
    }

    /// What the archive says of its top.
    fn top(&mut self, member: &Member, late: Late) -> Result<(), FilesError> {
        if !self.options.whole || member.kind != Kind::Directory {
            return Ok(());
        }
        let owner = Owner::new(self.options.owner.unwrap_or((member.uid, member.gid)));
        self.remember(&below(self.destination, b"."), late);
        self.tree
            .directory(self.destination)
            .and_then(|top| place::directory(top.as_fd(), b".", member, owner))
            .map_err(FilesError::io("writing", self.destination))
    }

    /// Counts a file's content. What that takes on the disk may be less, but whoever reads it
    /// reads all of it.
    fn count(&mut self, size: u64) -> io::Result<()> {
        if let Some(room) = &mut self.options.room {
            room.bytes = room.bytes.checked_sub(size).ok_or(Errno::NOSPC)?;
        }
        Ok(())
    }

    fn count_one(&mut self) -> io::Result<()> {
        if let Some(room) = &mut self.options.room {
            room.files = room.files.checked_sub(1).ok_or(Errno::NOSPC)?;
        }
        Ok(())
    }

    /// Takes away what is in the member's place, unless both are directories.
    fn clear(
        &self,
        parent: &OwnedFd,
        name: &[u8],
        path: &[u8],
        wants_directory: bool,
    ) -> Result<(), FilesError> {
        let found = match statat(parent, name, AtFlags::SYMLINK_NOFOLLOW) {
            Err(Errno::NOENT) => return Ok(()),
            found => found.map_err(FilesError::io("looking at", path))?,
        };
        let is_directory = FileType::from_raw_mode(found.st_mode) == FileType::Directory;
        let (path, destination) = (|| shown(path), || shown(self.destination));
        match (is_directory, wants_directory) {
            (true, true) => Ok(()),
            (true, false) if self.options.keep_kinds => {
                Err(FilesError::OverwriteDirectory { path: path(), destination: destination() })
            }
            (false, true) if self.options.keep_kinds => {
                Err(FilesError::OverwriteFile { path: path(), destination: destination() })
            }
            _ => {
                remove(parent.as_fd(), name).map_err(FilesError::io("removing", path().as_bytes()))
            }
        }
    }

    fn hard_link(
        &self,
        parent: &OwnedFd,
        name: &[u8],
        member: &Member,
    ) -> Result<io::Result<()>, FilesError> {
        let Some(target) = self.inside(&member.link)? else { return Ok(Err(Errno::PERM.into())) };
        let (above, target) = split(&target);
        let linked = self
            .tree
            .directory(above)
            .and_then(|above| linkat(above, target, parent, name, AtFlags::empty()));
        Ok(linked.map_err(io::Error::from))
    }

    /// What is to be set last. Where an archive is not all there is, as Docker does: what comes
    /// into a directory gets that one's default ACL.
    fn take_late(&self, member: &mut Member) -> Late {
        let attributes = if self.options.whole && member.kind == Kind::Directory {
            attributes::take_late(&mut member.xattrs)
        } else {
            Attributes::new()
        };
        Late { mtime: member.mtime, attributes }
    }

    /// Remembers a directory. Archives are written in the order of a walk: when many wait, those
    /// that the present one is not in are done.
    fn remember(&mut self, path: &[u8], late: Late) {
        if self.directories.len() >= DIRECTORIES_MAX {
            let is_above = |(above, _): &(Vec<u8>, _)| path.starts_with(&below(above, b""));
            let (above, done) = self.directories.drain(..).partition(is_above);
            self.directories = done;
            self.finish();
            self.directories = above;
        }
        self.directories.push((path.to_vec(), late));
    }

    /// Gives directories what is theirs last. One that something else has taken the place of gets
    /// nothing.
    fn finish(&mut self) {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        for (path, Late { mtime, attributes }) in self.directories.drain(..).rev() {
            let (above, name) = split(&path);
            let dressed = self
                .tree
                .directory(above)
                .and_then(|above| openat(above, name, flags, Mode::empty()))
                .and_then(|directory| {
                    attributes::write(&directory, &attributes)?;
                    futimens(directory, &place::times(mtime))
                });
            if let Err(errno) = dressed {
                tracing::debug!(path = shown(&path), %errno, "a directory was not finished");
            }
        }
    }

    /// Where a name of the archive is in the tree; none for the destination itself.
    fn inside(&self, name: &[u8]) -> Result<Option<Vec<u8>>, FilesError> {
        let parts = parts_below(name).ok_or_else(|| FilesError::Outside {
            entry: shown(name),
            destination: shown(self.destination),
        })?;
        let path = parts.iter().fold(self.destination.to_vec(), |path, part| below(&path, part));
        Ok((!parts.is_empty()).then_some(path))
    }
}

#[cfg(test)]
mod tests;
