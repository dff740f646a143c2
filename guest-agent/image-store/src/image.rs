//! An image as the store hands it out.

use std::path::PathBuf;

use oci_spec::image::ImageConfiguration;

use crate::digest::Digest;
use crate::platform::Platform;
use crate::reference::ImageReference;

/// One image: its configuration, its names and its layers.
#[derive(Clone, Debug)]
pub struct Image {
    /// The digest of the configuration, which is what Docker calls the image's id.
    pub id: Digest,
    /// The tags that name it, sorted.
    pub tags: Vec<ImageReference>,
    /// The tags that stand for it on its platform, and for another image where nobody asks for
    /// one; sorted.
    pub platform_tags: Vec<ImageReference>,
    /// `name@sha256:…` for every repository it was pulled from, familiar and sorted.
    pub repo_digests: Vec<String>,
    /// The configuration, as OCI types it.
    pub config: ImageConfiguration,
    /// The configuration's very bytes: Docker's additions (`Healthcheck`, `OnBuild`,
    /// `Shell`, …) are only here.
    pub raw_config: Vec<u8>,
    /// Bytes of all files, unpacked.
    pub size: u64,
    /// The digest of the manifest; `None` for an image that came from an archive
    /// without one.
    pub manifest_digest: Option<Digest>,
    /// The layers, bottom first.
    pub layers: Vec<LayerInfo>,
    /// When it was last pulled, loaded or tagged here, in nanoseconds since 1970.
    pub tagged_at_ns: i64,
    /// The image whose container it was made of here, as long as that is there.
    pub parent: Option<Digest>,
}

impl Image {
    /// What it says that it is for.
    pub fn platform(&self) -> Platform {
        Platform::from(&self.config)
    }

    /// All tags that stand for it.
    pub fn all_tags(&self) -> impl Iterator<Item = &ImageReference> {
        self.tags.iter().chain(&self.platform_tags)
    }

    /// Whether no tag stands for it.
    pub fn is_untagged(&self) -> bool {
        self.all_tags().next().is_none()
    }

    /// Whether nothing but its id names it.
    pub fn is_nameless(&self) -> bool {
        self.is_untagged() && self.repo_digests.is_empty()
    }

    /// Whether it is nothing more than what other images' names stand for on its platform.
    pub(crate) fn is_of_others(&self) -> bool {
        !self.platform_tags.is_empty() && self.tags.is_empty() && self.repo_digests.is_empty()
    }
}

/// One layer of an image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LayerInfo {
    /// The digest of the uncompressed tar.
    pub diff_id: Digest,
    /// The digest of this layer on top of those below it (OCI image spec, `ChainID`).
    pub chain_id: Digest,
    /// Bytes of its files, unpacked.
    pub size: u64,
    /// The blob it came in.
    pub blob: Option<LayerBlob>,
    /// The unpacked directory, ready as an overlay `lowerdir`.
    pub path: PathBuf,
}

/// The compressed blob a layer was unpacked from; it is not kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LayerBlob {
    /// The blob's digest.
    pub digest: Digest,
    /// The blob's size in bytes.
    pub size: u64,
    /// The blob's media type.
    pub media_type: String,
}

/// What a pull came to.
#[derive(Clone, Debug)]
pub struct Pulled {
    /// The image.
    pub image: Image,
    /// The digest of what the reference names: an index's where it names an index.
    pub digest: Digest,
    /// Whether the reference named this image before.
    pub up_to_date: bool,
}

/// One image found in a loaded archive.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// The image.
    pub image: Image,
    /// The name it got; an archive may hold images without one.
    pub name: Option<ImageReference>,
}

/// A container that needs an image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InUse {
    /// The container's id.
    pub container_id: String,
    /// Whether it runs; a running one forbids the removal even by force.
    pub running: bool,
}

/// One line of what a removal did.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Removed {
    /// A name was taken away, familiar form.
    Untagged(String),
    /// An image is gone; its id.
    Deleted(String),
    /// A layer is gone; its chain id.
    DeletedLayer(String),
}

/// The chain ids of `diff_ids`, bottom first (OCI image spec, "Layer `ChainID`").
pub(crate) fn chain_ids(diff_ids: &[Digest]) -> Vec<Digest> {
    let mut chain: Vec<Digest> = Vec::with_capacity(diff_ids.len());
    for diff_id in diff_ids {
        let next = match chain.last() {
            Some(below) => Digest::of(format!("{below} {diff_id}").as_bytes()),
            None => diff_id.clone(),
        };
        chain.push(next);
    }
    chain
}
