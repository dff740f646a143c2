//! Reads a tar archive member by member: ustar, PAX and GNU headers.
//!
//! Not the `tar` crate's own iterator: that reads extension headers into memory whole, as
//! large as the archive says, and a layer is not to be trusted with that.

use std::borrow::Cow;
use std::io::{self, Read};

use tar::{EntryType, Header};

use super::error::UnpackError;
use super::member::{Kind, Member};
use super::pax::Pax;
use super::sparse::Sparse;
use crate::record::{Recorder, Segment};

const BLOCK: usize = 512;
/// More than any real PAX header: attributes are at most 64 KiB each.
const MAX_PAX: u64 = 1 << 20;
/// More than the longest path the kernel takes.
const MAX_LONG_NAME: u64 = 64 << 10;

/// The archive; reading from it reads the content of the member last given out.
#[derive(Debug)]
pub struct Tape<R> {
    reader: R,
    /// Bytes of the present member not yet read.
    left: u64,
    /// Zeros between its end and the next header.
    padding: u64,
    is_closed: bool,
}

/// What extension headers say about the member after them.
#[derive(Default)]
struct Extensions {
    long_name: Option<Vec<u8>>,
    long_link: Option<Vec<u8>>,
    pax: Option<Pax>,
}

impl<R: Read> Tape<R> {
    /// Reads the uncompressed archive that `reader` brings.
    pub fn new(reader: R) -> Self {
        Self { reader, left: 0, padding: 0, is_closed: false }
    }

    /// The next member, or `None` at the archive's end. What was not read of the one
    /// before is skipped.
    pub fn next_member(&mut self) -> Result<Option<Member>, UnpackError> {
        let mut extensions = Extensions::default();
        loop {
            self.skip_rest()?;
            let Some(header) = self.header()? else { return Ok(None) };
            let size = number(&header.as_old().size)?;
            match header.entry_type() {
                EntryType::GNULongName => {
                    extensions.long_name = Some(self.long_value(size)?);
                }
                EntryType::GNULongLink => {
                    extensions.long_link = Some(self.long_value(size)?);
                }
                EntryType::XHeader => {
                    extensions.pax = Some(Pax::parse(&self.extension(size, MAX_PAX)?)?);
                }
                // Defaults for the whole archive (git writes its commit there): nothing
                // in them is of use to a layer.
                EntryType::XGlobalHeader => self.enter(size),
                _ => return self.member(&header, extensions).map(Some),
            }
        }
    }

    /// Whether the zeros have come that stand at an archive's end, so that nothing was cut off.
    pub fn is_closed(&self) -> bool {
        self.is_closed
    }

    /// Reads what stands behind the archive's end, to the end of the stream.
    pub fn read_past_end(&mut self) -> Result<(), UnpackError> {
        io::copy(&mut self.reader, &mut io::sink()).map(drop).map_err(UnpackError::Read)
    }

