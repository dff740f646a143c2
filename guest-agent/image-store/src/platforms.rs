//! Names that stand for several images, each for another platform.
//!
//! ```text
//! tag ─┬─► image               what it is where nobody asks for a platform: this machine's own
//!      ├─► image ┐             if that is among them
//!      └─► image ┴ tag_platform: the others
//! ```
//!
//! They come with the name and go with it, unless another name keeps them. As with Docker they are
//! one to whoever lists, pushes, saves and removes, and told apart by who asks for a platform.

use crate::digest::Digest;
use crate::error::ImageError;
use crate::image::{Image, InUse};
use crate::platform::Platform;
use crate::reference::ImageReference;
use crate::remove::Users;
use crate::store::{ImageStore, now_ns};

impl ImageStore {
    /// Gives the image another name, which it takes away from whatever had it.
    pub fn tag(&self, image_id: &Digest, target: &ImageReference) -> Result<(), ImageError> {
        self.tag_all(std::slice::from_ref(image_id), target)
    }

    /// Gives images of several platforms one more name, which they take away from whatever had
    /// it. The first one is what it stands for where nobody asks for a platform.
    pub fn tag_all(&self, ids: &[Digest], target: &ImageReference) -> Result<(), ImageError> {
        if self.index().tag(ids, target, now_ns())? {
            return Ok(());
        }
        let names: Vec<String> = ids.iter().map(ToString::to_string).collect();
        Err(ImageError::NotFound { name: names.join(", ") })
    }

    /// All images that `name` means, as [`Self::resolve`] understands it, which is never nothing;
    /// that which it means where nobody asks for a platform comes first.
    pub fn members(&self, name: &str) -> Result<Vec<Image>, ImageError> {
        let image = self.resolve(name)?;
        let Some(tag) = image.tags.iter().find(|tag| is_tag(tag, name)) else {
            return Ok(vec![image]);
        };
        self.members_of(tag)
    }

    /// All images that a tag stands for, its own first; never nothing.
    pub(crate) fn members_of(&self, tag: &ImageReference) -> Result<Vec<Image>, ImageError> {
        let members = self.index().members(tag)?;
        let members: Vec<Image> =
            members.iter().filter_map(|id| self.image(id).transpose()).collect::<Result<_, _>>()?;
        match members.as_slice() {
            // It was taken away since somebody found it.
            [] => Err(ImageError::NotFound { name: tag.familiar() }),
            _ => Ok(members),
        }
    }

    /// The image that `name` means for `platform`, or whatever else it means if it means none for
    /// that.
    pub fn resolve_for(&self, name: &str, platform: &Platform) -> Result<Image, ImageError> {
        let mut members = self.members(name)?;
        let rank = |image: &Image| platform.rank(&image.platform()).unwrap_or(u32::MAX);
        // The first of those that serve equally well.
        let best = members.iter().enumerate().min_by_key(|(_, image)| rank(image));
        Ok(members.swap_remove(best.map_or(0, |(position, _)| position)))
    }

    /// What each image that [`Self::list`] has runs on, its own platform first, behind it those of
    /// the others that its names stand for.
    pub fn platforms(&self) -> Result<Vec<(Digest, Vec<Platform>)>, ImageError> {
        let all = self.all()?;
        let listed = all.iter().filter(|image| !image.is_of_others());
        let with_others = listed.map(|image| {
            let others = all.iter().filter(|other| {
                other.id != image.id
                    && other.platform_tags.iter().any(|tag| image.tags.contains(tag))
            });
            let images = std::iter::once(image).chain(others);
            (image.id.clone(), images.map(Image::platform).collect())
        });
        Ok(with_others.collect())
    }

    /// Whether `name` still means the image `id`, perhaps for a certain platform only.
    pub fn means(&self, name: &str, id: &str) -> Result<bool, ImageError> {
        // Asked for each container of a list: most have what everybody gets.
        Ok(self.resolve(name)?.id.as_str() == id
            || self.members(name)?.iter().any(|image| image.id.as_str() == id))
    }

    /// Who needs an image, or another one that the same names stand for; one that runs if there
    /// is any.
    pub(crate) fn user_of(
        &self,
        id: &Digest,
        users: Users<'_>,
    ) -> Result<Option<InUse>, ImageError> {
        let mates = self.index().mates(id)?;
        let users = std::iter::once(id).chain(&mates).filter_map(users);
        Ok(users.max_by_key(|user| user.running))
    }
}

fn is_tag(tag: &ImageReference, name: &str) -> bool {
    name.parse::<ImageReference>().is_ok_and(|name| name == *tag)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::registry::RegistryConfig;

    #[tokio::test]
    async fn a_tag_that_was_taken_away_meanwhile_stands_for_no_image_at_all() {
        let directory = tempfile::tempdir().unwrap();
        let store = ImageStore::open(directory.path(), RegistryConfig::default()).await.unwrap();
        let gone = store.members_of(&"app:1".parse().unwrap()).unwrap_err();
        assert!(matches!(gone, ImageError::NotFound { name } if name == "app:1"));
    }
}
