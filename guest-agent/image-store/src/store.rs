//! The store's front door.

use std::collections::HashMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use oci_spec::image::ImageConfiguration;

use crate::config::CheckedConfig;
use crate::digest::Digest;
use crate::door::Door;
use crate::error::ImageError;
use crate::holds::Holds;
use crate::image::{Image, LayerInfo, chain_ids};
use crate::index::{ImageRow, Index, NewImage};
use crate::ingest::Target;
use crate::layers::Layers;
use crate::partial::Partials;
use crate::record::LayerArchive;
use crate::reference::ImageReference;
use crate::registry::{Connector, RegistryConfig};

const INDEX: &str = "index.db";

/// All images of one engine, under one directory. Clones share everything.
///
/// Methods that are not `async` make one small query or transaction and may be called from
/// a task.
#[derive(Clone, Debug)]
pub struct ImageStore {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    index: Arc<Index>,
    layers: Arc<Layers>,
    partials: Arc<Partials>,
    connector: Connector,
    holds: Arc<Holds>,
    door: Door,
    /// For work that waits for a network, so that it never keeps local work waiting.
    intake: Door,
}

impl ImageStore {
    /// Opens the store at `root`, made if missing, and sweeps what a crash left half-done.
    /// Only one store may have a `root` open; the engine's lock sees to that.
    pub async fn open(root: &Path, config: RegistryConfig) -> Result<Self, ImageError> {
        let root = root.to_owned();
        let door = Door::new();
        let (index, layers, partials) = door
            .run("opening the image store", move || {
                fs::create_dir_all(&root).map_err(ImageError::io("create", &root))?;
                // Files in layers keep their owners and set-id bits: nobody else may
                // come near them.
                fs::set_permissions(&root, fs::Permissions::from_mode(0o700))
                    .map_err(ImageError::io("protect", &root))?;
                let index = Index::open(&root.join(INDEX))?;
                let layers = Layers::open(&root, &index)?;
                let partials = Partials::open(&root)?;
                Ok((Arc::new(index), Arc::new(layers), Arc::new(partials)))
            })
            .await?;
        let connector = Connector::new(config);
        Ok(Self {
            shared: Arc::new(Shared {
                index,
                layers,
                partials,
                connector,
                holds: Arc::default(),
                door,
                intake: Door::new(),
            }),
        })
    }

    /// All images, newest first, but those that are there for other platforms of the names of
    /// these only.
    pub fn list(&self) -> Result<Vec<Image>, ImageError> {
        let mut images = self.all()?;
        images.retain(|image| !image.is_of_others());
        Ok(images)
    }

    /// All images, newest first.
    pub fn all(&self) -> Result<Vec<Image>, ImageError> {
        let ids = self.index().image_ids()?;
        let images = ids.iter().map(|id| self.image(id));
        // One that was removed between the two queries is just not listed.
        images.filter_map(Result::transpose).collect()
    }

    /// The image that `name` means: a reference, an id with or without `sha256:`, or a
    /// unique prefix of an id.
    pub fn resolve(&self, name: &str) -> Result<Image, ImageError> {
        self.find(name)?.ok_or_else(|| ImageError::NotFound { name: name_shown(name) })
    }

    fn find(&self, name: &str) -> Result<Option<Image>, ImageError> {
        let prefix = name.strip_prefix("sha256:").unwrap_or(name);
        let is_hex = !prefix.is_empty()
            && prefix.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        if prefix.len() == 64 && is_hex {
            return match self.index().ids_by_prefix(prefix)?.first() {
                Some(id) => self.image(id),
                None => Ok(None),
            };
        }
        let reference = name.parse::<ImageReference>();
        if let Ok(reference) = &reference
            && let Some(id) = self.index().named(reference)?
        {
            return self.image(&id);
        }
        if is_hex {
            match self.index().ids_by_prefix(prefix)?.as_slice() {
                [] => {}
                [id] => return self.image(id),
                _ => return Err(ImageError::AmbiguousId { prefix: prefix.to_owned() }),
            }
        }
        reference?;
        Ok(None)
    }

    /// Each image that was made here of another one which is still there, with that one's id.
    pub fn parents(&self) -> Result<HashMap<Digest, Digest>, ImageError> {
        self.index().parents()
    }

    /// The image, the one that it was made of here, and so on, as far as they are still there; no
    /// more than its history has entries.
    pub fn lineage(&self, image: Image) -> Result<Vec<Image>, ImageError> {
        let entries = image.config.history().iter().flatten().count();
        let mut lineage = vec![image];
        while lineage.len() < entries
            && let Some(parent) = lineage.last().and_then(|image| image.parent.clone())
            && let Some(parent) = self.image(&parent)?
        {
            lineage.push(parent);
        }
        Ok(lineage)
    }

    /// The image's layer directories, bottom first. Works for an image that was removed by
    /// force, too, as long as a container needs it.
    pub fn layers(&self, image_id: &Digest) -> Result<Vec<PathBuf>, ImageError> {
        let image = self
            .image(image_id)?
            .ok_or_else(|| ImageError::NotFound { name: image_id.to_string() })?;
        Ok(image.layers.into_iter().map(|layer| layer.path).collect())
    }

    /// The tar of a layer, as it came, from what was unpacked of it. Reading it blocks.
    pub fn layer_archive(&self, diff_id: &Digest) -> Result<LayerArchive, ImageError> {
        self.layer_store().archive(diff_id, self.index())
    }

