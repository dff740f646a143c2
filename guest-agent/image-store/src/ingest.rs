//! One compressed stream becomes one layer of the store.

use std::io::Read;
use std::sync::Arc;

use crate::digest::Digest;
use crate::error::ImageError;
use crate::index::Index;
use crate::layers::{Ingest, Layers};
use crate::registry::RegistryError;
use crate::stream::{HashReader, buffered, decompressed};
use crate::unpack::{self, UnpackError, unpack};

/// What a stream must turn out to be.
#[derive(Clone, Debug)]
pub(crate) struct Expected {
    /// The digest of the stream itself, where one is known.
    pub(crate) blob: Option<Digest>,
    /// The digest of the tar in it.
    pub(crate) diff_id: Digest,
}

impl Expected {
    /// The layer's short digest for messages, the blob's if there is one.
    fn short(&self) -> &str {
        self.blob.as_ref().unwrap_or(&self.diff_id).short()
    }
}

/// Reads `compressed` to its end, unpacks it, checks it and commits it. Blocks. On an error
/// nothing is left behind.
pub(crate) fn ingest_layer(
    compressed: impl Read,
    expected: &Expected,
    layers: &Layers,
    index: &Index,
) -> Result<(), ImageError> {
    let Received { ingest, blob, diff_id, size } =
        receive_layer(compressed, expected.short(), layers)?;
    if let Some(expected) = expected.blob.as_ref().filter(|expected| **expected != blob) {
        return Err(RegistryError::DigestMismatch {
            what: "layer",
            actual: blob,
            expected: expected.clone(),
        }
        .into());
    }
    if diff_id != expected.diff_id {
        return Err(ImageError::DiffId {
            layer: expected.short().to_owned(),
            actual: diff_id,
            expected: expected.diff_id.clone(),
        });
    }
    layers.commit(&ingest, diff_id, size, index)
}

/// A stream that was unpacked, and what it turned out to be.
#[derive(Debug)]
pub(crate) struct Received {
    pub(crate) ingest: Ingest,
    /// The digest of the stream itself.
    pub(crate) blob: Digest,
    /// The digest of the tar in it.
    pub(crate) diff_id: Digest,
    /// Bytes of all files.
    pub(crate) size: u64,
}

/// Reads `compressed` to its end and unpacks it; `shown` is what messages call it. Blocks.
pub(crate) fn receive_layer(
    compressed: impl Read,
    shown: &str,
    layers: &Layers,
) -> Result<Received, ImageError> {
    let ingest = layers.ingest()?;
    let (files, record) = ingest.layer()?;
    let failed = || ImageError::unpack(shown, ingest.path());
    let broken = |error| failed()(UnpackError::Read(error));
    let mut compressed = buffered(HashReader::new(compressed));
    let (size, diff_id) = {
        let mut plain = buffered(HashReader::new(decompressed(&mut compressed).map_err(broken)?));
        let size = unpack(&mut plain, &files, &record).map_err(failed())?;
        (size, plain.into_inner().finish().map_err(broken)?)
    };
    let blob = compressed.into_inner().finish().map_err(broken)?;
    Ok(Received { ingest, blob, diff_id, size })
}

/// Reads a layer's tar to its end, without unpacking it: its files lie elsewhere. Blocks.
pub(crate) fn record_layer(tar: impl Read, layers: &Layers) -> Result<Received, ImageError> {
    let ingest = layers.ingest()?;
    let (_, record) = ingest.layer()?;
    let failed = || ImageError::unpack("to be made", ingest.path());
    let mut plain = buffered(HashReader::new(tar));
    let size = unpack::record(&mut plain, &record).map_err(failed())?;
    let diff_id =
        plain.into_inner().finish().map_err(|error| failed()(UnpackError::Read(error)))?;
    Ok(Received { ingest, blob: diff_id.clone(), diff_id, size })
}

/// What blocking work needs of the store.
#[derive(Clone, Debug)]
pub(crate) struct Target {
    pub(crate) layers: Arc<Layers>,
    pub(crate) index: Arc<Index>,
}
