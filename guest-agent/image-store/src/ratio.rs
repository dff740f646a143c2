//! Whether a compressed stream becomes more than one in good faith does.

use std::cell::Cell;
use std::io::{self, BufRead, Read};
use std::rc::Rc;

/// So much may come of anything: a disk image that was never written to is mostly zeros.
const FREE: u64 = 8 << 30;
/// What is beyond comes from so much of a stream. Text, and what programs are made of, become
/// a fifth to a twentieth.
const RATIO: u64 = 200;

/// Decompresses `reader` by what `decoder` makes of it, within reason.
pub(crate) fn within_reason<R: BufRead, D: Read>(
    reader: R,
    decoder: impl FnOnce(Counted<R>) -> io::Result<D>,
) -> io::Result<WithinReason<D>> {
    let came = Rc::default();
    let decoder = decoder(Counted { reader, came: Rc::clone(&came) })?;
    Ok(WithinReason { decoder, came, made: 0, free: FREE })
}

/// A stream that is counted as it is used.
pub(crate) struct Counted<R> {
    reader: R,
    came: Rc<Cell<u64>>,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.reader.read(buffer)?;
        self.came.set(self.came.get() + count as u64);
        Ok(count)
    }
}

impl<R: BufRead> BufRead for Counted<R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        self.reader.fill_buf()
    }

    fn consume(&mut self, count: usize) {
        self.came.set(self.came.get() + count as u64);
        self.reader.consume(count);
    }
}

/// What comes of it.
pub(crate) struct WithinReason<D> {
    decoder: D,
    came: Rc<Cell<u64>>,
    made: u64,
    free: u64,
}

impl<D: Read> Read for WithinReason<D> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.decoder.read(buffer)?;
        self.made += count as u64;
        if self.made > self.free && self.made / RATIO > self.came.get() {
            let reason = format!("it unpacks to more than {RATIO} times its size, without end");
            return Err(io::Error::new(io::ErrorKind::InvalidData, reason));
        }
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::Compression;
    use flate2::write::GzEncoder;

    use super::*;
    use crate::gzip::Gunzip;

    /// How much comes of `content`, compressed, where so much is free.
    fn made(content: &[u8], free: u64) -> io::Result<u64> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(content)?;
        let gzip = encoder.finish()?;
        let mut reader = within_reason(gzip.as_slice(), |reader| Ok(Gunzip::new(reader)))?;
        reader.free = free;
        io::copy(&mut reader, &mut io::sink())
    }

    #[test]
    fn what_becomes_too_much_is_refused_and_what_is_small_or_dense_is_not() {
        let zeros = vec![0; 4 << 20];
        assert_eq!(made(&zeros, 4 << 20).unwrap(), 4 << 20);
        let error = made(&zeros, 1 << 20).unwrap_err();
        assert!(error.to_string().contains("200 times its size"), "{error}");
        let lines: Vec<u8> = (0..100_000_u32).flat_map(|n| format!("{n}\n").into_bytes()).collect();
        assert_eq!(made(&lines, 0).unwrap(), lines.len() as u64);
    }
}
