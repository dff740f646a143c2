//! Pulling an image.
//!
//! ```text
//! manifest ─► (index: choose) ─► configuration ─► layers, several at once ─► one transaction
//! ```
//!
//! A layer that several pulls want is fetched by the first; when that one is
//! dropped, the next one takes over.

use std::collections::HashSet;

use futures::{FutureExt, StreamExt, TryStreamExt, stream};

use crate::config::CheckedConfig;
use crate::digest::Digest;
use crate::download::tell;
use crate::error::ImageError;
use crate::image::{LayerBlob, Pulled};
use crate::index::{NewImage, NewLayer, NewManifest};
use crate::layers::Pin;
use crate::platform::Platform;
use crate::progress::{LayerState, Progress, PullEvent};
use crate::reference::ImageReference;
use crate::registry::{
    Credentials, Descriptor, ImageManifest, ManifestDocument, Origin, Parsed, Purpose,
    RegistryError, Session, choose,
};
use crate::store::ImageStore;

/// Layers of one pull on their way at the same time.
const LAYERS_AT_ONCE: usize = 5;
/// Indexes in indexes; none in use goes beyond one.
const MAX_INDEX_DEPTH: usize = 3;

/// The image a reference leads to on one platform.
struct Found {
    /// The digest of the document the reference itself names.
    named: Digest,
    document: ManifestDocument,
    manifest: ImageManifest,
}

impl ImageStore {
    /// Pulls `reference`; without a platform, the image for this machine.
    ///
    /// Dropping the future cancels the pull. Layers that were complete by then stay, so that the
    /// next attempt has less to do; nothing half-done is ever used.
    pub async fn pull(
        &self,
        reference: &ImageReference,
        platform: Option<&Platform>,
        credentials: Option<&Credentials>,
        progress: Progress<'_>,
    ) -> Result<Pulled, ImageError> {
        let pulled = self.pull_from_any(reference, platform, credentials, progress).await;
        if matches!(pulled, Err(ImageError::DiskFull { .. } | ImageError::Kept(_))) {
            // What the failed pull brought would keep the disk full.
            self.collect_layers().await?;
            self.give_up_partials().await?;
        }
        pulled
    }

    /// The repository of `reference` at each of its tags, in the registry's order.
    pub async fn tags(
        &self,
        reference: &ImageReference,
        credentials: Option<&Credentials>,
    ) -> Result<Vec<ImageReference>, ImageError> {
        let session = Session::open(self.connector(), reference, credentials).await?;
        let name = reference.name();
        let tags = session.tags().await?;
        tags.iter().map(|tag| Ok(format!("{name}:{tag}").parse()?)).collect()
    }

    /// Mirrors are tried first, and what they cannot give the registry itself gives. What is
    /// known of the user is for the registry alone.
    async fn pull_from_any(
        &self,
        reference: &ImageReference,
        platform: Option<&Platform>,
        credentials: Option<&Credentials>,
        progress: Progress<'_>,
    ) -> Result<Pulled, ImageError> {
        let wiring = self.connector().wiring();
        let settings = wiring.config().hosts.get(reference.domain());
        for mirror in settings.map(|host| host.mirrors.as_slice()).unwrap_or_default() {
            let (origin, purpose) = (Origin::of_mirror(mirror)?, Purpose::Pull(reference.clone()));
            let session = Session::open_at(self.connector(), origin, purpose, None).await;
            let pulled = match session {
                Ok(session) => self.pull_from(&session, reference, platform, progress).await,
                Err(error) => Err(error.into()),
            };
            match pulled {
                Err(error) if may_be_the_mirrors(&error) => {
                    let error = naru_error::chain(&error);
                    tracing::warn!(mirror, error, "a mirror could not give an image");
                }
                pulled => return pulled,
            }
        }
        let session = Session::open(self.connector(), reference, credentials).await?;
        self.pull_from(&session, reference, platform, progress).await
    }

    async fn pull_from(
        &self,
        session: &Session,
        reference: &ImageReference,
        platform: Option<&Platform>,
        progress: Progress<'_>,
    ) -> Result<Pulled, ImageError> {
        let found = find(session, reference, platform).await?;
        progress(PullEvent::PullingFrom {
            repository: repository_shown(reference),
            tag: match (reference.digest(), reference.tag()) {
                (Some(digest), _) => digest.to_string(),
                (None, tag) => tag.unwrap_or_default().to_owned(),
            },
        });
        let raw_config = session.config(&found.manifest.config).await?;
        let config = CheckedConfig::parse(&raw_config)?;
        config.check_layer_count(found.manifest.layers.len())?;
        check_platform(&config, reference, platform)?;

        let up_to_date = self.is_current(reference, &config.id)?;
        let pins: Vec<Pin> =
            config.diff_ids.iter().map(|diff_id| self.layer_store().pin(diff_id)).collect();
        let wanted = config.diff_ids.iter().zip(&found.manifest.layers);
        for (diff_id, descriptor) in wanted.clone() {
            let state = if self.has_layer(diff_id)? {
                LayerState::AlreadyExists
            } else {
                LayerState::Waiting
            };
            tell(progress, descriptor, state);
        }
        self.make_room(wanted.clone()).await?;
        let mut fetches = Vec::with_capacity(config.diff_ids.len());
        for (diff_id, descriptor) in wanted {
            fetches.push(self.fetch_layer(session, diff_id, descriptor, progress).boxed());
        }
        stream::iter(fetches).buffer_unordered(LAYERS_AT_ONCE).try_collect::<()>().await?;

        let image = self
            .commit_image(NewImage {
                id: config.id,
                config: raw_config,
                layers: new_layers(&config.diff_ids, &found.manifest),
                manifest: Some(NewManifest {
                    digest: found.document.digest,
                    media_type: found.document.media_type,
                    content: found.document.content,
                }),
                // Docker leaves the tag alone when a digest decided.
                tag: reference.digest().is_none().then(|| reference.clone()),
                repo_digest: Some((reference.name(), found.named.clone())),
                parent: None,
            })
            .await?;
        drop(pins);
        progress(PullEvent::Digest(found.named.clone()));
        Ok(Pulled { image, digest: found.named, up_to_date })
    }

