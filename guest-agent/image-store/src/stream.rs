//! A layer's bytes between the socket and the disk: chunks over a bounded channel, hashed,
//! decompressed and hashed again, read by one blocking thread.

use std::io::{self, BufRead, BufReader, Read};

use bytes::{Buf, Bytes};
use bzip2::bufread::MultiBzDecoder;
use liblzma::bufread::XzDecoder;
use liblzma::stream::{CONCATENATED, Stream};
use sha2::{Digest as _, Sha256};
use tokio::sync::{mpsc, watch};

use crate::digest::Digest;
use crate::gzip::Gunzip;
use crate::ratio::within_reason;

/// Chunks on their way. When the reader is the slower one, the HTTP client reads some 400 KiB
/// at once; when it is not, few are on their way.
const CHUNKS_IN_FLIGHT: usize = 4;
const BUFFER: usize = 128 << 10;
/// Progress is told in steps of this many bytes.
const PROGRESS_STEP: u64 = 512 << 10;
/// The largest window a zstd frame may ask for: 128 MiB, zstd's own default limit.
const ZSTD_WINDOW_LOG_MAX: u32 = 27;
/// What unpacking an xz stream may take; its own highest level takes half of it.
const XZ_MEMORY_MAX: u64 = 128 << 20;

const GZIP_MAGIC: &[u8] = &[0x1f, 0x8b];
const BZIP2_MAGIC: &[u8] = b"BZh";
const XZ_MAGIC: &[u8] = &[0xfd, b'7', b'z', b'X', b'Z', 0];
const ZSTD_MAGIC: &[u8] = &[0x28, 0xb5, 0x2f, 0xfd];
/// The first of the sixteen magic numbers of skippable frames differ in the low nibble.
const ZSTD_SKIPPABLE_MAGIC: &[u8] = &[0x2a, 0x4d, 0x18];

/// What travels over the channel. An end that is not announced is a broken download.
#[derive(Debug)]
pub(crate) enum Chunk {
    /// Some bytes.
    Data(Bytes),
    /// There are no more.
    End,
}

/// The channel between the task that downloads and the thread that unpacks; so much has `come`
/// before.
pub(crate) fn channel(come: u64) -> (mpsc::Sender<Chunk>, ChunkReader, watch::Receiver<u64>) {
    let (sender, receiver) = mpsc::channel(CHUNKS_IN_FLIGHT);
    let (consumed, progress) = watch::channel(0);
    let chunk = Bytes::new();
    let reader = ChunkReader { receiver, chunk, ended: false, total: come, told: come, consumed };
    (sender, reader, progress)
}

/// Reads what the channel brings; blocks. A sender dropped early is an error.
#[derive(Debug)]
pub(crate) struct ChunkReader {
    receiver: mpsc::Receiver<Chunk>,
    chunk: Bytes,
    ended: bool,
    total: u64,
    told: u64,
    consumed: watch::Sender<u64>,
}

impl ChunkReader {
    /// Whether whoever has the other end has gone, with all that was to come.
    pub(crate) fn is_given_up(&self) -> bool {
        self.consumed.is_closed()
    }
}

/// What ends the reading then.
pub(crate) fn given_up() -> io::Error {
    io::Error::other("the download was given up")
}

impl Read for ChunkReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.chunk.is_empty() && !self.ended {
            match self.receiver.blocking_recv() {
                Some(Chunk::Data(chunk)) => self.chunk = chunk,
                Some(Chunk::End) => self.ended = true,
                None => return Err(given_up()),
            }
        }
        let count = buffer.len().min(self.chunk.len());
        self.chunk.copy_to_slice(&mut buffer[..count]);
        self.total += count as u64;
        if self.total - self.told >= PROGRESS_STEP {
            self.told = self.total;
            self.consumed.send_replace(self.total);
        }
        Ok(count)
    }
}

/// Hashes what is read through it.
pub(crate) struct HashReader<R> {
    inner: R,
    hasher: Sha256,
}

impl<R: Read> HashReader<R> {
    pub(crate) fn new(inner: R) -> Self {
        Self { inner, hasher: Sha256::new() }
    }

    /// Reads on to the end and gives the digest of everything.
    pub(crate) fn finish(mut self) -> io::Result<Digest> {
        io::copy(&mut self, &mut io::sink())?;
        Ok(Digest::from_hasher(self.hasher))
    }
}

impl<R: Read> Read for HashReader<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.hasher.update(&buffer[..count]);
        Ok(count)
    }
}

