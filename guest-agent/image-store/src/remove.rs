//! Removal by Docker's rules.
//!
//! The rules are those of dockerd's classic image store: a name is taken away first; the
//! image goes with its last name, unless a container needs it. What containers need is told
//! by a closure, so that the store knows nothing of them.

mod conflict;

use std::collections::HashSet;

use crate::digest::Digest;
use crate::error::ImageError;
use crate::image::{Image, InUse, Removed};
use crate::index::LayerRow;
use crate::reference::ImageReference;
use crate::store::ImageStore;

pub use self::conflict::RemoveConflict;
use self::conflict::{check_use, short};

/// Says which container needs an image; a running one is to be preferred.
pub type Users<'a> = &'a (dyn Fn(&Digest) -> Option<InUse> + Send + Sync);

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
        let image = self.resolve(name)?;
        let mut removed = Vec::new();
        let is_gone = if is_id_prefix(&image.id, name) {
            self.remove_by_id(&image, removal.force, users, &mut removed).await?;
            true
        } else {
            let named = (name, name.parse()?);
            self.remove_name(&image, named, removal.force, users, &mut removed).await?
        };
        if is_gone && !removal.keep_parents {
            self.delete_parents(&image, users, &mut removed).await?;
        }
        Ok(removed)
    }

    /// Removes an image with all its names, and what else they stand for.
    async fn remove_by_id(
        &self,
        image: &Image,
        force: bool,
        users: Users<'_>,
        removed: &mut Vec<Removed>,
    ) -> Result<(), ImageError> {
        let group = self.with_mates(image)?;
        let is_single = group.iter().all(is_single_reference);
        for image in &group {
            self.check_children(&image.id)?;
            check_use(&image.id, force || !is_single, users)?;
        }
        if !is_single && !force {
            let image = image.id.short().to_owned();
            return Err(RemoveConflict::ManyReferences { image }.into());
        }
        self.delete(&image.id, users, removed).await.map(drop)
    }

    /// Removes a name, and the images that it was the last name of. Tells whether `image`, which
    /// it means, is gone.
    async fn remove_name(
        &self,
        image: &Image,
        (name, reference): (&str, ImageReference),
        force: bool,
        users: Users<'_>,
        removed: &mut Vec<Removed>,
    ) -> Result<bool, ImageError> {
        let members = match reference.digest() {
            Some(_) => vec![image.clone()],
            None => self.members_of(&reference)?,
        };
        let mut going = Vec::new();
        for member in &members {
            let user = users(&member.id);
            if let Some(user) = user.as_ref().filter(|_| is_single_reference(member) && !force) {
                return Err(RemoveConflict::ReferenceInUse {
                    reference: as_named(name, &reference),
                    container: short(&user.container_id),
                    image: member.id.short().to_owned(),
                }
                .into());
            }
            // As with Docker: of an image that others were made of, only the name was asked for.
            let stays =
                user.is_some_and(|user| user.running) || self.index().has_children(&member.id)?;
            going.extend((!stays).then(|| member.id.clone()));
        }
        let gone = self.untag_reference(image, &reference, &going, removed)?;
        let deleted: Vec<Image> =
            members.into_iter().filter(|member| gone.contains(&member.id)).collect();
        if !deleted.is_empty() {
            self.delete_rest(&deleted, users, removed).await?;
        }
        Ok(gone.contains(&image.id))
    }

    fn check_children(&self, id: &Digest) -> Result<(), ImageError> {
        if !self.index().has_children(id)? {
            return Ok(());
        }
        Err(RemoveConflict::HasChildren { image: id.short().to_owned() }.into())
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

    /// Takes `reference` away; with a repository's last tag go its digests, and those of the
    /// images `going` that have no name left. Gives these.
    fn untag_reference(
        &self,
        image: &Image,
        reference: &ImageReference,
        going: &[Digest],
        removed: &mut Vec<Removed>,
    ) -> Result<Vec<Digest>, ImageError> {
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
        self.index().untag(&tags, &digests, going)
    }

    /// Deletes the image with all its names, what else only these stood for, and the layers that
    /// nothing else had; gives the bytes of all layers that are gone.
    pub(crate) async fn delete(
        &self,
        id: &Digest,
        users: Users<'_>,
        removed: &mut Vec<Removed>,
    ) -> Result<u64, ImageError> {
        let Some(image) = self.image(id)? else { return Ok(0) };
        let mut group = self.with_mates(&image)?;
        let gone = self.index().hide_image(id)?;
        group.retain(|mate| mate.id == *id || gone.contains(&mate.id));
        removed.extend(untagged(&image));
        self.delete_rest(&group, users, removed).await
    }

    /// The image, and the others that its tags stand for.
    fn with_mates(&self, image: &Image) -> Result<Vec<Image>, ImageError> {
        let mut group = vec![image.clone()];
        for id in self.index().mates(&image.id)? {
            group.extend(self.image(&id)?);
        }
        Ok(group)
    }

    /// Deletes what is left of images that have just been hidden; see [`Self::delete`].
    async fn delete_rest(
        &self,
        images: &[Image],
        users: Users<'_>,
        removed: &mut Vec<Removed>,
    ) -> Result<u64, ImageError> {
        removed.extend(images.iter().map(|image| Removed::Deleted(image.id.to_string())));
        self.delete_hidden(users)?;
        let gone = self.collect_layers().await?;
        let are_gone: HashSet<&Digest> = gone.iter().map(|layer| &layer.diff_id).collect();
        let mut told = HashSet::new();
        for layer in images.iter().flat_map(|image| image.layers.iter().rev()) {
            if are_gone.contains(&layer.diff_id) && told.insert(&layer.chain_id) {
                removed.push(Removed::DeletedLayer(layer.chain_id.to_string()));
            }
        }
        Ok(gone.iter().map(|layer| layer.size).sum())
    }

    /// Takes all names away that are an image's own.
    pub(crate) fn untag_all(&self, image: &Image) -> Result<Vec<Removed>, ImageError> {
        let tags: Vec<String> = image.tags.iter().map(ToString::to_string).collect();
        let digests: Vec<(String, Digest)> = digests_of(image)
            .into_iter()
            .filter_map(|digest| Some((digest.name(), digest.digest()?.clone())))
            .collect();
        self.index().untag(&tags, &digests, &[])?;
        let names = image.tags.iter().cloned().chain(digests_of(image));
        Ok(names.map(|name| Removed::Untagged(name.familiar())).collect())
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

/// Docker's `isSingleReference`: at most one tag, and digests of its repository only.
fn is_single_reference(image: &Image) -> bool {
    let digests = digests_of(image);
    let mut tags = image.all_tags();
    let name = match (tags.next(), tags.next()) {
        (_, Some(_)) => return false,
        (Some(tag), None) => Some(tag.name()),
        (None, None) => digests.first().map(ImageReference::name),
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
    let names = image.all_tags().cloned().chain(digests_of(image));
    names.map(|name| Removed::Untagged(name.familiar()))
}
