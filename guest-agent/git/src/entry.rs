//! The objects of a pack, one after the other.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};

use flate2::bufread::ZlibDecoder;

use crate::error::GitError;
use crate::object::{IdHasher, Kind, ObjectId};

const BUFFER: usize = 128 << 10;

/// An object as it lies in the pack.
#[derive(Debug)]
pub(crate) struct Entry {
    /// Where it begins, and where what is compressed of it does.
    pub(crate) offset: u64,
    pub(crate) data: u64,
    pub(crate) size: u64,
    pub(crate) what: What,
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum What {
    Whole(Kind, ObjectId),
    /// It differs from the one that begins there.
    At(u64),
    /// It differs from the one with this id.
    Of(ObjectId),
}

/// Knows where it is.
struct Counted<R> {
    reader: R,
    position: u64,
}

impl<R: BufRead> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.reader.read(buffer)?;
        self.position += count as u64;
        Ok(count)
    }
}

impl<R: BufRead> BufRead for Counted<R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        self.reader.fill_buf()
    }

    fn consume(&mut self, count: usize) {
        self.position += count as u64;
        self.reader.consume(count);
    }
}

/// More objects than any commit has: each takes some memory.
const ENTRIES_MAX: u32 = 4 << 20;

/// Goes through a pack from its beginning.
pub(crate) fn entries(pack: &File) -> Result<Vec<Entry>, GitError> {
    let mut input = Counted { reader: BufReader::with_capacity(BUFFER, pack), position: 0 };
    let mut header = [0; 12];
    input.read_exact(&mut header).map_err(GitError::Read)?;
    if !header.starts_with(b"PACK\0\0\0\x02") {
        return Err(GitError::Broken("it is no pack of version 2"));
    }
    let count = header[8..].iter().fold(0_u32, |count, byte| count << 8 | u32::from(*byte));
    if count > ENTRIES_MAX {
        return Err(GitError::Unsupported("a commit of so many objects"));
    }
    let mut entries = Vec::new();
    let mut buffer = vec![0; BUFFER];
    for _ in 0..count {
        entries.push(entry(&mut input, &mut buffer)?);
    }
    Ok(entries)
}

fn entry<R: BufRead>(input: &mut Counted<R>, buffer: &mut [u8]) -> Result<Entry, GitError> {
    const BROKEN: GitError = GitError::Broken("an object's head makes no sense");
    let offset = input.position;
    let mut next = byte(input)?;
    let kind = next >> 4 & 7;
    let (mut size, mut shift) = (u64::from(next & 0xf), 4_u32);
    while next & 0x80 != 0 {
        next = byte(input)?;
        if shift > 53 {
            return Err(BROKEN);
        }
        size |= u64::from(next & 0x7f) << shift;
        shift += 7;
    }
    let base = match kind {
        6 => {
            let mut next = byte(input)?;
            let mut back = u64::from(next & 0x7f);
            while next & 0x80 != 0 {
                next = byte(input)?;
                back = back.checked_add(1).filter(|back| *back < 1 << 50).ok_or(BROKEN)?;
                back = back << 7 | u64::from(next & 0x7f);
            }
            Some(What::At(offset.checked_sub(back).filter(|_| back > 0).ok_or(BROKEN)?))
        }
        7 => {
            let mut id = [0; 20];
            input.read_exact(&mut id).map_err(GitError::Read)?;
            Some(What::Of(ObjectId::from_bytes(id)))
        }
        _ => None,
    };
    let data = input.position;
    let mut hasher = match (base, kind) {
        (Some(_), _) => None,
        (None, 1) => Some((Kind::Commit, IdHasher::new(Kind::Commit, size))),
        (None, 2) => Some((Kind::Tree, IdHasher::new(Kind::Tree, size))),
        (None, 3) => Some((Kind::Blob, IdHasher::new(Kind::Blob, size))),
        (None, 4) => Some((Kind::Tag, IdHasher::new(Kind::Tag, size))),
        (None, _) => return Err(BROKEN),
    };
    let mut inflated = ZlibDecoder::new(input);
    let mut length = 0;
    loop {
        let count = inflated.read(buffer).map_err(GitError::Read)?;
        if count == 0 {
            break;
        }
        length += count as u64;
        if length > size {
            break;
        }
        if let Some((_, hasher)) = &mut hasher {
            hasher.update(&buffer[..count]);
        }
    }
    if length != size {
        return Err(GitError::Broken("an object is not as large as it says"));
    }
    let what = match (base, hasher) {
        (Some(base), _) => base,
        (None, Some((kind, hasher))) => What::Whole(kind, hasher.finish()?),
        (None, None) => return Err(BROKEN),
    };
    Ok(Entry { offset, data, size, what })
}

fn byte(input: &mut impl Read) -> Result<u8, GitError> {
    let mut byte = [0];
    input.read_exact(&mut byte).map_err(GitError::Read)?;
    Ok(byte[0])
}
