//! Gzip streams of any number of members.
//!
//! Not `flate2`'s own reader: that one takes an eighth of the time of inflating for its checksum,
//! which takes next to none with the instructions that processors have for it.

use std::io::{self, BufRead, Read};

use crc32fast::Hasher;
use flate2::{Decompress, FlushDecompress, Status};

const MAGIC: [u8; 3] = [0x1f, 0x8b, DEFLATE];
const DEFLATE: u8 = 8;

/// Flags of a member's header (RFC 1952, 2.3.1).
const HEADER_CHECKSUM: u8 = 1 << 1;
const EXTRA: u8 = 1 << 2;
const NAME: u8 = 1 << 3;
const COMMENT: u8 = 1 << 4;
const RESERVED: u8 = 0b1110_0000;

/// Inflates what `reader` brings.
pub(crate) struct Gunzip<R> {
    reader: R,
    state: State,
    inflate: Decompress,
    checksum: Hasher,
    /// Bytes of the present member so far; only its low half is ever compared.
    size: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// No member was read yet; there must be one.
    Before,
    /// In a member.
    Within,
    /// Behind a member; another one may follow.
    Behind,
    /// At the end.
    Done,
}

impl<R: BufRead> Gunzip<R> {
    pub(crate) fn new(reader: R) -> Self {
        Self {
            reader,
            state: State::Before,
            inflate: Decompress::new(false),
            checksum: Hasher::new(),
            size: 0,
        }
    }

    fn begin(&mut self) -> io::Result<()> {
        if self.state == State::Behind && self.reader.fill_buf()?.is_empty() {
            self.state = State::Done;
            return Ok(());
        }
        Header { reader: &mut self.reader, checksum: Hasher::new() }.skip()?;
        self.inflate.reset(false);
        self.checksum.reset();
        self.size = 0;
        self.state = State::Within;
        Ok(())
    }

    /// Gives how many bytes came; 0 at the member's end.
    fn inflate(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            let input = self.reader.fill_buf()?;
            let ended = input.is_empty();
            let (before_in, before_out) = (self.inflate.total_in(), self.inflate.total_out());
            let status = self.inflate.decompress(input, buffer, FlushDecompress::None);
            let used = length(self.inflate.total_in() - before_in);
            let made = length(self.inflate.total_out() - before_out);
            self.reader.consume(used);
            self.checksum.update(&buffer[..made]);
            self.size += made as u64;
            match status.map_err(|_| broken("a deflate stream is corrupt"))? {
                Status::StreamEnd => {
                    self.end()?;
                    return Ok(made);
                }
                _ if made > 0 => return Ok(made),
                _ if ended => return Err(io::ErrorKind::UnexpectedEof.into()),
                _ => {}
            }
        }
    }

    /// Compares the member with what it says of itself.
    fn end(&mut self) -> io::Result<()> {
        let (mut checksum, mut size) = ([0; 4], [0; 4]);
        self.reader.read_exact(&mut checksum)?;
        self.reader.read_exact(&mut size)?;
        self.state = State::Behind;
        let actual = self.checksum.clone().finalize();
        if u32::from_le_bytes(checksum) == actual && self.size.to_le_bytes()[..4] == size {
            return Ok(());
        }
        Err(broken("a gzip stream does not have its own checksum"))
    }
}

impl<R: BufRead> Read for Gunzip<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        loop {
            match self.state {
                State::Done => return Ok(0),
                State::Before | State::Behind => self.begin()?,
                State::Within => match self.inflate(buffer)? {
                    0 => {}
                    count => return Ok(count),
                },
            }
        }
    }
}

/// A member's header, of which nothing is of use.
struct Header<'a, R> {
    reader: &'a mut R,
    checksum: Hasher,
}

impl<R: Read> Header<'_, R> {
    fn skip(mut self) -> io::Result<()> {
        let start: [u8; 10] = self.bytes()?;
        let flags = start[3];
        if start[..3] != MAGIC || flags & RESERVED != 0 {
            return Err(broken("a gzip header is invalid"));
        }
        if flags & EXTRA != 0 {
            for _ in 0..u16::from_le_bytes(self.bytes()?) {
                self.bytes::<1>()?;
            }
        }
        for text in [NAME, COMMENT] {
            while flags & text != 0 && self.bytes()? != [0] {}
        }
        if flags & HEADER_CHECKSUM != 0 {
            let actual = self.checksum.clone().finalize().to_le_bytes();
            if actual[..2] != self.bytes::<2>()? {
                return Err(broken("a gzip header does not have its own checksum"));
            }
        }
        Ok(())
    }

    fn bytes<const COUNT: usize>(&mut self) -> io::Result<[u8; COUNT]> {
        let mut bytes = [0; COUNT];
        self.reader.read_exact(&mut bytes)?;
        self.checksum.update(&bytes);
        Ok(bytes)
    }
}

/// A part of a slice's length.
fn length(count: u64) -> usize {
    usize::try_from(count).unwrap_or(0)
}

fn broken(reason: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, reason)
}

#[cfg(test)]
mod tests {
    use std::io::{BufReader, Write};

    use flate2::{Compression, GzBuilder};

    use super::*;

    fn member(builder: GzBuilder, content: &[u8]) -> Vec<u8> {
        let mut encoder = builder.write(Vec::new(), Compression::default());
        encoder.write_all(content).unwrap();
        encoder.finish().unwrap()
    }

    /// With a buffer so small that it ends everywhere.
    fn unpacked(gzip: &[u8]) -> io::Result<Vec<u8>> {
        let mut content = Vec::new();
        Gunzip::new(BufReader::with_capacity(3, gzip)).read_to_end(&mut content)?;
        Ok(content)
    }

    #[test]
    fn members_of_every_form_are_one_stream() {
        let content: Vec<u8> = (0..200_000_u32).map(|n| (n / 7).to_le_bytes()[0]).collect();
        let extra = vec![7; 300];
        let all = GzBuilder::new().filename("a").comment("b").extra(extra).mtime(1);
        let mut gzip = member(all, &content);
        gzip.extend(member(GzBuilder::new(), b""));
        gzip.extend(member(GzBuilder::new(), b"end"));
        assert_eq!(unpacked(&gzip).unwrap(), [&content, &b"end"[..]].concat());
    }

    #[test]
    fn a_header_with_a_checksum_is_held_to_it() {
        let plain = member(GzBuilder::new(), b"content");
        let mut gzip = plain[..10].to_vec();
        gzip[3] = HEADER_CHECKSUM;
        let checksum = crc32fast::hash(&gzip).to_le_bytes();
        gzip.extend(&checksum[..2]);
        gzip.extend(&plain[10..]);
        assert_eq!(unpacked(&gzip).unwrap(), b"content");
        gzip[10] ^= 1;
        unpacked(&gzip).expect_err("another checksum");
    }

    #[test]
    fn what_is_cut_or_changed_anywhere_is_refused() {
        let gzip = member(GzBuilder::new().filename("name"), b"some content, some content");
        for end in 0..gzip.len() {
            unpacked(&gzip[..end]).expect_err("cut");
        }
        for changed in gzip.len() - 8..gzip.len() {
            let mut gzip = gzip.clone();
            gzip[changed] ^= 0x10;
            unpacked(&gzip).expect_err("its trailer lies");
        }
        for reserved in [5, 6, 7] {
            let mut gzip = gzip.clone();
            gzip[3] |= 1 << reserved;
            unpacked(&gzip).expect_err("nobody knows what follows");
        }
        unpacked(&[&gzip[..], b"more"].concat()).expect_err("that is no member");
    }
}
