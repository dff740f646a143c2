//! What comes of a build.

use std::sync::Arc;

use naru_image_store::{MadeLayer, Platform};

/// An image that is not in the store yet. Its layers stay while this lives.
#[derive(Clone, Debug)]
pub(crate) struct Built {
    /// What it is for.
    pub(crate) platform: Platform,
    /// The configuration's bytes, whose digest is the image's id.
    pub(crate) config: Vec<u8>,
    /// Its layers, bottom first.
    pub(crate) layers: Vec<Arc<MadeLayer>>,
}