/// A buffered reader of the size that suits layers.
pub(crate) fn buffered<R: Read>(reader: R) -> BufReader<R> {
    BufReader::with_capacity(BUFFER, reader)
}

/// Decompresses `reader` by what its first bytes are, as Docker does: media types lie.
/// What becomes more than is reasonable ends in an error.
pub fn decompressed<'a, R: BufRead + 'a>(mut reader: R) -> io::Result<Box<dyn Read + 'a>> {
    let start = reader.fill_buf()?;
    if start.starts_with(GZIP_MAGIC) {
        return Ok(Box::new(within_reason(reader, |reader| Ok(Gunzip::new(reader)))?));
    }
    if start.starts_with(BZIP2_MAGIC) {
        return Ok(Box::new(within_reason(reader, |reader| Ok(MultiBzDecoder::new(reader)))?));
    }
    if start.starts_with(XZ_MAGIC) {
        let stream = Stream::new_stream_decoder(XZ_MEMORY_MAX, CONCATENATED)?;
        let decoder = |reader| Ok(XzDecoder::new_stream(reader, stream));
        return Ok(Box::new(within_reason(reader, decoder)?));
    }
    let skippable = start.len() > 3 && start[0] >> 4 == 5 && &start[1..4] == ZSTD_SKIPPABLE_MAGIC;
    if start.starts_with(ZSTD_MAGIC) || skippable {
        return Ok(Box::new(within_reason(reader, |reader| {
            let mut decoder = zstd::Decoder::with_buffer(reader)?;
            decoder.window_log_max(ZSTD_WINDOW_LOG_MAX)?;
            Ok(decoder)
        })?));
    }
    Ok(Box::new(reader))
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use bzip2::bufread::BzEncoder;
    use flate2::Compression;
    use flate2::write::GzEncoder;
    use liblzma::bufread::XzEncoder;
    use liblzma::stream::{Check, Filters, LzmaOptions};

    use super::*;

    fn unpacked(bytes: &[u8]) -> io::Result<Vec<u8>> {
        let mut content = Vec::new();
        decompressed(bytes)?.read_to_end(&mut content)?;
        Ok(content)
    }

    #[test]
    #[expect(clippy::panic_in_result_fn, reason = "a test asserts and propagates")]
    fn compression_is_told_by_content() -> io::Result<()> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(b"first")?;
        let mut gzip = encoder.finish()?;
        gzip.extend(gzip.clone());
        assert_eq!(unpacked(&gzip)?, b"firstfirst", "several members are one stream");
        assert_eq!(unpacked(&zstd::encode_all(&b"second"[..], 1)?)?, b"second");
        for level in [1, 9] {
            let mut xz = Vec::new();
            XzEncoder::new(&b"third"[..], level).read_to_end(&mut xz)?;
            assert_eq!(unpacked(&xz)?, b"third");
            unpacked(&xz[..xz.len() - 4]).expect_err("a cut stream is an error");
        }
        let mut bzip2 = Vec::new();
        BzEncoder::new(&b"fourth"[..], bzip2::Compression::fast()).read_to_end(&mut bzip2)?;
        assert_eq!(unpacked(&bzip2)?, b"fourth");
        unpacked(&bzip2[..bzip2.len() - 4]).expect_err("a cut stream is an error");
        assert_eq!(unpacked(b"fifth")?, b"fifth");
        assert_eq!(unpacked(b"")?, b"");
        unpacked(&gzip[..gzip.len() - 4]).expect_err("a cut stream is an error");
        Ok(())
    }

    #[test]
    fn an_xz_stream_cannot_ask_for_all_memory() {
        let options = LzmaOptions::new_preset(1).and_then(|mut options| {
            options.dict_size(1 << 28);
            let mut filters = Filters::new();
            filters.lzma2(&options);
            Stream::new_stream_encoder(&filters, Check::None)
        });
        let mut xz = Vec::new();
        XzEncoder::new_stream(&b"small"[..], options.expect("it can be written"))
            .read_to_end(&mut xz)
            .expect("it is written");
        unpacked(&xz).expect_err("its dictionary is too large");
    }

    #[test]
    fn a_sender_that_goes_away_is_no_end() {
        let (sender, mut reader, _progress) = channel(0);
        sender.try_send(Chunk::Data(Bytes::from_static(b"half"))).expect("there is room");
        drop(sender);
        let mut content = Vec::new();
        reader.read_to_end(&mut content).expect_err("it was not announced");
        assert_eq!(content, b"half");
    }
}
