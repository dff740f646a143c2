//! Images and what hangs on them, as rows.

use rusqlite::types::{FromSql, FromSqlError, FromSqlResult, ToSql, ToSqlOutput, ValueRef};
use rusqlite::{Connection, OptionalExtension, Row, Transaction, params};

use super::Index;
use super::blobs::put_blob;
use super::names::{hide_nameless, mates};
use crate::digest::Digest;
use crate::error::ImageError;
use crate::image::LayerBlob;
use crate::reference::ImageReference;

impl ToSql for Digest {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(self.as_str().into())
    }
}

impl FromSql for Digest {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        value.as_str()?.parse().map_err(|error| FromSqlError::Other(Box::new(error)))
    }
}

/// An unpacked layer.
#[derive(Clone, Debug)]
pub(crate) struct LayerRow {
    /// The directory's name under `layers/`, in base 36.
    pub(crate) name: u64,
    pub(crate) diff_id: Digest,
    pub(crate) size: u64,
}

impl LayerRow {
    pub(super) fn from_row(row: &Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self { name: row.get(0)?, diff_id: row.get(1)?, size: row.get(2)? })
    }
}

/// An image with everything the index knows of it.
#[derive(Debug)]
pub(crate) struct ImageRow {
    pub(crate) id: Digest,
    pub(crate) config: Vec<u8>,
    pub(crate) manifest_digest: Option<Digest>,
    pub(crate) tagged_at_ns: i64,
    /// Canonical references, sorted.
    pub(crate) tags: Vec<String>,
    /// The same of those that stand for another image where no platform is asked for.
    pub(crate) platform_tags: Vec<String>,
    /// Canonical names and digests, sorted.
    pub(crate) repo_digests: Vec<(String, Digest)>,
    /// Bottom first.
    pub(crate) layers: Vec<(LayerRow, Option<LayerBlob>)>,
    /// The image that it was made of here, as long as that is there.
    pub(crate) parent: Option<Digest>,
}

/// An image to be added, all of whose layers are in the index.
#[derive(Debug)]
pub(crate) struct NewImage {
    pub(crate) id: Digest,
    pub(crate) config: Vec<u8>,
    pub(crate) manifest: Option<NewManifest>,
    pub(crate) layers: Vec<NewLayer>,
    pub(crate) tag: Option<ImageReference>,
    /// Canonical name and the digest it was pulled by.
    pub(crate) repo_digest: Option<(String, Digest)>,
    /// The image that it is made of here.
    pub(crate) parent: Option<Digest>,
}

/// The manifest of a new image.
#[derive(Debug)]
pub(crate) struct NewManifest {
    pub(crate) digest: Digest,
    pub(crate) media_type: String,
    pub(crate) content: Vec<u8>,
}

/// A layer of a new image.
#[derive(Debug)]
pub(crate) struct NewLayer {
    pub(crate) diff_id: Digest,
    pub(crate) blob: Option<LayerBlob>,
}