    fn member(&mut self, header: &Header, extensions: Extensions) -> Result<Member, UnpackError> {
        let Extensions { long_name, long_link, pax } = extensions;
        let mut pax = pax.unwrap_or_default();
        let old = header.as_old();
        let size = pax.size.map_or_else(|| number(&old.size), Ok)?;
        self.enter(size);
        let name =
            pax.path.take().or(long_name).unwrap_or_else(|| header.path_bytes().into_owned());
        let link =
            pax.link_path.take().or(long_link).unwrap_or_else(|| {
                header.link_name_bytes().map(Cow::into_owned).unwrap_or_default()
            });
        let text = || String::from_utf8_lossy(&name).into_owned();
        let kind = kind(header.entry_type(), &name)
            .ok_or_else(|| UnpackError::Entry { entry: text(), reason: "unknown entry type" })?;
        let small = |field: &[u8]| -> Result<u32, UnpackError> {
            u32::try_from(number(field)?)
                .map_err(|_| UnpackError::Entry { entry: text(), reason: "number out of range" })
        };
        let sparse = match header.as_gnu() {
            Some(gnu) if header.entry_type() == EntryType::GNUSparse => {
                Some(Sparse::from_gnu(gnu, &mut self.reader)?)
            }
            _ => pax.sparse(self)?,
        };
        let (major, minor) = match (header.as_ustar(), header.as_gnu()) {
            (Some(ustar), _) => (small(&ustar.dev_major)?, small(&ustar.dev_minor)?),
            (_, Some(gnu)) => (small(&gnu.dev_major)?, small(&gnu.dev_minor)?),
            _ => (0, 0),
        };
        Ok(Member {
            kind,
            mode: small(&old.mode)? & 0o7777,
            uid: pax.uid.map_or_else(|| small(&old.uid), Ok)?,
            gid: pax.gid.map_or_else(|| small(&old.gid), Ok)?,
            mtime: match pax.mtime {
                Some(mtime) => mtime,
                None => (i64::try_from(number(&old.mtime)?).unwrap_or(0), 0),
            },
            device: (major, minor),
            xattrs: pax.xattrs,
            sparse,
            name: pax.sparse_name.unwrap_or(name),
            link,
        })
    }

    fn header(&mut self) -> Result<Option<Header>, UnpackError> {
        let mut header = Header::new_old();
        let block = header.as_mut_bytes();
        let mut filled = 0;
        while filled < BLOCK {
            match self.reader.read(&mut block[filled..]) {
                // Some writers leave out the closing zeros.
                Ok(0) if filled == 0 => return Ok(None),
                Ok(0) => return Err(UnpackError::Tar { reason: "it ends within a header" }),
                Ok(count) => filled += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(UnpackError::Read(error)),
            }
        }
        if block.iter().all(|&byte| byte == 0) {
            self.is_closed = true;
            return Ok(None);
        }
        let expected = number(&header.as_old().cksum)?;
        let blank = |index: usize, byte: u8| if (148..156).contains(&index) { b' ' } else { byte };
        let sum: u64 = header
            .as_bytes()
            .iter()
            .enumerate()
            .map(|(index, &byte)| u64::from(blank(index, byte)))
            .sum();
        if sum != expected {
            return Err(UnpackError::Tar { reason: "a header's checksum is wrong" });
        }
        Ok(Some(header))
    }

    fn long_value(&mut self, size: u64) -> Result<Vec<u8>, UnpackError> {
        let mut value = self.extension(size, MAX_LONG_NAME)?;
        let end = value.iter().position(|&byte| byte == 0).unwrap_or(value.len());
        value.truncate(end);
        Ok(value)
    }

    fn extension(&mut self, size: u64, limit: u64) -> Result<Vec<u8>, UnpackError> {
        if size > limit {
            return Err(UnpackError::Tar { reason: "an extension header is too large" });
        }
        self.enter(size);
        let mut content = Vec::new();
        self.read_to_end(&mut content).map_err(UnpackError::Read)?;
        Ok(content)
    }

    fn enter(&mut self, size: u64) {
        self.left = size;
        self.padding = size.wrapping_neg() % BLOCK as u64;
    }

    fn skip_rest(&mut self) -> Result<(), UnpackError> {
        let rest = self.left.saturating_add(self.padding);
        let skipped = io::copy(&mut self.reader.by_ref().take(rest), &mut io::sink())
            .map_err(UnpackError::Read)?;
        if skipped < self.left {
            return Err(UnpackError::Tar { reason: "it ends within a file" });
        }
        self.enter(0);
        Ok(())
    }
}

impl<R: Read> Tape<Recorder<R>> {
    /// Says that the content of the member last given out goes to the file `path`.
    pub(super) fn content_goes_to(&mut self, path: &[u8], member: &Member) -> io::Result<()> {
        match &member.sparse {
            Some(sparse) => self.reader.content_of(path, &sparse.segments),
            None => self.reader.content_of(path, &[Segment { offset: 0, length: self.left }]),
        }
    }

