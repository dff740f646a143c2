//! Names of images: tags and repository digests.

use rusqlite::{OptionalExtension, params};

use super::Index;
use super::rows::hide;
use crate::digest::Digest;
use crate::error::ImageError;
use crate::reference::ImageReference;

impl Index {
    /// The image that `reference` names; its digest decides where it has one.
    pub(crate) fn named(&self, reference: &ImageReference) -> Result<Option<Digest>, ImageError> {
        self.read("look up a name", |connection| match reference.digest() {
            Some(digest) => connection
                .prepare_cached("SELECT image_id FROM repo_digest WHERE name = ?1 AND digest = ?2")?
                .query_row(params![reference.name(), digest], |row| row.get(0))
                .optional(),
            None => connection
                .prepare_cached("SELECT image_id FROM tag WHERE reference = ?1")?
                .query_row([reference.to_string()], |row| row.get(0))
                .optional(),
        })
    }

    /// The tags of a repository, in canonical form, each with its image.
    pub(crate) fn tags_of(&self, name: &str) -> Result<Vec<(ImageReference, Digest)>, ImageError> {
        let rows: Vec<(String, Digest)> = self.read("list a repository's tags", |connection| {
            connection
                .prepare_cached(
                    "SELECT reference, image_id FROM tag
                     WHERE substr(reference, 1, length(?1) + 1) = ?1 || ':' ORDER BY reference",
                )?
                .query_map([name], |row| Ok((row.get(0)?, row.get(1)?)))?
                .collect()
        })?;
        rows.into_iter().map(|(reference, id)| Ok((reference.parse()?, id))).collect()
    }

    /// Gives the image a tag, taking it from whatever had it; false without such an image.
    pub(crate) fn tag(
        &self,
        image_id: &Digest,
        reference: &ImageReference,
        now_ns: i64,
    ) -> Result<bool, ImageError> {
        self.write("tag an image", |transaction| {
            let found = transaction.execute(
                "UPDATE image SET tagged_at_ns = ?2 WHERE id = ?1 AND NOT hidden",
                params![image_id, now_ns],
            )?;
            if found > 0 {
                transaction.execute(
                    "INSERT OR REPLACE INTO tag VALUES (?1, ?2)",
                    params![reference.to_string(), image_id],
                )?;
            }
            Ok(found > 0)
        })
    }

    /// Takes names away in one transaction: tags in canonical form, and repository digests. In the
    /// same one it hides the image `goes`, if that has no name left; tells whether it did.
    pub(crate) fn untag(
        &self,
        tags: &[String],
        repo_digests: &[(String, Digest)],
        goes: Option<&Digest>,
    ) -> Result<bool, ImageError> {
        self.write("untag an image", |transaction| {
            for tag in tags {
                transaction.execute("DELETE FROM tag WHERE reference = ?1", [tag])?;
            }
            for (name, digest) in repo_digests {
                transaction.execute(
                    "DELETE FROM repo_digest WHERE name = ?1 AND digest = ?2",
                    params![name, digest],
                )?;
            }
            let Some(id) = goes else { return Ok(false) };
            let is_named = transaction.query_row(
                "SELECT EXISTS (SELECT 1 FROM tag WHERE image_id = ?1)
                     OR EXISTS (SELECT 1 FROM repo_digest WHERE image_id = ?1)",
                [id],
                |row| row.get::<_, bool>(0),
            )?;
            if !is_named {
                hide(transaction, id)?;
            }
            Ok(!is_named)
        })
    }
}
