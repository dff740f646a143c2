//! PAX extended headers (POSIX.1-2001, `pax`), with what GNU tar and star add.

use std::io::{BufRead, BufReader, Read};
use std::str;

use super::error::UnpackError;
use super::sparse::Sparse;
use super::tape::Tape;
use crate::record::{MAX_SEGMENTS, Segment};

const BROKEN: UnpackError = UnpackError::Tar { reason: "a PAX header is broken" };

/// The records of one extended header that mean something to a layer.
#[derive(Debug, Default)]
pub(super) struct Pax {
    pub(super) path: Option<Vec<u8>>,
    pub(super) link_path: Option<Vec<u8>>,
    pub(super) size: Option<u64>,
    pub(super) uid: Option<u32>,
    pub(super) gid: Option<u32>,
    pub(super) mtime: Option<(i64, u32)>,
    pub(super) xattrs: Vec<(Vec<u8>, Vec<u8>)>,
    /// The real name of a sparse file; `path` is a made-up one then.
    pub(super) sparse_name: Option<Vec<u8>>,
    sparse_size: Option<u64>,
    /// Version 1.0: the map stands before the content.
    sparse_map_in_content: bool,
    sparse_segments: Vec<Segment>,
}

impl Pax {
    /// Parses records of the form `length key=value\n`, where the length counts itself.
    pub(super) fn parse(mut content: &[u8]) -> Result<Self, UnpackError> {
        let mut pax = Self::default();
        while !content.is_empty() {
            let space = content.iter().position(|&byte| byte == b' ').ok_or(BROKEN)?;
            let length = decimal::<usize>(&content[..space])?;
            let record = content.get(space + 1..length).ok_or(BROKEN)?;
            content = &content[length..];
            let record = record.strip_suffix(b"\n").ok_or(BROKEN)?;
            let equals = record.iter().position(|&byte| byte == b'=').ok_or(BROKEN)?;
            pax.record(&record[..equals], &record[equals + 1..])?;
        }
        Ok(pax)
    }

    fn record(&mut self, key: &[u8], value: &[u8]) -> Result<(), UnpackError> {
        match key {
            b"path" => self.path = Some(value.to_owned()),
            b"linkpath" => self.link_path = Some(value.to_owned()),
            b"size" => self.size = Some(decimal(value)?),
            b"uid" => self.uid = Some(decimal(value)?),
            b"gid" => self.gid = Some(decimal(value)?),
            b"mtime" => self.mtime = Some(time(value)?),
            b"GNU.sparse.name" => self.sparse_name = Some(value.to_owned()),
            b"GNU.sparse.size" | b"GNU.sparse.realsize" => self.sparse_size = Some(decimal(value)?),
            b"GNU.sparse.major" => self.sparse_map_in_content = value == b"1",
            b"GNU.sparse.offset" => {
                self.sparse_segments.push(Segment { offset: decimal(value)?, length: 0 });
            }
            b"GNU.sparse.numbytes" => {
                self.sparse_segments.last_mut().ok_or(BROKEN)?.length = decimal(value)?;
            }
            b"GNU.sparse.map" => {
                let numbers: Vec<u64> =
                    value.split(|&byte| byte == b',').map(decimal).collect::<Result<_, _>>()?;
                self.sparse_segments = segments(&numbers)?;
            }
            _ => {
                if let Some(name) = key.strip_prefix(b"SCHILY.xattr.") {
                    self.xattrs.push((name.to_owned(), value.to_owned()));
                }
            }
        }
        Ok(())
    }

    /// Where the content goes, for a sparse file. Reads a map that stands before the content.
    pub(super) fn sparse<R: Read>(
        &mut self,
        tape: &mut Tape<R>,
    ) -> Result<Option<Sparse>, UnpackError> {
        let Some(real_size) = self.sparse_size else { return Ok(None) };
        if self.sparse_map_in_content {
            self.sparse_segments = map_from_content(tape)?;
        }
        Sparse::new(std::mem::take(&mut self.sparse_segments), real_size).map(Some)
    }
}

