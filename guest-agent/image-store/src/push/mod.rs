//! Pushing an image.
//!
//! ```text
//! layers, several at once: there? ─► in another repository there? ─► pack and upload
//!                          └─► configuration ─► manifest ─► noted, so that the next push skips
//! ```
//!
//! Layer blobs are not kept. A layer that the registry lacks is packed anew, always into the same
//! bytes, so that a broken upload goes on without anything having been stored here.

mod layer;
mod made;
mod manifest;
mod pack;

use std::collections::HashMap;

use futures::{FutureExt, StreamExt, TryStreamExt, stream};

use crate::digest::Digest;
use crate::error::ImageError;
use crate::image::{Image, LayerBlob, LayerInfo};
use crate::layers::Pin;
use crate::platform::Platform;
use crate::progress::{PushEvent, PushProgress, PushState};
use crate::reference::ImageReference;
use crate::registry::{Credentials, ManifestDocument, Origin, Purpose, Session};
use crate::store::ImageStore;

use self::manifest::{Family, manifest_of};

/// Layers of one push on their way at the same time; Docker's number.
const LAYERS_AT_ONCE: usize = 5;
/// Other repositories whose layers a token is to give access to.
const MAX_SOURCES: usize = 5;

/// What is to be pushed.
#[derive(Clone, Copy, Debug)]
pub struct PushRequest<'a> {
    /// The repository, and the tag unless all are meant.
    pub reference: &'a ImageReference,
    /// Every tag that the repository has here.
    pub all_tags: bool,
    /// What the image must be for.
    pub platform: Option<&'a Platform>,
    /// Who pushes.
    pub credentials: Option<&'a Credentials>,
}

/// An image whose parts are in a repository.
struct Put {
    /// With leave to write there.
    session: Session,
    manifest: ManifestDocument,
    /// What its layers are there, bottom first.
    blobs: Vec<LayerBlob>,
}

impl ImageStore {
    /// Pushes a tag, or all tags, of a repository to its registry.
    ///
    /// Dropping the future cancels. What the registry got by then the next push finds there.
    pub async fn push(
        &self,
        request: PushRequest<'_>,
        progress: PushProgress<'_>,
    ) -> Result<(), ImageError> {
        let reference = request.reference;
        progress(PushEvent::RefersTo(reference.name()));
        if reference.digest().is_some() {
            return Err(ImageError::PushByDigest);
        }
        let tags = self.index().tags_of(&reference.name())?;
        if tags.is_empty() {
            return Err(ImageError::NothingToPush { name: reference.familiar_name() });
        }
        let wanted: Vec<&(ImageReference, Digest)> =
            tags.iter().filter(|(tag, _)| request.all_tags || tag == reference).collect();
        if wanted.is_empty() {
            return Err(ImageError::NoSuchTag { reference: reference.familiar() });
        }
        for (tag, id) in wanted {
            let image = self.image(id)?;
            let image = image.ok_or_else(|| ImageError::NotFound { name: tag.familiar() })?;
            check_platform(&image, tag, request.platform)?;
            self.push_image(tag, &image, request.credentials, progress).await?;
        }
        Ok(())
    }

    async fn push_image(
        &self,
        tag: &ImageReference,
        image: &Image,
        credentials: Option<&Credentials>,
        progress: PushProgress<'_>,
    ) -> Result<(), ImageError> {
        let put = self.put_image(tag, image, Family::Any, credentials, progress).await?;
        put.session.put_manifest(tag.tag().unwrap_or_default(), &put.manifest).await?;
        self.note(tag, image, &put)?;
        progress(PushEvent::Pushed {
            tag: tag.tag().unwrap_or_default().to_owned(),
            size: put.manifest.content.len() as u64,
            digest: put.manifest.digest,
        });
        Ok(())
    }

