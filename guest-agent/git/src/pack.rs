//! A pack: many objects in one file, some told by how they differ from others.

use std::collections::HashMap;
use std::fs::{File, OpenOptions, remove_file};
use std::io::{self, BufReader, Read, Seek as _, SeekFrom, Write as _};
use std::path::Path;
use std::rc::Rc;

use flate2::bufread::ZlibDecoder;

use crate::delta;
use crate::entry::{Entry, What, entries};
use crate::error::GitError;
use crate::object::{Kind, ObjectId};

const BUFFER: usize = 128 << 10;
/// Objects that are told by others are put together in memory. Git tells none so that is larger.
const DELTA_MAX: u64 = 256 << 20;
/// What may be in memory at once.
const HELD_MAX: usize = 512 << 20;

/// What a repository may take on the disk.
#[derive(Clone, Copy, Debug)]
pub struct Room {
    /// Bytes, of the pack and of the files.
    pub bytes: u64,
    /// Files and directories.
    pub files: u64,
}

impl Room {
    pub(crate) fn take(&mut self, bytes: u64) -> Result<(), GitError> {
        self.bytes = self.bytes.checked_sub(bytes).ok_or(GitError::NoRoom)?;
        Ok(())
    }

    pub(crate) fn take_file(&mut self) -> Result<(), GitError> {
        self.files = self.files.checked_sub(1).ok_or(GitError::NoRoom)?;
        Ok(())
    }
}

/// Objects by their ids.
#[derive(Debug)]
pub struct Pack {
    received: File,
    /// What was put together, one object after the other.
    made: File,
    objects: HashMap<ObjectId, Place>,
}

#[derive(Clone, Copy, Debug)]
struct Place {
    kind: Kind,
    size: u64,
    offset: u64,
    is_made: bool,
}

impl Pack {
    /// Reads a pack to its end. What is kept of it is in `directory`, without a name, and in the
    /// way of nobody.
    pub fn receive(reader: impl Read, directory: &Path, room: &mut Room) -> Result<Self, GitError> {
        let mut pack = unnamed(directory, "pack")?;
        let copied = io::copy(&mut reader.take(room.bytes.saturating_add(1)), &mut pack);
        room.take(copied.map_err(GitError::Read)?)?;
        pack.seek(SeekFrom::Start(0)).map_err(GitError::Read)?;
        let entries = entries(&pack)?;
        let mut received =
            Self { received: pack, made: unnamed(directory, "objects")?, objects: HashMap::new() };
        for entry in &entries {
            if let What::Whole(kind, id) = entry.what {
                let (size, offset) = (entry.size, entry.data);
                received.objects.insert(id, Place { kind, size, offset, is_made: false });
            }
        }
        Making::new(&mut received, &entries, room).run()?;
        Ok(received)
    }

    /// All objects, in order.
    pub(crate) fn ids(&self) -> Vec<ObjectId> {
        let mut ids: Vec<_> = self.objects.keys().copied().collect();
        ids.sort_unstable();
        ids
    }

    /// What an object is.
    pub(crate) fn kind(&self, id: ObjectId) -> Result<Kind, GitError> {
        self.place(id).map(|place| place.kind)
    }

    pub(crate) fn size(&self, id: ObjectId) -> Result<u64, GitError> {
        self.place(id).map(|place| place.size)
    }

    /// The content of an object of at most `most` bytes.
    pub(crate) fn content(&self, id: ObjectId, most: u64) -> Result<Vec<u8>, GitError> {
        if self.size(id)? > most {
            return Err(GitError::Object(id.to_string()));
        }
        let mut content = Vec::new();
        self.write_content(id, &mut content)?;
        Ok(content)
    }

