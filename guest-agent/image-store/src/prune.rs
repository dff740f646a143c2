//! Removing all images that are wanted gone and that nothing needs.

use std::collections::{HashMap, HashSet};

use crate::digest::Digest;
use crate::error::ImageError;
use crate::image::{Image, Removed};
use crate::reference::ImageReference;
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

/// What is to become of all images.
#[derive(Debug, Default)]
struct Sorted {
    /// What is to go, each before the image that it was made of.
    gone: Vec<Image>,
    /// What is to lose its names only, because of images made of it that stay, or because other
    /// images' names stand for it, with which it goes.
    unnamed: Vec<Image>,
    kept: Vec<Image>,
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
        let sorted = self.sort(wanted, users)?;
        // First, for what they lose their names to may go, too.
        for image in sorted.unnamed {
            if self.user_of(&image.id, users)?.is_none() {
                let removed = self.untag_all(&image)?;
                pruned.images.push((image.id, removed));
            }
        }
        for image in sorted.gone {
            // Asked again for each: a container or a child may have come.
            if self.user_of(&image.id, users)?.is_some() || self.index().has_children(&image.id)? {
                continue;
            }
            let mut removed = Vec::new();
            pruned.reclaimed += self.delete(&image.id, users, &mut removed).await?;
            pruned.images.push((image.id, removed));
        }
        self.delete_hidden(users)?;
        let rest = self.collect_layers().await?;
        pruned.reclaimed += rest.iter().map(|layer| layer.size).sum::<u64>();
        pruned.reclaimed += self.forget_partials().await?;
        Ok(pruned)
    }

    /// What [`Self::prune`] would do now. Nothing is changed.
    pub fn plan_prune(
        &self,
        wanted: Wanted<'_>,
        users: Users<'_>,
    ) -> Result<PrunePlan, ImageError> {
        let Sorted { gone, unnamed, kept } = self.sort(wanted, users)?;
        // What is there for other platforms stays with the names.
        let tags: HashSet<&ImageReference> = kept.iter().flat_map(|image| &image.tags).collect();
        let mut others = self.all()?;
        others.retain(|image| image.platform_tags.iter().any(|tag| tags.contains(tag)));
        let needed = kept.iter().chain(&unnamed).chain(&others).flat_map(|image| &image.layers);
        let mut needed: HashSet<Digest> = needed.map(|layer| layer.diff_id.clone()).collect();
        for id in self.index().hidden_ids()? {
            if users(&id).is_some()
                && let Some(image) = self.image(&id)?
            {
                needed.extend(image.layers.into_iter().map(|layer| layer.diff_id));
            }
        }
        let layers = self.index().all_layers()?.into_iter();
        let unneeded = layers.filter(|layer| {
            !needed.contains(&layer.diff_id) && !self.layer_store().is_pinned(&layer.diff_id)
        });
        let partials = self.partials().idle_bytes()?;
        let reclaimed = unneeded.map(|layer| layer.size).sum::<u64>() + partials;
        Ok(PrunePlan { images: gone, reclaimed })
    }

    /// By Docker's rules. An image that others were made of goes after them; without a name it
    /// goes with the last of them, wanted or not.
    fn sort(&self, wanted: Wanted<'_>, users: Users<'_>) -> Result<Sorted, ImageError> {
        let mut left = self.list()?;
        let mut children: HashMap<Digest, usize> = HashMap::new();
        for parent in self.parents()?.into_values() {
            *children.entry(parent).or_default() += 1;
        }
        let is_parent: HashSet<Digest> = children.keys().cloned().collect();
        let mut used = HashSet::new();
        for image in &left {
            if self.user_of(&image.id, users)?.is_some() {
                used.insert(image.id.clone());
            }
        }
        let goes = |image: &Image| {
            !used.contains(&image.id)
                && (wanted(image) || (image.is_nameless() && is_parent.contains(&image.id)))
        };
        let mut gone: Vec<Image> = Vec::new();
        loop {
            let has_children = |id: &Digest| children.get(id).is_some_and(|count| *count > 0);
            let (going, staying): (Vec<_>, Vec<_>) = left.into_iter().partition(|image| {
                !has_children(&image.id) && image.platform_tags.is_empty() && goes(image)
            });
            left = staying;
            if going.is_empty() {
                break;
            }
            for parent in going.iter().filter_map(|image| image.parent.as_ref()) {
                if let Some(count) = children.get_mut(parent) {
                    *count -= 1;
                }
            }
            gone.extend(going);
        }
        let (unnamed, kept) =
            left.into_iter().partition(|image| !image.tags.is_empty() && goes(image));
        Ok(Sorted { gone, unnamed, kept })
    }
}
