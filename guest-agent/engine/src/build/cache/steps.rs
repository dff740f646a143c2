//! Steps that were done.

use std::sync::Arc;

use jiff::Timestamp;
use naru_dockerfile::Fingerprint;
use naru_image_store::{Digest, ImageStore, MadeLayer};
use rusqlite::{OptionalExtension as _, params};

use super::{BuildCache, nanoseconds, time};
use crate::error::Result;

/// So much is known of files at most.
const KNOWN_MAX: i64 = 1 << 14;

/// What a step came to.
#[derive(Clone, Debug)]
pub(crate) struct CachedStep {
    /// None if it has changed no files.
    pub(crate) layer: Option<Arc<MadeLayer>>,
    /// When it was done.
    pub(crate) created: Timestamp,
}

impl BuildCache {
    /// What a step came to when it was done before.
    pub(crate) fn find(&self, key: Fingerprint) -> Result<Option<CachedStep>> {
        let found: Option<(Option<String>, i64)> = self
            .connection()
            .prepare_cached(
                "UPDATE step SET last_used_ns = ?2, uses = uses + 1 WHERE key = ?1
                 RETURNING diff_id, created_ns",
            )?
            .query_row(params![key.as_bytes(), nanoseconds(Timestamp::now())], |row| {
                Ok((row.get(0)?, row.get(1)?))
            })
            .optional()?;
        let Some((diff_id, created)) = found else { return Ok(None) };
        let created = time(created);
        if diff_id.is_none() {
            return Ok(Some(CachedStep { layer: None, created }));
        }
        // What is pruned just now is not there.
        let layer = self.held().get(&key).cloned();
        Ok(layer.map(|layer| CachedStep { layer: Some(layer), created }))
    }

    /// Remembers what a step came to, in place of what it came to before.
    pub(crate) fn keep(
        &self,
        key: Fingerprint,
        description: &str,
        step: &CachedStep,
    ) -> Result<()> {
        let diff_id = step.layer.as_ref().map(|layer| layer.diff_id().to_string());
        // Held before the row is there: nothing may collect it in between.
        let before = match &step.layer {
            Some(layer) => self.held().insert(key, Arc::clone(layer)),
            None => self.held().remove(&key),
        };
        let created = nanoseconds(step.created);
        self.connection()
            .prepare_cached("INSERT OR REPLACE INTO step VALUES (?1, ?2, ?3, ?4, ?4, 1)")?
            .execute(params![key.as_bytes(), diff_id, description, created])?;
        drop(before);
        Ok(())
    }

    /// Notes that a build has used these steps, those first that others are done on: without them
    /// the others are found no more, so that they are to go last.
    pub(crate) fn used_together<'a>(
        &self,
        steps: impl DoubleEndedIterator<Item = &'a Fingerprint>,
    ) -> Result<()> {
        let now = nanoseconds(Timestamp::now());
        let mut connection = self.connection();
        let transaction = connection.transaction()?;
        {
            let mut update =
                transaction.prepare_cached("UPDATE step SET last_used_ns = ?2 WHERE key = ?1")?;
            // One of several stages counts where it comes first.
            for (key, used) in steps.rev().zip(now..) {
                update.execute(params![key.as_bytes(), used])?;
            }
        }
        transaction.commit()?;
        Ok(())
    }

    /// What the files are that `key` names, if they were looked at before.
    pub(crate) fn known_files(&self, key: Fingerprint) -> Result<Option<Fingerprint>> {
        let found: Option<[u8; 32]> = self
            .connection()
            .prepare_cached("SELECT files FROM known WHERE key = ?1")?
            .query_row([key.as_bytes()], |row| row.get(0))
            .optional()?;
        Ok(found.map(Fingerprint::from_sha256))
    }

    /// Remembers what files are.
    pub(crate) fn keep_files(&self, key: Fingerprint, files: Fingerprint) -> Result<()> {
        let connection = self.connection();
        connection
            .prepare_cached("INSERT OR REPLACE INTO known VALUES (?1, ?2)")?
            .execute(params![key.as_bytes(), files.as_bytes()])?;
        // The oldest go: each context that has changed has keys of its own.
        connection
            .prepare_cached("DELETE FROM known WHERE rowid <= (SELECT max(rowid) FROM known) - ?1")?
            .execute([KNOWN_MAX])?;
        Ok(())
    }

    /// Holds the layers of all rows. A row whose layer is gone goes too.
    pub(super) fn hold_layers(&self, images: &ImageStore) -> Result<()> {
        let rows: Vec<([u8; 32], String)> = self
            .connection()
            .prepare("SELECT key, diff_id FROM step WHERE diff_id IS NOT NULL")?
            .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?
            .collect::<rusqlite::Result<_>>()?;
        for (key, diff_id) in rows {
            let layer = match diff_id.parse::<Digest>() {
                Ok(diff_id) => images.hold_layer(&diff_id)?,
                Err(_) => None,
            };
            match layer {
                Some(layer) => {
                    self.held().insert(Fingerprint::from_sha256(key), Arc::new(layer));
                }
                None => {
                    self.connection().execute("DELETE FROM step WHERE key = ?1", [key])?;
                }
            }
        }
        Ok(())
    }
}