    /// Writes the content of an object.
    pub(crate) fn write_content(
        &self,
        id: ObjectId,
        to: &mut impl io::Write,
    ) -> Result<(), GitError> {
        let place = self.place(id)?;
        let file = if place.is_made { &self.made } else { &self.received };
        let reader = at(file, place.offset)?;
        let copied = if place.is_made {
            io::copy(&mut reader.take(place.size), to)
        } else {
            io::copy(&mut ZlibDecoder::new(reader).take(place.size), to)
        };
        let copied = copied.map_err(GitError::Read)?;
        if copied == place.size { Ok(()) } else { Err(GitError::Object(id.to_string())) }
    }

    fn place(&self, id: ObjectId) -> Result<&Place, GitError> {
        self.objects.get(&id).ok_or_else(|| GitError::Missing(id.to_string()))
    }
}

/// A file that is gone when it is closed.
fn unnamed(directory: &Path, name: &str) -> Result<File, GitError> {
    let path = directory.join(name);
    let file = OpenOptions::new().read(true).write(true).create_new(true).open(&path);
    let file = file.map_err(GitError::Read)?;
    remove_file(&path).map_err(GitError::Read)?;
    Ok(file)
}

fn at(mut file: &File, offset: u64) -> Result<BufReader<&File>, GitError> {
    file.seek(SeekFrom::Start(offset)).map_err(GitError::Read)?;
    Ok(BufReader::with_capacity(BUFFER, file))
}

/// Puts objects together, each once: first what it differs from, then it, then what differs from
/// that.
struct Making<'a> {
    pack: &'a mut Pack,
    entries: &'a [Entry],
    room: &'a mut Room,
    by_offset: HashMap<u64, Vec<usize>>,
    by_id: HashMap<ObjectId, Vec<usize>>,
    /// How much of `made` is written.
    end: u64,
    left: usize,
}

/// An object, and what differs from it and is not yet made.
struct Level {
    content: Rc<Vec<u8>>,
    kind: Kind,
    todo: Vec<usize>,
}

impl<'a> Making<'a> {
    fn new(pack: &'a mut Pack, entries: &'a [Entry], room: &'a mut Room) -> Self {
        let (mut by_offset, mut by_id) = (HashMap::new(), HashMap::new());
        let mut left = 0;
        for (number, entry) in entries.iter().enumerate() {
            match entry.what {
                What::Whole(..) => continue,
                What::At(offset) => by_offset.entry(offset).or_insert_with(Vec::new).push(number),
                What::Of(id) => by_id.entry(id).or_insert_with(Vec::new).push(number),
            }
            left += 1;
        }
        Self { pack, entries, room, by_offset, by_id, end: 0, left }
    }

    fn run(mut self) -> Result<(), GitError> {
        for entry in self.entries {
            let What::Whole(kind, id) = entry.what else { continue };
            let todo = self.differing(entry.offset, id);
            if todo.is_empty() {
                continue;
            }
            let content = Rc::new(self.pack.content(id, DELTA_MAX)?);
            self.make(Level { content, kind, todo })?;
        }
        if self.left > 0 {
            return Err(GitError::Broken("an object differs from one that is not there"));
        }
        Ok(())
    }

    fn differing(&mut self, offset: u64, id: ObjectId) -> Vec<usize> {
        let mut found = self.by_offset.remove(&offset).unwrap_or_default();
        found.extend(self.by_id.remove(&id).unwrap_or_default());
        found
    }

    fn make(&mut self, first: Level) -> Result<(), GitError> {
        let mut held = first.content.len();
        let mut levels = vec![first];
        while let Some(level) = levels.last_mut() {
            let Some(number) = level.todo.pop() else {
                held -= levels.pop().map_or(0, |level| level.content.len());
                continue;
            };
            let (base, kind) = (Rc::clone(&level.content), level.kind);
            let entry = &self.entries[number];
            let content = self.differs(entry, &base)?;
            let id = ObjectId::of(kind, &content)?;
            let size = content.len() as u64;
            self.room.take(size)?;
            self.pack.made.write_all(&content).map_err(GitError::Read)?;
            self.pack.objects.insert(id, Place { kind, size, offset: self.end, is_made: true });
            self.end += size;
            self.left -= 1;
            let todo = self.differing(entry.offset, id);
            if !todo.is_empty() {
                held += content.len();
                if held > HELD_MAX {
                    return Err(GitError::Unsupported("a repository with such large objects"));
                }
                levels.push(Level { content: Rc::new(content), kind, todo });
            }
        }
        Ok(())
    }