/// The map of version 1.0: decimal lines, a count and then pairs, padded to whole blocks.
fn map_from_content(tape: &mut impl Read) -> Result<Vec<Segment>, UnpackError> {
    let mut lines = BufReader::with_capacity(512, BlockReader(tape));
    let line = |lines: &mut BufReader<_>| -> Result<u64, UnpackError> {
        let mut text = Vec::new();
        lines.by_ref().take(24).read_until(b'\n', &mut text).map_err(UnpackError::Read)?;
        decimal(text.strip_suffix(b"\n").ok_or(BROKEN)?)
    };
    let count = line(&mut lines)?;
    if count > MAX_SEGMENTS as u64 {
        return Err(UnpackError::Tar { reason: "a sparse file has too many parts" });
    }
    let mut numbers = Vec::new();
    for _ in 0..count * 2 {
        numbers.push(line(&mut lines)?);
    }
    segments(&numbers)
}

/// Reads whole blocks only, so that what a buffer took in advance ends with the map.
struct BlockReader<R>(R);

impl<R: Read> Read for BlockReader<R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        match buffer.get_mut(..512) {
            Some(block) => self.0.read_exact(block).map(|()| block.len()),
            None => Ok(0),
        }
    }
}

fn segments(numbers: &[u64]) -> Result<Vec<Segment>, UnpackError> {
    let (pairs, rest) = numbers.as_chunks::<2>();
    if !rest.is_empty() {
        return Err(BROKEN);
    }
    Ok(pairs.iter().map(|&[offset, length]| Segment { offset, length }).collect())
}

fn decimal<T: str::FromStr>(text: &[u8]) -> Result<T, UnpackError> {
    str::from_utf8(text).ok().and_then(|text| text.parse().ok()).ok_or(BROKEN)
}

/// Seconds with a decimal fraction, perhaps negative.
fn time(text: &[u8]) -> Result<(i64, u32), UnpackError> {
    let (whole, fraction) = match text.iter().position(|&byte| byte == b'.') {
        Some(dot) => (&text[..dot], &text[dot + 1..]),
        None => (text, &[][..]),
    };
    let seconds: i64 = decimal(whole)?;
    let mut nanoseconds = 0;
    for position in 0..9 {
        let digit = fraction.get(position).copied().unwrap_or(b'0');
        if !digit.is_ascii_digit() {
            return Err(BROKEN);
        }
        nanoseconds = nanoseconds * 10 + u32::from(digit - b'0');
    }
    if text.starts_with(b"-") && nanoseconds > 0 {
        return Ok((seconds.saturating_sub(1), 1_000_000_000 - nanoseconds));
    }
    Ok((seconds, nanoseconds))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_are_read_and_broken_ones_refused() {
        let pax =
            Pax::parse(b"11 path=ab\n21 mtime=1.000000005\n31 SCHILY.xattr.user.x=a=b\nc\0d\n");
        let pax = pax.expect("parses");
        assert_eq!(pax.path.as_deref(), Some(&b"ab"[..]));
        assert_eq!(pax.mtime, Some((1, 5)));
        assert_eq!(pax.xattrs, [(b"user.x".to_vec(), b"a=b\nc\0d".to_vec())]);
        for broken in [&b"x"[..], b"99 a=b\n", b"3 a", b"0 a=b\n", b"6 ab\n\n", b"12 size=-12\n"] {
            assert!(Pax::parse(broken).is_err(), "{broken:?}");
        }
    }

    #[test]
    fn times_before_1970_count_backwards() {
        assert_eq!(time(b"-1.25").ok(), Some((-2, 750_000_000)));
        assert_eq!(time(b"-3").ok(), Some((-3, 0)));
        time(b"1.x").expect_err("no digit");
    }
}
