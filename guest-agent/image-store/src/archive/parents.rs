//! What an archive says of which image was made of which.

use std::collections::HashSet;

use crate::digest::Digest;
use crate::error::ImageError;
use crate::image::{Image, Loaded};
use crate::store::ImageStore;

impl ImageStore {
    /// Remembers which of the `loaded` images were made of which, where that can be so. As with
    /// Docker only parents count that are in the archive, too.
    pub(super) fn link(
        &self,
        loaded: &[Loaded],
        parents: Vec<(Digest, Digest)>,
    ) -> Result<(), ImageError> {
        let ids: HashSet<&Digest> = loaded.iter().map(|loaded| &loaded.image.id).collect();
        for (child, parent) in parents.into_iter().filter(|(_, parent)| ids.contains(parent)) {
            if let (Some(image), Some(base)) = (self.image(&child)?, self.image(&parent)?)
                && stands_on(&image, &base)
            {
                self.index().set_parent(&child, &parent)?;
            }
        }
        Ok(())
    }
}

/// Whether the image is `base` and one step more: what else an archive says is not believed, so
/// that no image is made of itself however far down.
fn stands_on(image: &Image, base: &Image) -> bool {
    fn diff_ids(image: &Image) -> Vec<&Digest> {
        image.layers.iter().map(|layer| &layer.diff_id).collect()
    }
    let (Some(history), Some(below)) = (image.config.history(), base.config.history()) else {
        return false;
    };
    history.len() == below.len() + 1
        && history.starts_with(below)
        && diff_ids(image).starts_with(&diff_ids(base))
}
