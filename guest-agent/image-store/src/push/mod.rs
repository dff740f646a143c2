//! Pushing an image.
//!
//! ```text
//! layers, several at once: there? ─► in another repository there? ─► pack and upload
//!                          └─► each noted, so that the next push skips it
//!                               └─► configuration ─► manifest
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

use crate::attestation::{Attached, Attestation};
use crate::digest::Digest;
use crate::error::ImageError;
use crate::image::{Image, LayerBlob, LayerInfo};
use crate::layers::Pin;
use crate::platform::Platform;
use crate::progress::{PushEvent, PushProgress, PushState};
use crate::reference::ImageReference;
use crate::registry::{Credentials, ManifestDocument, Origin, Purpose, Session};
use crate::store::ImageStore;

pub use self::manifest::MediaTypes;
use self::manifest::{index_of, manifest_of};

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
        for (tag, _) in wanted {
            let members = chosen(self.members_of(tag)?, tag, request.platform)?;
            let images = members.into_iter().map(|image| (image, None)).collect();
            self.push_images(tag, images, MediaTypes::Any, request.credentials, progress).await?;
        }
        Ok(())
    }

    /// Pushes images as what the tag stands for: one by itself, several as those of different
    /// platforms behind one index, which is also where what is said of them stands.
    async fn push_images(
        &self,
        tag: &ImageReference,
        images: Vec<(Image, Option<Attestation>)>,
        types: MediaTypes,
        credentials: Option<&Credentials>,
        progress: PushProgress<'_>,
    ) -> Result<Digest, ImageError> {
        // One that the tag stands for beside its own image has no name of its own.
        let is_own = |image: &Image| !image.platform_tags.contains(tag);
        let first = images.first().filter(|(image, _)| is_own(image));
        let first = first.map(|(image, _)| image.id.clone());
        let name = tag.tag().unwrap_or_default();
        let is_attested = images.iter().any(|(_, attestation)| attestation.is_some());
        let is_alone = images.len() == 1 && !is_attested;
        let types = if is_attested { MediaTypes::Oci } else { types };
        let (mut manifests, mut attached) = (Vec::with_capacity(images.len()), Vec::new());
        let mut last = None;
        for (image, attestation) in images {
            let put = self.put_image(tag, &image, types, credentials, progress).await?;
            let digest = put.manifest.digest.as_str();
            put.session.put_manifest(if is_alone { name } else { digest }, &put.manifest).await?;
            let platform = image.platform();
            if let Some(attestation) = attestation {
                let said = attestation.attached(
                    &put.manifest.digest,
                    &platform,
                    std::slice::from_ref(tag),
                );
                put_attached(&put.session, &said).await?;
                attached.push(said);
            }
            manifests.push((platform, put.manifest));
            last = Some(put.session);
        }
        let document = match manifests.as_slice() {
            [(_, manifest)] if is_alone => manifest.clone(),
            manifests => index_of(manifests, &attached),
        };
        if let Some(session) = last.filter(|_| !is_alone) {
            session.put_manifest(name, &document).await?;
        }
        if let Some(first) = first {
            self.index().note_digest(&first, &tag.name(), &document.digest)?;
        }
        progress(PushEvent::Pushed {
            tag: name.to_owned(),
            digest: document.digest.clone(),
            size: document.content.len() as u64,
        });
        Ok(document.digest)
    }

    /// Sees to it that the repository has all that an image is made of, and gives the manifest,
    /// which is not there yet.
    async fn put_image(
        &self,
        tag: &ImageReference,
        image: &Image,
        types: MediaTypes,
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
        let manifest = manifest_of(image, &blobs, stored, (tag, types))?;
        Ok(Put { session, manifest })
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

/// Of what a tag stands for, what is wanted: all, or the image for that very platform.
fn chosen(
    members: Vec<Image>,
    tag: &ImageReference,
    platform: Option<&Platform>,
) -> Result<Vec<Image>, ImageError> {
    let Some(wanted) = platform else { return Ok(members) };
    let found = members.first().map(|image| image.platform().to_string()).unwrap_or_default();
    let mut fitting = members.into_iter().filter(|image| wanted.rank(&image.platform()) == Some(0));
    let image = fitting.next().ok_or_else(|| ImageError::Platform {
        reference: tag.familiar(),
        found,
        wanted: wanted.to_string(),
    })?;
    Ok(vec![image])
}

async fn put_attached(session: &Session, attached: &Attached) -> Result<(), ImageError> {
    for (digest, content) in &attached.blobs {
        settle_document(session, digest, content).await?;
    }
    let name = attached.manifest.digest.as_str();
    Ok(session.put_manifest(name, &attached.manifest).await?)
}