impl Index {
    /// Adds or renews an image with its names, in one transaction.
    pub(crate) fn put_image(&self, image: &NewImage, now_ns: i64) -> Result<(), ImageError> {
        self.write("add an image", |transaction| {
            if let Some(manifest) = &image.manifest {
                transaction.execute(
                    "INSERT OR IGNORE INTO manifest VALUES (?1, ?2, ?3)",
                    params![manifest.digest, manifest.media_type, manifest.content],
                )?;
            }
            let manifest = image.manifest.as_ref().map(|manifest| &manifest.digest);
            transaction.execute(
                "INSERT INTO image (id, config, manifest_digest, tagged_at_ns, parent)
                 VALUES (?1, ?2, ?3, ?4, (SELECT id FROM image WHERE id = ?5 AND NOT hidden))
                 ON CONFLICT (id) DO UPDATE SET hidden = 0, tagged_at_ns = excluded.tagged_at_ns,
                     manifest_digest = coalesce(excluded.manifest_digest, manifest_digest),
                     parent = coalesce(parent, excluded.parent)",
                params![image.id, image.config, manifest, now_ns, image.parent],
            )?;
            put_layers(transaction, image)?;
            if let Some((name, _)) = &image.repo_digest {
                for layer in &image.layers {
                    if let Some(blob) = &layer.blob {
                        put_blob(transaction, &layer.diff_id, name, blob)?;
                    }
                }
            }
            if let Some(tag) = &image.tag {
                // One that stands for the image already goes on standing for others, too.
                transaction.execute(
                    "INSERT OR REPLACE INTO tag SELECT ?1, ?2 WHERE NOT EXISTS
                     (SELECT 1 FROM named WHERE reference = ?1 AND image_id = ?2)",
                    params![tag.to_string(), image.id],
                )?;
            }
            if let Some((name, digest)) = &image.repo_digest {
                // That of a tag which stands for it beside others is the tag's own image's.
                transaction.execute(
                    "INSERT OR REPLACE INTO repo_digest VALUES (?1, ?2, coalesce(
                         (SELECT tag.image_id FROM tag JOIN tag_platform USING (reference)
                          WHERE reference = ?4 AND tag_platform.image_id = ?3), ?3))",
                    params![name, digest, image.id, image.tag.as_ref().map(ToString::to_string)],
                )?;
            }
            Ok(())
        })
    }

    /// The image, also a hidden one.
    pub(crate) fn image(&self, id: &Digest) -> Result<Option<ImageRow>, ImageError> {
        self.read("read an image", |connection| image(connection, id))
    }

    /// Ids of all images that are not hidden, newest first.
    pub(crate) fn image_ids(&self) -> Result<Vec<Digest>, ImageError> {
        self.ids("SELECT id FROM image WHERE NOT hidden ORDER BY tagged_at_ns DESC, id", [])
    }

    /// Ids of images that were removed while a container needed their layers.
    pub(crate) fn hidden_ids(&self) -> Result<Vec<Digest>, ImageError> {
        self.ids("SELECT id FROM image WHERE hidden", [])
    }

    /// Ids whose hex digits begin with `prefix`, at most two.
    pub(crate) fn ids_by_prefix(&self, prefix: &str) -> Result<Vec<Digest>, ImageError> {
        self.ids(
            "SELECT id FROM image WHERE NOT hidden AND substr(id, 8, length(?1)) = ?1 LIMIT 2",
            [prefix],
        )
    }

    pub(super) fn ids(
        &self,
        query: &str,
        parameters: impl rusqlite::Params,
    ) -> Result<Vec<Digest>, ImageError> {
        self.read("list images", |connection| {
            connection.prepare_cached(query)?.query_map(parameters, |row| row.get(0))?.collect()
        })
    }

    /// Takes the image out of the lists, with its names, and from between its parent and its
    /// children, but keeps its layers. Images that the same names stood for go with it, if they
    /// have no other; gives these.
    pub(crate) fn hide_image(&self, id: &Digest) -> Result<Vec<Digest>, ImageError> {
        self.write("hide an image", |transaction| {
            let mates = mates(transaction, id)?;
            let tags: Vec<String> = transaction
                .prepare_cached("SELECT reference FROM named WHERE image_id = ?1")?
                .query_map([id], |row| row.get(0))?
                .collect::<rusqlite::Result<_>>()?;
            hide(transaction, id)?;
            for (mate, tag) in mates.iter().flat_map(|mate| tags.iter().map(move |tag| (mate, tag)))
            {
                // With an image's last tag go its digests of that repository; by those of others
                // somebody wanted it for itself.
                transaction.execute(
                    "DELETE FROM repo_digest WHERE image_id = ?1
                     AND substr(?2, 1, length(name) + 1) = name || ':'
                     AND NOT EXISTS (SELECT 1 FROM named WHERE image_id = ?1)",
                    params![mate, tag],
                )?;
            }
            hide_nameless(transaction, &mates)
        })
    }

    pub(crate) fn delete_image(&self, id: &Digest) -> Result<(), ImageError> {
        self.write("delete an image", |transaction| {
            transaction.execute("DELETE FROM image WHERE id = ?1", [id])?;
            transaction.execute(
                "DELETE FROM manifest WHERE digest NOT IN
                 (SELECT manifest_digest FROM image WHERE manifest_digest IS NOT NULL)",
                [],
            )?;
            Ok(())
        })
    }
}

