//! A container's output as it comes over HTTP, turned into chunks for the window.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::{Buf, Bytes, BytesMut};
use naru_ipc::OutputChunk;

/// The header before each frame: the stream's number, three zeros, the length (u32,
/// big-endian). Docker Engine API, "Stream format" of container attach.
const HEADER: usize = 8;

/// Splits bytes into chunks: frames for a container without a terminal, and as they
/// are for one with a terminal.
#[derive(Debug)]
pub(crate) struct Decoder {
    tty: bool,
    header: BytesMut,
    source: &'static str,
    /// What is still to come of the present frame.
    left: usize,
}

impl Decoder {
    /// A decoder at the beginning of a stream.
    pub(crate) fn new(tty: bool) -> Self {
        Self { tty, header: BytesMut::with_capacity(HEADER), source: "stdout", left: 0 }
    }

    /// The pieces of output in `bytes`, each with its source. A frame need not be complete for its
    /// beginning to be given, so nothing is held back and no length that the stream claims is
    /// believed.
    pub(crate) fn split(&mut self, mut bytes: Bytes) -> Vec<(&'static str, Bytes)> {
        if self.tty {
            return vec![("stdout", bytes)];
        }
        let mut pieces = Vec::new();
        while !bytes.is_empty() {
            if self.left > 0 {
                let part = bytes.split_to(self.left.min(bytes.len()));
                self.left -= part.len();
                pieces.push((self.source, part));
                continue;
            }
            let part = bytes.split_to((HEADER - self.header.len()).min(bytes.len()));
            self.header.extend_from_slice(&part);
            if self.header.len() == HEADER {
                self.source = if self.header[0] == 2 { "stderr" } else { "stdout" };
                self.header.advance(4);
                self.left = self.header.get_u32() as usize;
                self.header.clear();
            }
        }
        pieces
    }
}

/// Output that the window has not been given yet: what came of one source in a row is one chunk,
/// because the engine frames each line, and the window pays for each chunk.
#[derive(Debug, Default)]
pub(crate) struct Gathered {
    pieces: Vec<(&'static str, Vec<u8>)>,
    length: usize,
}

impl Gathered {
    /// Adds what came next.
    pub(crate) fn push(&mut self, source: &'static str, bytes: &[u8]) {
        self.length += bytes.len();
        match self.pieces.last_mut() {
            Some((last, piece)) if *last == source => piece.extend_from_slice(bytes),
            _ => self.pieces.push((source, bytes.to_vec())),
        }
    }

    /// How many bytes it has.
    pub(crate) fn length(&self) -> usize {
        self.length
    }

    /// Empties it.
    pub(crate) fn take(&mut self) -> Vec<OutputChunk> {
        self.length = 0;
        self.pieces.drain(..).map(|(source, piece)| chunk(source, &piece)).collect()
    }
}

/// The last chunk of every stream.
pub(crate) fn end() -> OutputChunk {
    chunk("end", b"")
}

/// A chunk of `bytes` from `source`.
pub(crate) fn chunk(source: &str, bytes: &[u8]) -> OutputChunk {
    OutputChunk { source: source.to_owned(), data: STANDARD.encode(bytes) }
}

#[cfg(test)]
mod tests {
    use std::iter;

    use super::*;

    fn frame(stream: u8, text: &str) -> Vec<u8> {
        let mut bytes = vec![stream, 0, 0, 0];
        bytes.extend(u32::try_from(text.len()).unwrap().to_be_bytes());
        bytes.extend(text.as_bytes());
        bytes
    }

    fn joined(chunks: &[OutputChunk], source: &str) -> String {
        let of_source = chunks.iter().filter(|chunk| chunk.source == source);
        let bytes: Vec<u8> =
            of_source.flat_map(|chunk| STANDARD.decode(&chunk.data).unwrap()).collect();
        String::from_utf8(bytes).unwrap()
    }

    fn chunks_of<'a>(tty: bool, parts: impl Iterator<Item = &'a [u8]>) -> Vec<OutputChunk> {
        let (mut decoder, mut gathered) = (Decoder::new(tty), Gathered::default());
        for part in parts {
            for (source, piece) in decoder.split(Bytes::copy_from_slice(part)) {
                gathered.push(source, &piece);
            }
        }
        gathered.take()
    }

    #[test]
    fn frames_are_told_apart_however_the_bytes_are_cut() {
        let bytes = [frame(1, "out"), frame(2, "error"), frame(1, ""), frame(1, "put")].concat();
        for size in 1..bytes.len() {
            let chunks = chunks_of(false, bytes.chunks(size));
            assert_eq!(joined(&chunks, "stdout"), "output", "in pieces of {size}");
            assert_eq!(joined(&chunks, "stderr"), "error", "in pieces of {size}");
        }
    }

    #[test]
    fn a_terminals_bytes_pass_as_they_are() {
        let chunks = chunks_of(true, iter::once(&b"\x01\x00$ "[..]));
        assert_eq!(joined(&chunks, "stdout"), "\u{1}\0$ ");
    }
}