    fn is_current(&self, reference: &ImageReference, id: &Digest) -> Result<bool, ImageError> {
        Ok(self.index().named(reference)?.as_ref() == Some(id)
            || self.index().members(reference)?.contains(id))
    }

    /// Refuses layers whose blobs alone are larger than the room that there is.
    async fn make_room(
        &self,
        wanted: impl Iterator<Item = (&Digest, &Descriptor)>,
    ) -> Result<(), ImageError> {
        let (mut needed, mut counted) = (0_u64, HashSet::new());
        for (diff_id, descriptor) in wanted {
            if counted.insert(diff_id) && !self.has_layer(diff_id)? {
                needed = needed.saturating_add(descriptor.size);
            }
        }
        if self.layer_store().check_space(needed).is_ok() {
            return Ok(());
        }
        // What pulls that were broken off brought may be in the way.
        self.collect_layers().await?;
        self.forget_partials().await?;
        self.layer_store().check_space(needed)
    }

    /// Brings one layer into the store, unless it is there. An index may list a layer
    /// twice; the lock makes that one fetch too.
    async fn fetch_layer(
        &self,
        session: &Session,
        diff_id: &Digest,
        descriptor: &Descriptor,
        progress: Progress<'_>,
    ) -> Result<(), ImageError> {
        if self.has_layer(diff_id)? {
            return Ok(());
        }
        let lock = self.layer_store().fetch_lock(diff_id);
        let _fetching = lock.lock().await;
        if !self.has_layer(diff_id)? {
            self.download_layer(session, diff_id, descriptor, progress).await?;
        }
        tell(progress, descriptor, LayerState::PullComplete);
        Ok(())
    }
}

/// Whether a mirror has nothing, or something else than the registry, which is asked then.
fn may_be_the_mirrors(error: &ImageError) -> bool {
    matches!(
        error,
        ImageError::Registry(_)
            | ImageError::Config { .. }
            | ImageError::DiffId { .. }
            | ImageError::Platform { .. }
            | ImageError::Unpack { .. }
    )
}

/// Reads what an image says of itself, and nothing of its files.
pub(crate) async fn configuration(
    session: &Session,
    reference: &ImageReference,
    platform: &Platform,
) -> Result<Vec<u8>, ImageError> {
    let found = find(session, reference, Some(platform)).await?;
    let raw_config = session.config(&found.manifest.config).await?;
    check_platform(&CheckedConfig::parse(&raw_config)?, reference, Some(platform))?;
    Ok(raw_config)
}

/// Follows indexes down to the manifest of the wanted platform.
async fn find(
    session: &Session,
    reference: &ImageReference,
    platform: Option<&Platform>,
) -> Result<Found, ImageError> {
    let wanted = platform.cloned().unwrap_or_else(Platform::host);
    let familiar = reference.familiar();
    let mut document = session.named_manifest(reference).await?;
    let named = document.digest.clone();
    for _ in 0..=MAX_INDEX_DEPTH {
        match document.parse(&familiar)? {
            Parsed::Image(manifest) => return Ok(Found { named, document, manifest }),
            Parsed::Index(entries) => {
                let entry = choose(&entries, &wanted).ok_or_else(|| RegistryError::NoPlatform {
                    platform: wanted.to_string(),
                    reference: familiar.clone(),
                })?;
                document = session.entry_manifest(entry).await?;
            }
        }
    }
    Err(RegistryError::Protocol {
        registry: reference.domain().to_owned(),
        reason: "indexes lead to ever more indexes".to_owned(),
    }
    .into())
}

/// Only a platform that was asked for is insisted on: Docker, too, runs a lone manifest of
/// another architecture when nobody said anything.
fn check_platform(
    config: &CheckedConfig,
    reference: &ImageReference,
    platform: Option<&Platform>,
) -> Result<(), ImageError> {
    let found = config.platform();
    match platform {
        Some(wanted) if wanted.rank(&found).is_none() => Err(ImageError::Platform {
            reference: reference.familiar(),
            found: found.to_string(),
            wanted: wanted.to_string(),
        }),
        _ => Ok(()),
    }
}

fn new_layers(diff_ids: &[Digest], manifest: &ImageManifest) -> Vec<NewLayer> {
    diff_ids
        .iter()
        .zip(&manifest.layers)
        .map(|(diff_id, descriptor)| NewLayer {
            diff_id: diff_id.clone(),
            blob: Some(LayerBlob {
                digest: descriptor.digest.clone(),
                size: descriptor.size,
                media_type: descriptor.media_type.clone(),
            }),
        })
        .collect()
}

/// Docker prints `library/busybox` for the hub, and the whole name for others.
fn repository_shown(reference: &ImageReference) -> String {
    match reference.domain() {
        "docker.io" => reference.repository().to_owned(),
        _ => reference.name(),
    }
}
