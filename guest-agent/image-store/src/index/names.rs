//! Names of images: tags and repository digests.

use rusqlite::{Connection, OptionalExtension, Transaction, params};

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

    /// All images that a tag stands for, its own first.
    pub(crate) fn members(&self, reference: &ImageReference) -> Result<Vec<Digest>, ImageError> {
        self.ids(
            "SELECT image_id FROM named WHERE reference = ?1 ORDER BY place",
            [reference.to_string()],
        )
    }

    /// The other images that the tags of an image stand for.
    pub(crate) fn mates(&self, id: &Digest) -> Result<Vec<Digest>, ImageError> {
        self.read("look up an image's names", |connection| mates(connection, id))
    }

    /// Gives the images a tag, taking it from whatever had it; false without one of them. It is
    /// the first one's where nobody asks for a platform.
    pub(crate) fn tag(
        &self,
        image_ids: &[Digest],
        reference: &ImageReference,
        now_ns: i64,
    ) -> Result<bool, ImageError> {
        self.write("tag an image", |transaction| {
            for id in image_ids {
                let is_there = transaction.query_row(
                    "SELECT EXISTS (SELECT 1 FROM image WHERE id = ?1 AND NOT hidden)",
                    [id],
                    |row| row.get::<_, bool>(0),
                )?;
                if !is_there {
                    return Ok(false);
                }
            }
            let Some((first, others)) = image_ids.split_first() else { return Ok(false) };
            for id in image_ids {
                transaction.execute(
                    "UPDATE image SET tagged_at_ns = ?2 WHERE id = ?1",
                    params![id, now_ns],
                )?;
            }
            let reference = reference.to_string();
            transaction
                .execute("INSERT OR REPLACE INTO tag VALUES (?1, ?2)", params![reference, first])?;
            for other in others.iter().filter(|other| *other != first) {
                transaction.execute(
                    "INSERT OR IGNORE INTO tag_platform VALUES (?1, ?2)",
                    params![reference, other],
                )?;
            }
            Ok(true)
        })
    }

    /// Takes names away in one transaction: tags in canonical form, and repository digests. In the
    /// same one it hides those of the images `going` that have no name left; gives these.
    pub(crate) fn untag(
        &self,
        tags: &[String],
        repo_digests: &[(String, Digest)],
        going: &[Digest],
    ) -> Result<Vec<Digest>, ImageError> {
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
            hide_nameless(transaction, going)
        })
    }
}

/// See [`Index::mates`].
pub(super) fn mates(connection: &Connection, id: &Digest) -> rusqlite::Result<Vec<Digest>> {
    connection
        .prepare_cached(
            "SELECT DISTINCT image_id FROM named WHERE image_id <> ?1
             AND reference IN (SELECT reference FROM named WHERE image_id = ?1)",
        )?
        .query_map([id], |row| row.get(0))?
        .collect()
}

/// Hides those of the images that have no name; gives them.
pub(super) fn hide_nameless(
    transaction: &Transaction<'_>,
    going: &[Digest],
) -> rusqlite::Result<Vec<Digest>> {
    let mut hidden = Vec::new();
    for id in going {
        let is_named = transaction.query_row(
            "SELECT EXISTS (SELECT 1 FROM named WHERE image_id = ?1)
                 OR EXISTS (SELECT 1 FROM repo_digest WHERE image_id = ?1)",
            [id],
            |row| row.get::<_, bool>(0),
        )?;
        if !is_named {
            hide(transaction, id)?;
            hidden.push(id.clone());
        }
    }
    Ok(hidden)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::index::NewImage;

    fn put(index: &Index, content: &str, repo_digest: Option<(&str, &Digest)>) -> Digest {
        let id = Digest::of(content.as_bytes());
        let image = NewImage {
            id: id.clone(),
            config: content.as_bytes().to_vec(),
            manifest: None,
            layers: Vec::new(),
            tag: None,
            repo_digest: repo_digest.map(|(name, digest)| (name.to_owned(), digest.clone())),
            parent: None,
        };
        index.put_image(&image, 0).unwrap();
        id
    }

    #[test]
    fn who_was_pulled_by_a_digest_elsewhere_stays_when_a_name_of_several_goes() {
        const ONE: &str = "docker.io/library/one";
        const TWO: &str = "docker.io/library/two";
        let directory = tempfile::tempdir().unwrap();
        let index = Index::open(&directory.path().join("index.db")).unwrap();
        let pinned = Digest::of(b"a manifest");
        let own = put(&index, "own", None);
        // The digest of the name that goes is nobody's wish.
        let here = put(&index, "here", Some((ONE, &pinned)));
        let elsewhere = put(&index, "elsewhere", Some((TWO, &pinned)));
        let name: ImageReference = "one:1".parse().unwrap();
        assert!(index.tag(&[own.clone(), here.clone(), elsewhere.clone()], &name, 0).unwrap());
        assert_eq!(index.hide_image(&own).unwrap(), [here]);
        assert_eq!(index.image_ids().unwrap(), std::slice::from_ref(&elsewhere));
        let kept = index.image(&elsewhere).unwrap().unwrap();
        assert_eq!(kept.repo_digests, [(TWO.to_owned(), pinned)]);
    }
}
