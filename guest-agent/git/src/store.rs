//! The objects of a pack as a repository keeps them: in a pack, with an index by their ids.
//!
//! Each is written whole. The pack that came may tell some by others; what they come to is known
//! then, and the same objects are the same bytes.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;

use flate2::write::ZlibEncoder;
use flate2::{Compression, Crc};
use sha1_checked::{Digest as _, Sha1};

use crate::error::GitError;
use crate::object::{Kind, ObjectId};
use crate::pack::Pack;

/// From here on an index has offsets in another table.
const OFFSET_MAX: u64 = 1 << 31;

/// Where an object is.
struct Kept {
    id: ObjectId,
    crc: u32,
    offset: u64,
}

/// Writes all objects of a pack into the directory `to`.
pub(crate) fn store(pack: &Pack, to: &Path) -> Result<u64, GitError> {
    let failed = |source| GitError::Write { path: ".git/objects/pack".to_owned(), source };
    let ids = pack.ids();
    // Called after what is in it.
    let mut name = Sha1::new();
    for id in &ids {
        name.update(id.as_bytes());
    }
    let name = ObjectId::from_bytes(name.finalize().into());
    let create = |ending: &str| File::create_new(to.join(format!("pack-{name}.{ending}")));
    let mut writing = Writing::new(create("pack").map_err(failed)?);
    let count = u32::try_from(ids.len()).map_err(|_| GitError::NoRoom)?;
    writing.write_all(b"PACK\0\0\0\x02").map_err(failed)?;
    writing.write_all(&count.to_be_bytes()).map_err(failed)?;
    let mut all = Vec::with_capacity(ids.len());
    for id in ids {
        all.push(writing.add(pack, id, failed)?);
    }
    let (sum, length) = writing.finish().map_err(failed)?;
    let mut index = Writing::new(create("idx").map_err(failed)?);
    write_index(&mut index, &all, sum).map_err(failed)?;
    let (_, more) = index.finish().map_err(failed)?;
    Ok(length + more)
}

fn write_index(to: &mut impl Write, all: &[Kept], sum: [u8; 20]) -> io::Result<()> {
    to.write_all(b"\xfftOc\0\0\0\x02")?;
    for first in 0..=u8::MAX {
        let until = all.partition_point(|kept| kept.id.as_bytes()[0] <= first);
        to.write_all(&u32::try_from(until).unwrap_or(u32::MAX).to_be_bytes())?;
    }
    for kept in all {
        to.write_all(kept.id.as_bytes())?;
    }
    for kept in all {
        to.write_all(&kept.crc.to_be_bytes())?;
    }
    let mut far = Vec::new();
    for kept in all {
        let offset = match u32::try_from(kept.offset) {
            Ok(near) if kept.offset < OFFSET_MAX => near,
            _ => {
                far.push(kept.offset);
                1 << 31 | u32::try_from(far.len() - 1).unwrap_or(u32::MAX)
            }
        };
        to.write_all(&offset.to_be_bytes())?;
    }
    for offset in far {
        to.write_all(&offset.to_be_bytes())?;
    }
    to.write_all(&sum)
}

/// A file that ends by the sum of what is before.
pub(crate) struct Writing {
    file: BufWriter<File>,
    sum: Sha1,
    crc: Crc,
    length: u64,
}

impl Writing {
    pub(crate) fn new(file: File) -> Self {
        Self { file: BufWriter::new(file), sum: Sha1::new(), crc: Crc::new(), length: 0 }
    }

    fn add(
        &mut self,
        pack: &Pack,
        id: ObjectId,
        failed: impl Fn(io::Error) -> GitError,
    ) -> Result<Kept, GitError> {
        let offset = self.length;
        self.crc.reset();
        self.write_all(&head(pack.kind(id)?, pack.size(id)?)).map_err(&failed)?;
        let mut encoder = ZlibEncoder::new(&mut *self, Compression::default());
        pack.write_content(id, &mut encoder)?;
        encoder.finish().map_err(&failed)?;
        Ok(Kept { id, crc: self.crc.sum(), offset })
    }

    /// Gives the sum, and how long the file is.
    pub(crate) fn finish(mut self) -> io::Result<([u8; 20], u64)> {
        let sum: [u8; 20] = self.sum.finalize().into();
        self.file.write_all(&sum)?;
        self.file.flush()?;
        Ok((sum, self.length + sum.len() as u64))
    }
}

impl Write for Writing {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.file.write(bytes)?;
        let bytes = &bytes[..written];
        self.sum.update(bytes);
        self.crc.update(bytes);
        self.length += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

/// What an object is and how long, four bits of that first and then seven at a time.
fn head(kind: Kind, size: u64) -> Vec<u8> {
    let kind = match kind {
        Kind::Commit => 1,
        Kind::Tree => 2,
        Kind::Blob => 3,
        Kind::Tag => 4_u8,
    };
    let bits = |size: u64, mask: u8| size.to_le_bytes()[0] & mask;
    let mut head = vec![kind << 4 | bits(size, 0xf)];
    let mut rest = size >> 4;
    while rest > 0 {
        if let Some(last) = head.last_mut() {
            *last |= 0x80;
        }
        head.push(bits(rest, 0x7f));
        rest >>= 7;
    }
    head
}
