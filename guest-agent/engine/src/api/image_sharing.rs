//! What images have in common.

use std::collections::HashMap;

use naru_image_store::{Digest, Image, LayerInfo};

/// How many of some images stand on each layer.
#[derive(Debug)]
pub(super) struct Sharing<'a>(HashMap<&'a Digest, usize>);

impl<'a> Sharing<'a> {
    pub(super) fn among(images: impl IntoIterator<Item = &'a Image>) -> Self {
        let mut users: HashMap<&Digest, usize> = HashMap::new();
        for layer in images.into_iter().flat_map(|image| &image.layers) {
            *users.entry(&layer.diff_id).or_default() += 1;
        }
        Self(users)
    }

    /// Bytes of the image's layers that another one has, too.
    pub(super) fn shared_size(&self, image: &Image) -> u64 {
        let is_shared =
            |layer: &&LayerInfo| self.0.get(&layer.diff_id).is_some_and(|count| *count > 1);
        image.layers.iter().filter(is_shared).map(|layer| layer.size).sum()
    }
}
