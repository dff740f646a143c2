//! What comes of a build.

use std::sync::Arc;

use jiff::Timestamp;
use naru_image_store::{Digest, MadeLayer, Platform};

/// An image that is not in the store yet. Its layers stay while this lives.
#[derive(Clone, Debug)]
pub(crate) struct Built {
    /// What it is for.
    pub(crate) platform: Platform,
    /// The configuration's bytes, whose digest is the image's id.
    pub(crate) config: Vec<u8>,
    /// Its layers, bottom first.
    pub(crate) layers: Vec<Arc<MadeLayer>>,
    /// The images that something of it came of, in the order of their names.
    pub(crate) materials: Vec<Material>,
    /// When the build began.
    pub(crate) began: Timestamp,
}

/// Something that a build was made of.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Material {
    /// Its package URL.
    pub(crate) name: String,
    /// What it was, if that is known.
    pub(crate) digest: Option<Digest>,
}
