//! A layer's archive becomes a gzip blob on its way out: always the same bytes.

use std::io::{self, Read, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::{Bytes, BytesMut};
use flate2::{Compression, GzBuilder};
use futures::{Stream, StreamExt as _};
use sha2::{Digest as _, Sha256};
use tokio::sync::mpsc;

use crate::digest::Digest;
use crate::stream::Chunk;

const CHUNK: usize = 64 << 10;
const CHUNKS_IN_FLIGHT: usize = 16;
const BUFFER: usize = 128 << 10;
/// Docker's own level.
const LEVEL: u32 = 6;
/// The header says nothing of where and when: "unknown" (RFC 1952, section 2.3.1).
const UNKNOWN_SYSTEM: u8 = 255;

/// What was packed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Packed {
    pub(super) digest: Digest,
    pub(super) size: u64,
}

/// Takes the packed bytes: counted and hashed from the first on, handed on from `skip` on.
pub(super) struct Sink {
    sender: mpsc::Sender<Chunk>,
    chunk: BytesMut,
    hasher: Sha256,
    total: u64,
    skip: u64,
    gone: bool,
}

/// What goes to the registry.
pub(super) struct PackedBody {
    receiver: mpsc::Receiver<Chunk>,
    sent: Arc<AtomicU64>,
}

/// The two ends between the thread that packs and the task that sends.
pub(super) fn packing(skip: u64) -> (Sink, PackedBody) {
    let (sender, receiver) = mpsc::channel(CHUNKS_IN_FLIGHT);
    let chunk = BytesMut::with_capacity(CHUNK);
    let sink = Sink { sender, chunk, hasher: Sha256::new(), total: 0, skip, gone: false };
    (sink, PackedBody { receiver, sent: Arc::default() })
}

impl PackedBody {
    /// How much has been taken from it.
    pub(super) fn sent(&self) -> Arc<AtomicU64> {
        Arc::clone(&self.sent)
    }

    /// An end that was not announced is an error, so that half a layer is never a whole one.
    pub(super) fn into_stream(self) -> impl Stream<Item = io::Result<Bytes>> + Send + 'static {
        let Self { receiver, sent } = self;
        let chunks = futures::stream::unfold(receiver, |mut receiver| async {
            match receiver.recv().await {
                Some(Chunk::Data(bytes)) => Some((Ok(bytes), receiver)),
                Some(Chunk::End) => None,
                None => Some((Err(io::Error::other("the layer was given up")), receiver)),
            }
        });
        chunks.inspect(move |chunk| {
            let count = chunk.as_ref().map_or(0, Bytes::len);
            sent.fetch_add(count as u64, Ordering::Relaxed);
        })
    }
}

impl Sink {
    fn hand_on(&mut self) -> io::Result<()> {
        let bytes = self.chunk.split().freeze();
        self.chunk.reserve(CHUNK);
        self.send(Chunk::Data(bytes))
    }

    fn send(&mut self, chunk: Chunk) -> io::Result<()> {
        self.sender.blocking_send(chunk).map_err(|_| {
            self.gone = true;
            io::Error::from(io::ErrorKind::BrokenPipe)
        })
    }
}

impl Write for Sink {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        self.hasher.update(buffer);
        self.total += buffer.len() as u64;
        let skipped = usize::try_from(self.skip).unwrap_or(usize::MAX).min(buffer.len());
        self.skip -= skipped as u64;
        self.chunk.extend_from_slice(&buffer[skipped..]);
        if self.chunk.len() >= CHUNK {
            self.hand_on()?;
        }
        Ok(buffer.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Packs all of `archive`; `None` when nobody wants it any more.
pub(super) fn pack(archive: impl Read, sink: Sink, read: &AtomicU64) -> io::Result<Option<Packed>> {
    let header = GzBuilder::new().mtime(0).operating_system(UNKNOWN_SYSTEM);
    let mut encoder = header.write(sink, Compression::new(LEVEL));
    let copied = copy(archive, &mut encoder, read).and_then(|()| encoder.try_finish());
    if let Err(error) = copied {
        return if encoder.get_ref().gone { Ok(None) } else { Err(error) };
    }
    let mut sink = encoder.finish()?;
    if (!sink.chunk.is_empty() && sink.hand_on().is_err()) || sink.send(Chunk::End).is_err() {
        return Ok(None);
    }
    let digest = Digest::from_hasher(sink.hasher);
    Ok(Some(Packed { digest, size: sink.total }))
}

fn copy(mut archive: impl Read, encoder: &mut impl Write, read: &AtomicU64) -> io::Result<()> {
    let mut buffer = vec![0; BUFFER];
    loop {
        match archive.read(&mut buffer) {
            Ok(0) => return Ok(()),
            Ok(count) => {
                encoder.write_all(&buffer[..count])?;
                read.fetch_add(count as u64, Ordering::Relaxed);
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use futures::executor::block_on;

    use super::*;

    fn content() -> Vec<u8> {
        (0..300_000_u32).flat_map(u32::to_le_bytes).collect()
    }

    fn packed_from(skip: u64) -> (Packed, Vec<u8>) {
        let (sink, body) = packing(skip);
        let worker = thread::spawn(move || pack(content().as_slice(), sink, &AtomicU64::new(0)));
        let chunks: Vec<_> = block_on(body.into_stream().collect());
        let bytes = chunks.into_iter().flat_map(|chunk| chunk.unwrap()).collect();
        (worker.join().unwrap().unwrap().unwrap(), bytes)
    }

    #[test]
    fn the_same_layer_is_packed_into_the_same_bytes_from_anywhere() {
        let (packed, bytes) = packed_from(0);
        assert_eq!(packed.size, bytes.len() as u64);
        assert_eq!(packed.digest, Digest::of(&bytes));
        let mut unpacked = Vec::new();
        flate2::read::GzDecoder::new(bytes.as_slice()).read_to_end(&mut unpacked).unwrap();
        assert_eq!(unpacked, content());
        let (again, rest) = packed_from(100_001);
        assert_eq!(again, packed);
        assert_eq!(rest, bytes[100_001..]);
    }

    #[test]
    fn a_layer_that_cannot_be_read_is_no_end_of_the_body() {
        struct Broken;
        impl Read for Broken {
            fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
                Err(io::Error::other("broken"))
            }
        }
        let (sink, body) = packing(0);
        let worker = thread::spawn(move || pack(Broken, sink, &AtomicU64::new(0)));
        let last = block_on(body.into_stream().take(1).collect::<Vec<_>>());
        last.into_iter().next().unwrap().unwrap_err();
        worker.join().unwrap().unwrap_err();
    }

    #[test]
    fn packing_ends_when_nobody_wants_the_layer() {
        let (sink, body) = packing(0);
        drop(body);
        assert_eq!(pack(content().as_slice(), sink, &AtomicU64::new(0)).unwrap(), None);
    }
}