    /// Refuses what is so large, where there is no room for it.
    pub fn check_room(&self, bytes: u64) -> Result<(), ImageError> {
        self.layer_store().check_space(bytes)
    }

    /// Whether the layer need not be fetched.
    pub(crate) fn has_layer(&self, diff_id: &Digest) -> Result<bool, ImageError> {
        self.layer_store().has(diff_id, self.index())
    }

    /// The image of that id, also one that was removed by force while a container needs it.
    pub fn image(&self, id: &Digest) -> Result<Option<Image>, ImageError> {
        let row = self.index().image(id)?;
        row.map(|row| self.image_from(row)).transpose()
    }

    /// Writes a complete image down; it exists from here on.
    pub(crate) async fn commit_image(&self, image: NewImage) -> Result<Image, ImageError> {
        let store = self.clone();
        self.door()
            .run("adding an image", move || {
                store.index().put_image(&image, now_ns())?;
                let found = store.image(&image.id)?;
                found.ok_or_else(|| ImageError::NotFound { name: image.id.to_string() })
            })
            .await
    }

    fn image_from(&self, row: ImageRow) -> Result<Image, ImageError> {
        let config = ImageConfiguration::from_reader(row.config.as_slice()).map_err(|error| {
            ImageError::Config { digest: row.id.clone(), reason: naru_error::chain(&error) }
        })?;
        let diff_ids: Vec<Digest> =
            row.layers.iter().map(|(layer, _)| layer.diff_id.clone()).collect();
        let layers: Vec<LayerInfo> = row
            .layers
            .into_iter()
            .zip(chain_ids(&diff_ids))
            .map(|((layer, blob), chain_id)| LayerInfo {
                path: self.layer_store().path(&layer),
                diff_id: layer.diff_id,
                chain_id,
                size: layer.size,
                blob,
            })
            .collect();
        let tags = |tags: &[String]| -> Result<Vec<ImageReference>, ImageError> {
            tags.iter().map(|tag| Ok(tag.parse()?)).collect()
        };
        let repo_digests = row
            .repo_digests
            .iter()
            .map(|(name, digest)| {
                Ok(format!("{name}@{digest}").parse::<ImageReference>()?.familiar())
            })
            .collect::<Result<_, ImageError>>()?;
        Ok(Image {
            id: row.id,
            tags: tags(&row.tags)?,
            platform_tags: tags(&row.platform_tags)?,
            repo_digests,
            config,
            raw_config: row.config,
            size: layers.iter().map(|layer| layer.size).sum(),
            manifest_digest: row.manifest_digest,
            layers,
            tagged_at_ns: row.tagged_at_ns,
            parent: row.parent,
        })
    }

    /// The image that a configuration describes, of layers that are here.
    pub(crate) fn described(&self, config: Vec<u8>) -> Result<Image, ImageError> {
        let checked = CheckedConfig::parse(&config)?;
        let layers = checked.diff_ids.iter().map(|diff_id| {
            let row = self.index().layer(diff_id)?;
            let row = row.ok_or_else(|| ImageError::NotFound { name: diff_id.to_string() })?;
            Ok((row, None))
        });
        self.image_from(ImageRow {
            layers: layers.collect::<Result<_, ImageError>>()?,
            id: checked.id,
            config,
            tags: Vec::new(),
            platform_tags: Vec::new(),
            repo_digests: Vec::new(),
            manifest_digest: None,
            tagged_at_ns: 0,
            parent: None,
        })
    }

    pub(crate) fn index(&self) -> &Index {
        &self.shared.index
    }

    pub(crate) fn layer_store(&self) -> &Arc<Layers> {
        &self.shared.layers
    }

    pub(crate) fn partials(&self) -> &Arc<Partials> {
        &self.shared.partials
    }

    /// Deletes the parts of blobs that nobody fetches just now; gives their bytes.
    pub(crate) async fn forget_partials(&self) -> Result<u64, ImageError> {
        let partials = Arc::clone(&self.shared.partials);
        self.door().run("deleting parts of layers", move || partials.forget_idle()).await
    }

    /// The same of all parts, also of those that come just now: the disk is full.
    pub(crate) async fn give_up_partials(&self) -> Result<(), ImageError> {
        let partials = Arc::clone(&self.shared.partials);
        self.door().run("deleting parts of layers", move || partials.forget_all()).await
    }

    pub(crate) fn connector(&self) -> &Connector {
        &self.shared.connector
    }

    pub(crate) fn holds(&self) -> &Arc<Holds> {
        &self.shared.holds
    }

    pub(crate) fn door(&self) -> &Door {
        &self.shared.door
    }

    pub(crate) fn intake(&self) -> &Door {
        &self.shared.intake
    }

    pub(crate) fn target(&self) -> Target {
        let (layers, index) = (Arc::clone(&self.shared.layers), Arc::clone(&self.shared.index));
        Target { layers, index }
    }
}

pub(crate) fn now_ns() -> i64 {
    i64::try_from(jiff::Timestamp::now().as_nanosecond()).unwrap_or(i64::MAX)
}

/// A name as Docker repeats it when there is no such image: with its tag.
fn name_shown(name: &str) -> String {
    match name.parse::<ImageReference>() {
        Ok(reference) => reference.familiar(),
        Err(_) => name.to_owned(),
    }
}