    /// Sees to it that the repository has all that an image is made of, and gives the manifest,
    /// which is not there yet.
    async fn put_image(
        &self,
        tag: &ImageReference,
        image: &Image,
        family: Family,
        credentials: Option<&Credentials>,
        progress: PushProgress<'_>,
    ) -> Result<Put, ImageError> {
        // Whatever is removed meanwhile, its layers stay until they were read.
        let _pins: Vec<Pin> =
            image.layers.iter().map(|layer| self.layer_store().pin(&layer.diff_id)).collect();
        // The same layer may be in an image more than once.
        let mut layers: HashMap<&Digest, &LayerInfo> = HashMap::new();
        for (waiting, layer) in image.layers.iter().rev().enumerate() {
            if layers.insert(&layer.diff_id, layer).is_none() {
                tell(progress, layer, PushState::Preparing);
                if waiting >= LAYERS_AT_ONCE {
                    tell(progress, layer, PushState::Waiting);
                }
            }
        }
        let session = self.open_for_push(tag, image, credentials).await?;
        let mut work = Vec::with_capacity(layers.len());
        for layer in layers.into_values() {
            let settled = self.settle_layer(&session, tag, layer, progress);
            work.push(settled.map(|blob| Ok::<_, ImageError>((&layer.diff_id, blob?))).boxed());
        }
        let settled: HashMap<&Digest, LayerBlob> =
            stream::iter(work).buffer_unordered(LAYERS_AT_ONCE).try_collect().await?;
        let blobs: Vec<LayerBlob> =
            image.layers.iter().filter_map(|layer| settled.get(&layer.diff_id).cloned()).collect();

        settle_document(&session, &image.id, &image.raw_config).await?;
        let stored = match &image.manifest_digest {
            Some(digest) => self.index().manifest(digest)?,
            None => None,
        };
        let manifest = manifest_of(image, &blobs, stored, (tag, family))?;
        Ok(Put { session, manifest, blobs })
    }

    /// Writes down what the repository has now.
    fn note(&self, tag: &ImageReference, image: &Image, put: &Put) -> Result<(), ImageError> {
        let diff_ids = image.layers.iter().map(|layer| &layer.diff_id);
        let noted: Vec<(&Digest, &LayerBlob)> = diff_ids.zip(&put.blobs).collect();
        self.index().note_push(&image.id, &tag.name(), &put.manifest.digest, &noted)
    }

    /// The token is to permit to write here, and to read where layers may be taken over from.
    async fn open_for_push(
        &self,
        tag: &ImageReference,
        image: &Image,
        credentials: Option<&Credentials>,
    ) -> Result<Session, ImageError> {
        let mut sources: Vec<String> = Vec::new();
        for layer in &image.layers {
            for (repository, _) in self.index().known_blobs(&layer.diff_id)? {
                let source = layer::source_of(&repository, tag).map(str::to_owned);
                sources.extend(source.filter(|source| !sources.contains(source)));
            }
        }
        sources.truncate(MAX_SOURCES);
        let purpose = Purpose::Push { reference: tag.clone(), sources };
        let origin = Origin::of(tag.domain());
        Ok(Session::open_at(self.connector(), origin, purpose, credentials).await?)
    }
}

/// Sees to it that the repository has a blob that is small.
async fn settle_document(
    session: &Session,
    digest: &Digest,
    content: &[u8],
) -> Result<(), ImageError> {
    if !session.has_blob(digest).await? {
        let upload = session.begin_upload().await?;
        session.finish_upload(&upload, digest, content.to_vec().into()).await?;
    }
    Ok(())
}

fn tell(progress: PushProgress<'_>, layer: &LayerInfo, state: PushState) {
    progress(PushEvent::Layer { id: layer.diff_id.short().to_owned(), state });
}

fn check_platform(
    image: &Image,
    reference: &ImageReference,
    platform: Option<&Platform>,
) -> Result<(), ImageError> {
    let found = image.platform();
    match platform {
        Some(wanted) if wanted.rank(&found) != Some(0) => Err(ImageError::Platform {
            reference: reference.familiar(),
            found: found.to_string(),
            wanted: wanted.to_string(),
        }),
        _ => Ok(()),
    }
}
