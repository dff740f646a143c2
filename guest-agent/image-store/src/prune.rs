//! Removing all images that are wanted gone and that nothing needs.

use std::collections::HashSet;

use crate::digest::Digest;
use crate::error::ImageError;
use crate::image::{Image, Removed};
use crate::remove::Users;
use crate::store::ImageStore;

/// Says whether an image is to go, if nothing needs it.
pub type Wanted<'a> = &'a (dyn Fn(&Image) -> bool + Send + Sync);

/// What a prune has removed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PrunedImages {
    /// The images' ids, and what went with each.
    pub images: Vec<(Digest, Vec<Removed>)>,
    /// Bytes of the layers that are gone.
    pub reclaimed: u64,
}

/// What a prune would remove.
#[derive(Clone, Debug)]
pub struct PrunePlan {
    /// The images.
    pub images: Vec<Image>,
    /// Bytes of the layers that would go: those which no other image has.
    pub reclaimed: u64,
}

impl ImageStore {
    /// Deletes the images that are `wanted` gone and that no container needs, and layers that
    /// nothing needs. What a pull counts on stays.
    pub async fn prune(
        &self,
        wanted: Wanted<'_>,
        users: Users<'_>,
    ) -> Result<PrunedImages, ImageError> {
        let mut pruned = PrunedImages::default();
        for image in self.list()? {
            // Asked again for each: a container may have come.
            if users(&image.id).is_some() || !wanted(&image) {
                continue;
            }
            let mut removed = Vec::new();
            pruned.reclaimed += self.delete(&image.id, users, &mut removed).await?;
            pruned.images.push((image.id, removed));
        }
        self.delete_hidden(users)?;
        let rest = self.collect_layers().await?;
        pruned.reclaimed += rest.iter().map(|layer| layer.size).sum::<u64>();
        Ok(pruned)
    }

    /// What [`Self::prune`] would do now. Nothing is changed.
    pub fn plan_prune(
        &self,
        wanted: Wanted<'_>,
        users: Users<'_>,
    ) -> Result<PrunePlan, ImageError> {
        let (mut images, mut needed) = (Vec::new(), HashSet::new());
        for image in self.list()? {
            if users(&image.id).is_none() && wanted(&image) {
                images.push(image);
            } else {
                needed.extend(image.layers.into_iter().map(|layer| layer.diff_id));
            }
        }
        for id in self.index().hidden_ids()? {
            if users(&id).is_some()
                && let Some(image) = self.image(&id)?
            {
                needed.extend(image.layers.into_iter().map(|layer| layer.diff_id));
            }
        }
        let layers = self.index().all_layers()?.into_iter();
        let gone = layers.filter(|layer| {
            !needed.contains(&layer.diff_id) && !self.layer_store().is_pinned(&layer.diff_id)
        });
        Ok(PrunePlan { images, reclaimed: gone.map(|layer| layer.size).sum() })
    }
}
