//! As which blobs registries have layers: what was pulled from them or pushed to them.

use rusqlite::{OptionalExtension, Transaction, params};

use super::Index;
use crate::digest::Digest;
use crate::error::ImageError;
use crate::image::LayerBlob;
use crate::registry::ManifestDocument;

impl Index {
    /// The blobs that a layer is known as, each with its repository.
    pub(crate) fn known_blobs(
        &self,
        diff_id: &Digest,
    ) -> Result<Vec<(String, LayerBlob)>, ImageError> {
        self.read("find a layer's blobs", |connection| {
            connection
                .prepare_cached(
                    "SELECT repository, digest, size, media_type FROM layer_blob
                     WHERE diff_id = ?1 ORDER BY repository, digest",
                )?
                .query_map([diff_id], |row| {
                    let (digest, size, media_type) = (row.get(1)?, row.get(2)?, row.get(3)?);
                    Ok((row.get(0)?, LayerBlob { digest, size, media_type }))
                })?
                .collect()
        })
    }

    /// Writes down as which blob a layer is in `repository` now.
    pub(crate) fn note_blob(
        &self,
        repository: &str,
        diff_id: &Digest,
        blob: &LayerBlob,
    ) -> Result<(), ImageError> {
        self.write("note a pushed layer", |transaction| {
            put_blob(transaction, diff_id, repository, blob)
        })
    }

    /// Writes down by which digest an image is in `repository` now.
    pub(crate) fn note_digest(
        &self,
        image_id: &Digest,
        repository: &str,
        digest: &Digest,
    ) -> Result<(), ImageError> {
        self.write("note a push", |transaction| {
            // An image that was removed meanwhile needs no digest.
            transaction
                .execute(
                    "INSERT OR REPLACE INTO repo_digest
                     SELECT ?1, ?2, id FROM image WHERE id = ?3 AND NOT hidden",
                    params![repository, digest, image_id],
                )
                .map(drop)
        })
    }

    pub(crate) fn manifest(&self, digest: &Digest) -> Result<Option<ManifestDocument>, ImageError> {
        self.read("read a manifest", |connection| {
            connection
                .prepare_cached(
                    "SELECT digest, media_type, content FROM manifest WHERE digest = ?1",
                )?
                .query_row([digest], |row| {
                    let (digest, media_type) = (row.get(0)?, row.get(1)?);
                    Ok(ManifestDocument { digest, media_type, content: row.get(2)? })
                })
                .optional()
        })
    }
}

pub(super) fn put_blob(
    transaction: &Transaction<'_>,
    diff_id: &Digest,
    repository: &str,
    blob: &LayerBlob,
) -> rusqlite::Result<()> {
    transaction
        .prepare_cached(
            "INSERT OR REPLACE INTO layer_blob
             SELECT diff_id, ?2, ?3, ?4, ?5 FROM layer WHERE diff_id = ?1",
        )?
        .execute(params![diff_id, repository, blob.digest, blob.size, blob.media_type])
        .map(drop)
}
