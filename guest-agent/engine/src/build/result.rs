//! What comes of a build.

use std::sync::Arc;

use jiff::Timestamp;
use naru_image_store::{Digest, MadeLayer, Platform};

use super::inline;
use super::stage::Stage;
use crate::error::Result;

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
    pub(crate) stages: MadeStages,
}

/// What a result was made by, the target last.
#[derive(Clone, Debug, Default)]
pub(crate) struct MadeStages(pub(super) Vec<Arc<Stage>>);

/// Which steps a cache knows of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CacheMode {
    /// Those that the result has layers of.
    Min,
    /// All that were needed for it.
    Max,
}

impl Built {
    /// The configuration of an image that is a cache of its steps. All its layers are held by this.
    pub(crate) fn cache(&self, mode: CacheMode) -> Result<Vec<u8>> {
        let MadeStages(stages) = &self.stages;
        let stages = match mode {
            CacheMode::Min => &stages[stages.len().saturating_sub(1)..],
            CacheMode::Max => stages,
        };
        inline::cache_document(&self.platform, stages)
    }
}

/// Something that a build was made of.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Material {
    /// Its package URL.
    pub(crate) name: String,
    /// What it was, if that is known.
    pub(crate) digest: Option<Digest>,
}
