//! Removal by Docker's rules.
//!
//! The rules are those of dockerd's classic image store: a name is taken away first; the
//! image goes with its last name, unless a container needs it. What containers need is told
//! by a closure, so that the store knows nothing of them.

use crate::digest::Digest;
use crate::error::ImageError;
use crate::image::{Image, InUse, Removed};
use crate::index::LayerRow;
use crate::reference::ImageReference;
use crate::store::ImageStore;

/// Says which container needs an image; a running one is to be preferred.
pub type Users<'a> = &'a (dyn Fn(&Digest) -> Option<InUse> + Send + Sync);

/// Docker's short container ids.
const SHORT_ID: usize = 12;

/// Why an image may not be removed; the words are Docker's.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RemoveConflict {
    /// It is the last name of an image that a container uses.
    #[error(
        "conflict: unable to remove repository reference \"{reference}\" (must force) - \
         container {container} is using its referenced image {image}"
    )]
    ReferenceInUse {
        /// The familiar reference, with a tag only if the client named one.
        reference: String,
        /// The container's short id.
        container: String,
        /// The image's short id.
        image: String,
    },
    /// A running container uses it.
    #[error(
        "conflict: unable to delete {image} (cannot be forced) - \
         image is being used by running container {container}"
    )]
    Running {
        /// The image's short id.
        image: String,
        /// The container's short id.
        container: String,
    },
    /// A stopped container uses it.
    #[error(
        "conflict: unable to delete {image} (must be forced) - \
         image is being used by stopped container {container}"
    )]
    Stopped {
        /// The image's short id.
        image: String,
        /// The container's short id.
        container: String,
    },
    /// Other images were made of it here.
    #[error(
        "conflict: unable to delete {image} (cannot be forced) - \
         image has dependent child images"
    )]
    HasChildren {
        /// The image's short id.
        image: String,
    },
    /// It has several names.
    #[error(
        "conflict: unable to delete {image} (must be forced) - \
         image is referenced in multiple repositories"
    )]
    ManyReferences {
        /// The image's short id.
        image: String,
    },
}

/// How an image is removed.
#[derive(Clone, Copy, Debug, Default)]
pub struct Removal {
    /// Overrides everything but a running container and images that were made of it.
    pub force: bool,
    /// Leaves the images that it was made of, even if nothing else has them.
    pub keep_parents: bool,
}

impl ImageStore {
    /// Removes a name, and the image with its last one.
    ///
    /// An image that a stopped container needs disappears from the lists, but its layers stay
    /// until the container is gone and something is removed or pruned.
    pub async fn remove(
        &self,
        name: &str,
        removal: Removal,
        users: Users<'_>,
    ) -> Result<Vec<Removed>, ImageError> {
        let force = removal.force;
        let image = self.resolve(name)?;
        let mut removed = Vec::new();
        if is_id_prefix(&image.id, name) {
            self.check_children(&image)?;
            if is_single_reference(&image) {
                check_use(&image, force, users)?;
            } else if !force {
                check_use(&image, true, users)?;
                let image = image.id.short().to_owned();
                return Err(RemoveConflict::ManyReferences { image }.into());
            }
            check_use(&image, true, users)?;
            self.delete(&image.id, users, &mut removed).await?;
        } else {
            let reference: ImageReference = name.parse()?;
            let single = is_single_reference(&image);
            if let Some(user) = users(&image.id).filter(|_| single && !force) {
                return Err(RemoveConflict::ReferenceInUse {
                    reference: as_named(name, &reference),
                    container: short(&user.container_id),
                    image: image.id.short().to_owned(),
                }
                .into());
            }
            // As with Docker: of an image that others were made of, only the name was asked for.
            let stays = users(&image.id).is_some_and(|user| user.running)
                || self.index().has_children(&image.id)?;
            if !self.untag_reference(&image, &reference, !stays, &mut removed)? {
                return Ok(removed);
            }
            self.delete_rest(&image, users, &mut removed).await?;
        }
        if !removal.keep_parents {
            self.delete_parents(&image, users, &mut removed).await?;
        }
        Ok(removed)
    }

    fn check_children(&self, image: &Image) -> Result<(), ImageError> {
        if !self.index().has_children(&image.id)? {
            return Ok(());
        }
        let image = image.id.short().to_owned();
        Err(RemoveConflict::HasChildren { image }.into())
    }

    /// Deletes the images that one which is gone was made of, as far as nothing else has them.
    async fn delete_parents(
        &self,
        image: &Image,
        users: Users<'_>,
        removed: &mut Vec<Removed>,
    ) -> Result<(), ImageError> {
        let mut parent = image.parent.clone();
        while let Some(id) = parent {
            let Some(image) = self.image(&id)? else { break };
            if !image.is_nameless() || users(&id).is_some() || self.index().has_children(&id)? {
                break;
            }
            self.delete(&id, users, removed).await?;
            parent = image.parent;
        }
        Ok(())
    }

