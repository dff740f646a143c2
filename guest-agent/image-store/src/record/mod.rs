//! What a layer's tar has beside its files' contents, kept so that the tar can be written out
//! again, byte for byte, without being kept.
//!
//! ```text
//! records/<n>/record     16 bytes (magic, size of the tar), then a zstd stream of steps
//! records/<n>/replaced   only where a member took the place of an earlier one
//! records/<n>/<k>        what the k-th such member replaced
//! ```
//!
//! A step is either bytes of the tar as they are (headers, extensions, padding, trailer) or the
//! place of a file whose parts come next. Numbers are little-endian. The record is written
//! while the layer is unpacked, with memory that does not grow; what it gives back is
//! believed only because its digest is the layer's.

mod read;
mod replaced;
mod write;

pub use read::LayerArchive;
pub(crate) use write::Recorder;

const RECORD: &str = "record";
const REPLACED: &str = "replaced";
const MAGIC: [u8; 8] = *b"narurec1";
const HEADER: usize = 16;

/// A step's first byte: a length and so many bytes follow.
const LITERAL: u8 = 0;
/// A step's first byte: the length of a path and the path, a count and so many parts follow.
const FILE: u8 = 1;

/// More than the longest path the kernel takes, which resolved paths are below.
const MAX_PATH: u32 = 64 << 10;

/// Keeps a hostile map of a sparse file from filling the memory.
pub(crate) const MAX_SEGMENTS: usize = 1 << 16;

/// A part of a file that is stored in the tar.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Segment {
    pub(crate) offset: u64,
    pub(crate) length: u64,
}