/// Hides one image; see [`Index::hide_image`].
pub(super) fn hide(transaction: &Transaction<'_>, id: &Digest) -> rusqlite::Result<()> {
    transaction.execute(
        "DELETE FROM tag WHERE reference IN (SELECT reference FROM named WHERE image_id = ?1)",
        [id],
    )?;
    transaction.execute("DELETE FROM repo_digest WHERE image_id = ?1", [id])?;
    transaction.execute("UPDATE image SET parent = NULL WHERE parent = ?1", [id])?;
    transaction.execute("UPDATE image SET hidden = 1, parent = NULL WHERE id = ?1", [id])?;
    Ok(())
}

fn put_layers(transaction: &Transaction<'_>, image: &NewImage) -> rusqlite::Result<()> {
    let mut insert = transaction.prepare_cached(
        "INSERT INTO image_layer VALUES (?1, ?2, ?3, ?4, ?5, ?6)
         ON CONFLICT (image_id, position) DO UPDATE SET
             blob_digest = coalesce(excluded.blob_digest, blob_digest),
             blob_size = coalesce(excluded.blob_size, blob_size),
             blob_media_type = coalesce(excluded.blob_media_type, blob_media_type)",
    )?;
    for (position, layer) in image.layers.iter().enumerate() {
        let blob = layer.blob.as_ref();
        insert.execute(params![
            image.id,
            position,
            layer.diff_id,
            blob.map(|blob| &blob.digest),
            blob.map(|blob| blob.size),
            blob.map(|blob| &blob.media_type),
        ])?;
    }
    Ok(())
}

fn image(connection: &Connection, id: &Digest) -> rusqlite::Result<Option<ImageRow>> {
    let row = connection
        .prepare_cached(
            "SELECT id, config, manifest_digest, tagged_at_ns, parent FROM image WHERE id = ?1",
        )?
        .query_row([id], |row| {
            Ok(ImageRow {
                id: row.get(0)?,
                config: row.get(1)?,
                manifest_digest: row.get(2)?,
                tagged_at_ns: row.get(3)?,
                parent: row.get(4)?,
                tags: Vec::new(),
                platform_tags: Vec::new(),
                repo_digests: Vec::new(),
                layers: Vec::new(),
            })
        })
        .optional()?;
    let Some(mut image) = row else { return Ok(None) };
    image.tags = connection
        .prepare_cached("SELECT reference FROM tag WHERE image_id = ?1 ORDER BY reference")?
        .query_map([id], |row| row.get(0))?
        .collect::<rusqlite::Result<_>>()?;
    image.platform_tags = connection
        .prepare_cached(
            "SELECT reference FROM tag_platform WHERE image_id = ?1 ORDER BY reference",
        )?
        .query_map([id], |row| row.get(0))?
        .collect::<rusqlite::Result<_>>()?;
    image.repo_digests = connection
        .prepare_cached(
            "SELECT name, digest FROM repo_digest WHERE image_id = ?1 ORDER BY name, digest",
        )?
        .query_map([id], |row| Ok((row.get(0)?, row.get(1)?)))?
        .collect::<rusqlite::Result<_>>()?;
    image.layers = connection
        .prepare_cached(
            "SELECT name, layer.diff_id, size, blob_digest, blob_size, blob_media_type
             FROM image_layer JOIN layer USING (diff_id)
             WHERE image_id = ?1 ORDER BY position",
        )?
        .query_map([id], |row| Ok((LayerRow::from_row(row)?, blob(row)?)))?
        .collect::<rusqlite::Result<_>>()?;
    Ok(Some(image))
}

fn blob(row: &Row<'_>) -> rusqlite::Result<Option<LayerBlob>> {
    let Some(digest) = row.get(3)? else { return Ok(None) };
    Ok(Some(LayerBlob { digest, size: row.get(4)?, media_type: row.get(5)? }))
}