    /// Makes an object of what it differs from.
    fn differs(&self, entry: &Entry, base: &[u8]) -> Result<Vec<u8>, GitError> {
        const BROKEN: GitError = GitError::Broken("an object differs from another in no known way");
        if entry.size > DELTA_MAX {
            return Err(BROKEN);
        }
        let mut told = Vec::new();
        ZlibDecoder::new(at(&self.pack.received, entry.data)?)
            .take(entry.size)
            .read_to_end(&mut told)
            .map_err(GitError::Read)?;
        delta::apply(base, &told, DELTA_MAX).ok_or(BROKEN)
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use flate2::Compression;
    use flate2::write::ZlibEncoder;

    use super::*;

    pub(crate) const ROOM: Room = Room { bytes: 1 << 20, files: 100 };

    /// Writes packs.
    pub(crate) struct Packer {
        objects: Vec<(Vec<u8>, Vec<u8>)>,
    }

    impl Packer {
        pub(crate) fn new() -> Self {
            Self { objects: Vec::new() }
        }

        /// Adds an object, and gives its id.
        pub(crate) fn add(&mut self, kind: Kind, content: &[u8]) -> ObjectId {
            let number = match kind {
                Kind::Commit => 1,
                Kind::Tree => 2,
                Kind::Blob => 3,
                Kind::Tag => 4,
            };
            self.raw(number, content.len(), &[], content);
            ObjectId::of(kind, content).unwrap()
        }

        /// Adds an object that differs from the one `back` objects before it, or from `base`.
        pub(crate) fn add_delta(&mut self, back: Result<usize, ObjectId>, delta: &[u8]) {
            match back {
                Ok(back) => {
                    let from = self.objects.len() - back;
                    let back: usize = self.objects[from..]
                        .iter()
                        .map(|(head, data)| head.len() + data.len())
                        .sum();
                    assert!(back < 128, "it is near");
                    self.raw(6, delta.len(), &[u8::try_from(back).unwrap()], delta);
                }
                Err(base) => {
                    let text = base.to_string();
                    let digit = |at: usize| u8::from_str_radix(&text[2 * at..2 * at + 2], 16);
                    let id: Vec<u8> = (0..20).map(|at| digit(at).unwrap()).collect();
                    self.raw(7, delta.len(), &id, delta);
                }
            }
        }

        pub(crate) fn raw(&mut self, kind: u8, size: usize, base: &[u8], content: &[u8]) {
            let mut encoder = ZlibEncoder::new(Vec::new(), Compression::fast());
            encoder.write_all(content).unwrap();
            let mut head = vec![kind << 4 | u8::try_from(size & 0xf).unwrap()];
            let mut rest = size >> 4;
            while rest > 0 {
                *head.last_mut().unwrap() |= 0x80;
                head.push(u8::try_from(rest & 0x7f).unwrap());
                rest >>= 7;
            }
            head.extend_from_slice(base);
            self.objects.push((head, encoder.finish().unwrap()));
        }

        pub(crate) fn finish(&self) -> Vec<u8> {
            let count = u32::try_from(self.objects.len()).unwrap();
            let mut pack = [&b"PACK\0\0\0\x02"[..], &count.to_be_bytes()].concat();
            for (head, data) in &self.objects {
                pack.extend_from_slice(head);
                pack.extend_from_slice(data);
            }
            // Nobody asks for the sum: each object has its own.
            pack.extend_from_slice(&[0; 20]);
            pack
        }

        pub(crate) fn receive(&self, room: &mut Room) -> Result<Pack, GitError> {
            let directory = tempfile::tempdir().unwrap();
            Pack::receive(self.finish().as_slice(), directory.path(), room)
        }
    }

    #[test]
    fn objects_are_found_by_what_they_are() {
        let mut packer = Packer::new();
        let base = packer.add(Kind::Blob, b"hello world");
        // "lo w!", by where it lies, and of that "lo", by its id, which comes first.
        let second = ObjectId::of(Kind::Blob, b"lo w!").unwrap();
        packer.add_delta(Err(second), &[5, 2, 0b1001_0000, 2]);
        packer.add_delta(Ok(2), &[11, 5, 0b1001_0001, 3, 4, 1, b'!']);
        let large = vec![7; 300_000];
        let large_id = packer.add(Kind::Blob, &large);
        let mut room = ROOM;
        let pack = packer.receive(&mut room).unwrap();
        assert_eq!(pack.content(base, 100).unwrap(), b"hello world");
        assert_eq!(pack.content(second, 100).unwrap(), b"lo w!");
        let third = ObjectId::of(Kind::Blob, b"lo").unwrap();
        assert_eq!(pack.content(third, 100).unwrap(), b"lo");
        assert_eq!(pack.content(large_id, 1 << 20).unwrap(), large);
        pack.content(large_id, 100).unwrap_err();
        let missing = ObjectId::of(Kind::Blob, b"missing").unwrap();
        assert!(matches!(pack.content(missing, 100), Err(GitError::Missing(_))));
        assert!(room.bytes < ROOM.bytes);
    }

    #[test]
    fn broken_packs_are_refused() {
        let mut packer = Packer::new();
        let base = packer.add(Kind::Blob, b"hello world");
        let whole = packer.finish();
        let directory = tempfile::tempdir().unwrap();
        for cut in [0, 11, 13, 20, whole.len() - 24] {
            Pack::receive(&whole[..cut], directory.path(), &mut ROOM.clone()).unwrap_err();
        }
        for (kind, size, start, content) in [
            (0, 1, &[][..], &b"x"[..]),
            (5, 1, &[], b"x"),
            (3, 2, &[], b"x"),
            (3, 1, &[], b"xy"),
            (6, 1, &[0], b"x"),
            (6, 1, &[127], b"x"),
            (7, 2, &[9; 20], &[11, 0]),
        ] {
            let mut packer = Packer::new();
            packer.add(Kind::Blob, b"hello world");
            packer.raw(kind, size, start, content);
            packer.receive(&mut ROOM.clone()).unwrap_err();
        }
        let mut packer = Packer::new();
        packer.add(Kind::Blob, b"hello world");
        packer.add_delta(Err(base), &[11, 3, 1, b'x']);
        packer.receive(&mut ROOM.clone()).unwrap_err();
        let none = Room { bytes: 10, files: 1 };
        assert!(matches!(packer.receive(&mut none.clone()), Err(GitError::NoRoom)));
    }

    #[test]
    fn a_pack_with_other_bytes_in_it_is_read_or_refused() {
        let mut packer = Packer::new();
        packer.add(Kind::Blob, b"hello world");
        packer.add_delta(Ok(1), &[11, 5, 0b1001_0001, 3, 4, 1, b'!']);
        packer.add(Kind::Tree, b"100644 a\0aaaaaaaaaaaaaaaaaaaa");
        let whole = packer.finish();
        let directory = tempfile::tempdir().unwrap();
        let mut refused = 0;
        for at in 0..whole.len() {
            for change in [1, 0x10, 0x80, 0xff] {
                let mut changed = whole.clone();
                changed[at] ^= change;
                let received =
                    Pack::receive(changed.as_slice(), directory.path(), &mut ROOM.clone());
                refused += usize::from(received.is_err());
            }
        }
        // Those of the sum at the end, which nobody asks for, change nothing.
        assert!(refused >= 3 * (whole.len() - 20), "{refused} of {}", 4 * whole.len());
    }
}