    /// Takes `reference` away; with a repository's last tag go its digests, and, if it may go, with
    /// its last name the image. Tells whether it went.
    fn untag_reference(
        &self,
        image: &Image,
        reference: &ImageReference,
        may_go: bool,
        removed: &mut Vec<Removed>,
    ) -> Result<bool, ImageError> {
        let name = reference.name();
        let (mut tags, mut digests) = (Vec::new(), Vec::new());
        match reference.digest() {
            Some(digest) => digests.push((name.clone(), digest.clone())),
            None => tags.push(reference.to_string()),
        }
        removed.push(Removed::Untagged(reference.familiar()));
        let other_tag = image.tags.iter().any(|tag| tag.name() == name && tag != reference);
        if reference.digest().is_none() && !other_tag {
            for digest in digests_of(image) {
                if digest.name() == name {
                    removed.push(Removed::Untagged(digest.familiar()));
                    digests.extend(digest.digest().map(|pinned| (name.clone(), pinned.clone())));
                }
            }
        }
        self.index().untag(&tags, &digests, may_go.then_some(&image.id))
    }

    /// Deletes the image with all its names, and the layers it alone had; gives the bytes of all
    /// layers that are gone.
    pub(crate) async fn delete(
        &self,
        id: &Digest,
        users: Users<'_>,
        removed: &mut Vec<Removed>,
    ) -> Result<u64, ImageError> {
        let Some(image) = self.image(id)? else { return Ok(0) };
        self.index().hide_image(id)?;
        removed.extend(untagged(&image));
        self.delete_rest(&image, users, removed).await
    }

    /// Deletes what is left of an image that has just been hidden; see [`Self::delete`].
    async fn delete_rest(
        &self,
        image: &Image,
        users: Users<'_>,
        removed: &mut Vec<Removed>,
    ) -> Result<u64, ImageError> {
        removed.push(Removed::Deleted(image.id.to_string()));
        self.delete_hidden(users)?;
        let gone = self.collect_layers().await?;
        let is_gone = |diff_id: &Digest| gone.iter().any(|layer| layer.diff_id == *diff_id);
        let chain_ids = image.layers.iter().rev().filter(|layer| is_gone(&layer.diff_id));
        removed.extend(chain_ids.map(|layer| Removed::DeletedLayer(layer.chain_id.to_string())));
        Ok(gone.iter().map(|layer| layer.size).sum())
    }

    /// Takes all names of an image away.
    pub(crate) fn untag_all(&self, image: &Image) -> Result<Vec<Removed>, ImageError> {
        let tags: Vec<String> = image.tags.iter().map(ToString::to_string).collect();
        let digests: Vec<(String, Digest)> = digests_of(image)
            .into_iter()
            .filter_map(|digest| Some((digest.name(), digest.digest()?.clone())))
            .collect();
        self.index().untag(&tags, &digests, None)?;
        Ok(untagged(image).collect())
    }

    /// Deletes images that were removed while a container needed them, and are needed no more.
    pub(crate) fn delete_hidden(&self, users: Users<'_>) -> Result<(), ImageError> {
        for id in self.index().hidden_ids()? {
            // Held over both, so that nobody can take hold in between.
            let held = self.holds().lock();
            if !held.contains_key(&id) && users(&id).is_none() {
                self.index().delete_image(&id)?;
            }
        }
        Ok(())
    }

    /// Deletes the layers that nothing needs; gives them.
    pub(crate) async fn collect_layers(&self) -> Result<Vec<LayerRow>, ImageError> {
        let target = self.target();
        self.door().run("deleting layers", move || target.layers.collect(&target.index)).await
    }
}

/// The familiar reference as its client has written it: without the tag that was not there.
fn as_named(name: &str, reference: &ImageReference) -> String {
    let familiar = reference.familiar();
    let last = name.rsplit('/').next().unwrap_or(name);
    match familiar.strip_suffix(":latest") {
        Some(bare) if !last.contains([':', '@']) => bare.to_owned(),
        _ => familiar,
    }
}

/// Refuses while a container runs the image, and, unless forced, while a stopped one needs it.
fn check_use(image: &Image, force: bool, users: Users<'_>) -> Result<(), RemoveConflict> {
    let Some(user) = users(&image.id) else { return Ok(()) };
    let container = short(&user.container_id);
    let image = image.id.short().to_owned();
    match user.running {
        true => Err(RemoveConflict::Running { image, container }),
        false if force => Ok(()),
        false => Err(RemoveConflict::Stopped { image, container }),
    }
}

/// Docker's `isSingleReference`: at most one tag, and digests of its repository only.
fn is_single_reference(image: &Image) -> bool {
    let digests = digests_of(image);
    if image.tags.len() + digests.len() <= 1 {
        return true;
    }
    let name = match image.tags.as_slice() {
        [] => digests.first().map(ImageReference::name),
        [tag] => Some(tag.name()),
        _ => return false,
    };
    digests.iter().all(|digest| Some(digest.name()) == name)
}

fn is_id_prefix(id: &Digest, name: &str) -> bool {
    id.as_str().starts_with(name) || id.hex().starts_with(name)
}

fn digests_of(image: &Image) -> Vec<ImageReference> {
    image.repo_digests.iter().filter_map(|digest| digest.parse().ok()).collect()
}

fn untagged(image: &Image) -> impl Iterator<Item = Removed> {
    let names = image.tags.iter().cloned().chain(digests_of(image));
    names.map(|name| Removed::Untagged(name.familiar()))
}

fn short(container_id: &str) -> String {
    container_id.chars().take(SHORT_ID).collect()
}