    /// What records the archive.
    pub(super) fn recorder(&mut self) -> &mut Recorder<R> {
        &mut self.reader
    }

    /// Reads to the end of the stream and finishes the record.
    pub(super) fn finish(mut self) -> Result<(), UnpackError> {
        self.read_past_end()?;
        self.reader.finish().map_err(UnpackError::Record)
    }
}

impl<R: Read> Read for Tape<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let most = buffer.len().min(usize::try_from(self.left).unwrap_or(usize::MAX));
        if most == 0 {
            return Ok(0);
        }
        match self.reader.read(&mut buffer[..most])? {
            0 => Err(io::Error::new(io::ErrorKind::UnexpectedEof, "tar ends within a file")),
            count => {
                self.left -= count as u64;
                Ok(count)
            }
        }
    }
}

fn kind(entry_type: EntryType, name: &[u8]) -> Option<Kind> {
    Some(match entry_type {
        // Archives older than POSIX know a directory by its slash alone.
        EntryType::Regular if name.ends_with(b"/") => Kind::Directory,
        EntryType::Regular | EntryType::Continuous | EntryType::GNUSparse => Kind::File,
        EntryType::Directory => Kind::Directory,
        EntryType::Symlink => Kind::Symlink,
        EntryType::Link => Kind::HardLink,
        EntryType::Char => Kind::CharDevice,
        EntryType::Block => Kind::BlockDevice,
        EntryType::Fifo => Kind::Fifo,
        _ => return None,
    })
}

/// A numeric header field: octal text, or big-endian binary when the top bit is set. An
/// empty field is 0, and so is a negative number.
pub(super) fn number(field: &[u8]) -> Result<u64, UnpackError> {
    const BROKEN: UnpackError = UnpackError::Tar { reason: "a header has a broken number" };
    if let [first @ 0x80..=0xff, rest @ ..] = field {
        if first & 0x40 != 0 {
            return Ok(0);
        }
        return rest.iter().try_fold(u64::from(first & 0x3f), |value, &byte| {
            value.checked_mul(256).map(|value| value | u64::from(byte)).ok_or(BROKEN)
        });
    }
    field
        .iter()
        .skip_while(|byte| **byte == b' ')
        .take_while(|byte| !matches!(**byte, b' ' | 0))
        .try_fold(0_u64, |value, &byte| match byte {
            b'0'..=b'7' => {
                value.checked_mul(8).map(|value| value + u64::from(byte - b'0')).ok_or(BROKEN)
            }
            _ => Err(BROKEN),
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_octal_or_binary() {
        assert_eq!(number(b"0000644\0").ok(), Some(0o644));
        assert_eq!(number(b"   17 \0").ok(), Some(0o17));
        assert_eq!(number(b"\0\0\0").ok(), Some(0));
        assert_eq!(number(&[0x80, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 1]).ok(), Some((2 << 56) + 1));
        assert_eq!(number(&[0xff; 12]).ok(), Some(0));
        number(b"12x").expect_err("no octal digit");
        number(&[0x80, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff])
            .expect_err("too large");
    }

    #[test]
    fn a_huge_extension_header_is_refused_before_it_is_read() {
        let mut header = Header::new_gnu();
        header.set_entry_type(EntryType::XHeader);
        header.set_size(1 << 40);
        header.set_cksum();
        let mut tape = Tape::new(&header.as_bytes()[..]);
        let error = tape.next_member().expect_err("refused").to_string();
        assert!(error.contains("extension header is too large"), "{error}");
    }

    #[test]
    fn random_bytes_are_no_archive() {
        let noise: Vec<u8> = (0..4096_u32).map(|byte| byte.to_le_bytes()[0] ^ 0x5a).collect();
        Tape::new(noise.as_slice()).next_member().expect_err("noise");
    }
}
