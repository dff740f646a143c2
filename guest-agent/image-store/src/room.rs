//! What is left of a disk to everybody else, whatever is brought into the store.
//!
//! A few bytes can unpack to all that a disk has, and a container that finds it full fails at
//! whatever it does just then. So the room is looked at again and again while something comes,
//! which also sees what others take meanwhile.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use rustix::fs::{StatVfs, fstatvfs};

/// What is kept, as a part of the file system and at most.
const KEPT_PART: u64 = 20;
const KEPT_BYTES_MAX: u64 = 1 << 30;
const KEPT_FILES_MAX: u64 = 1 << 16;
/// How much is read before the room is looked at again, as a part of what is kept and at most. A
/// member of an archive takes up to eight times its own length of a disk, for blocks are whole;
/// and a dozen archives may come at once.
const STEP_PART: u64 = 128;
const STEP_MAX: u64 = 2 << 20;

/// The room in one file system.
#[derive(Debug)]
pub(crate) struct Room {
    place: File,
    step: u64,
    /// Bytes since it was looked at.
    unseen: u64,
}

/// There is no room but what is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "no space left on device: what comes would take of the last {count} {what} of the disk, which \
     are kept for containers"
)]
pub struct Kept {
    count: u64,
    what: &'static str,
}

impl Room {
    /// The room where `directory` is; an error if there is none.
    pub(crate) fn of(directory: &Path) -> io::Result<Self> {
        Self::at(File::open(directory)?)
    }

    fn at(place: File) -> io::Result<Self> {
        let found = fstatvfs(&place)?;
        let step = (kept_of(&found) / STEP_PART).min(STEP_MAX);
        check(&found)?;
        Ok(Self { place, step, unseen: 0 })
    }

    /// How many bytes may be brought.
    pub(crate) fn bytes(&self) -> io::Result<u64> {
        let found = fstatvfs(&self.place)?;
        Ok(free_bytes(&found).saturating_sub(kept_of(&found)))
    }

    fn take(&mut self, bytes: u64) -> io::Result<()> {
        self.unseen += bytes;
        if self.unseen < self.step {
            return Ok(());
        }
        self.unseen = 0;
        check(&fstatvfs(&self.place)?)
    }
}

impl Kept {
    /// Whether that is what ended the reading.
    pub fn of(error: &io::Error) -> Option<Self> {
        error.get_ref()?.downcast_ref().copied()
    }
}

/// Reads as long as there is room for what is read.
#[derive(Debug)]
pub(crate) struct WhileRoom<R> {
    reader: R,
    room: Room,
}

/// Gives what `reader` has as long as there is room for it in the file system of `place`. Where
/// there is no more, it ends in an error that is [`Kept`].
pub fn while_room<R: Read>(reader: R, place: File) -> io::Result<impl Read> {
    Ok(WhileRoom::new(reader, Room::at(place)?))
}

impl<R: Read> WhileRoom<R> {
    pub(crate) fn new(reader: R, room: Room) -> Self {
        Self { reader, room }
    }
}

impl<R: Read> Read for WhileRoom<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.reader.read(buffer)?;
        self.room.take(count as u64)?;
        Ok(count)
    }
}

fn check(found: &StatVfs) -> io::Result<()> {
    let kept = kept_of(found);
    if free_bytes(found) < kept {
        return Err(full(kept, "bytes"));
    }
    // Some file systems make places for files as they are needed, and say 0.
    let kept = (found.f_files / KEPT_PART).min(KEPT_FILES_MAX);
    if found.f_ffree < kept {
        return Err(full(kept, "files"));
    }
    Ok(())
}

fn full(count: u64, what: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::StorageFull, Kept { count, what })
}

/// How many of a disk's bytes are kept.
pub fn kept_bytes(all: u64) -> u64 {
    (all / KEPT_PART).min(KEPT_BYTES_MAX)
}

fn kept_of(found: &StatVfs) -> u64 {
    kept_bytes(found.f_blocks.saturating_mul(found.f_frsize))
}

/// Also the part that is kept for root, who we are.
fn free_bytes(found: &StatVfs) -> u64 {
    found.f_bfree.saturating_mul(found.f_frsize)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn disk(blocks: u64, free: u64, files: u64, free_files: u64) -> StatVfs {
        let mut disk = fstatvfs(File::open("/").unwrap()).unwrap();
        disk.f_frsize = 4096;
        (disk.f_blocks, disk.f_bfree) = (blocks, free);
        (disk.f_files, disk.f_ffree) = (files, free_files);
        disk
    }

    fn kept(disk: &StatVfs) -> Option<Kept> {
        check(disk).err().as_ref().and_then(Kept::of)
    }

    #[test]
    fn a_twentieth_is_kept_and_no_more_than_there_is_use_for() {
        assert_eq!(kept(&disk(1000, 50, 0, 0)), None);
        assert_eq!(kept(&disk(1000, 49, 0, 0)), Some(Kept { count: 50 << 12, what: "bytes" }));
        let large = 1 << 30;
        assert_eq!(kept(&disk(large, 1 << 18, large, 1 << 16)), None);
        assert_eq!(kept(&disk(large, (1 << 18) - 1, 0, 0)).unwrap().count, 1 << 30);
        let few = Kept { count: 1 << 16, what: "files" };
        assert_eq!(kept(&disk(large, large, large, (1 << 16) - 1)), Some(few));
    }
}
