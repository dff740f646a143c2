//! One layer on its way into a repository.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use tokio::time::{MissedTickBehavior, interval, sleep};

use super::pack::{Packed, pack, packing};
use super::tell;
use crate::digest::Digest;
use crate::error::ImageError;
use crate::image::{LayerBlob, LayerInfo};
use crate::progress::{PushProgress, PushState};
use crate::reference::ImageReference;
use crate::registry::{Appended, RegistryError, Session, Upload};
use crate::store::ImageStore;

/// What our own blobs are; a manifest of the other family has its own word for it.
const GZIP: &str = "application/vnd.docker.image.rootfs.diff.tar.gzip";
/// Blobs that the registry is asked for before the layer is packed anew.
const MAX_CANDIDATES: usize = 5;
const MAX_MOUNTS: usize = 3;
const MAX_ATTEMPTS: u32 = 6;
const FIRST_BACKOFF: Duration = Duration::from_millis(250);
const MAX_BACKOFF: Duration = Duration::from_secs(8);
/// Docker's own pace of progress lines.
const PROGRESS_INTERVAL: Duration = Duration::from_millis(100);

/// The path of `repository` (`host/path`) if it is another one in the registry of `target`.
pub(super) fn source_of<'a>(repository: &'a str, target: &ImageReference) -> Option<&'a str> {
    let path = repository.strip_prefix(target.domain())?.strip_prefix('/')?;
    (path != target.repository()).then_some(path)
}

impl ImageStore {
    /// Sees to it that the repository has the layer; gives the blob it has it as.
    ///
    /// That is noted before it is told: whatever becomes of the push, the next one finds it.
    pub(super) async fn settle_layer(
        &self,
        session: &Session,
        target: &ImageReference,
        layer: &LayerInfo,
        progress: PushProgress<'_>,
    ) -> Result<LayerBlob, ImageError> {
        let name = target.name();
        let mut known = self.index().known_blobs(&layer.diff_id)?;
        // Those that are there most likely come first.
        known.sort_by_key(|(repository, _)| *repository != name);
        let (blob, state) = self.bring_layer(session, target, layer, &known, progress).await?;
        if !known.iter().any(|(repository, known)| *repository == name && *known == blob) {
            self.index().note_blob(&name, &layer.diff_id, &blob)?;
        }
        tell(progress, layer, state);
        Ok(blob)
    }

    /// Finds it there, has it taken over, or uploads it, and says which.
    async fn bring_layer(
        &self,
        session: &Session,
        target: &ImageReference,
        layer: &LayerInfo,
        known: &[(String, LayerBlob)],
        progress: PushProgress<'_>,
    ) -> Result<(LayerBlob, PushState), ImageError> {
        let mut candidates: Vec<&LayerBlob> = Vec::new();
        for blob in layer.blob.iter().chain(known.iter().map(|(_, blob)| blob)) {
            if candidates.iter().all(|candidate| candidate.digest != blob.digest) {
                candidates.push(blob);
            }
        }
        for blob in candidates.into_iter().take(MAX_CANDIDATES) {
            if session.has_blob(&blob.digest).await? {
                return Ok((blob.clone(), PushState::AlreadyExists));
            }
        }
        let elsewhere = known
            .iter()
            .filter_map(|(repository, blob)| Some((source_of(repository, target)?, blob)));
        for (source, blob) in elsewhere.take(MAX_MOUNTS) {
            if session.mount_blob(&blob.digest, source).await? {
                return Ok((blob.clone(), PushState::MountedFrom(source.to_owned())));
            }
        }
        let Packed { digest, size } = self.upload_layer(session, layer, progress).await?;
        let blob = LayerBlob { digest, size, media_type: GZIP.to_owned() };
        Ok((blob, PushState::Pushed))
    }

    async fn upload_layer(
        &self,
        session: &Session,
        layer: &LayerInfo,
        progress: PushProgress<'_>,
    ) -> Result<Packed, ImageError> {
        let mut broken: Option<Upload> = None;
        let mut pause = FIRST_BACKOFF;
        for _ in 1..MAX_ATTEMPTS {
            match self.upload_once(session, layer, &mut broken, progress).await {
                Ok(Some(packed)) => return Ok(packed),
                // It is to go on at once.
                Ok(None) => continue,
                Err(ImageError::Registry(error)) if may_pass(&error) => {
                    let (layer, error) = (layer.diff_id.short(), naru_error::chain(&error));
                    tracing::warn!(layer, error, "an upload broke off");
                }
                Err(error) => return Err(error),
            }
            let seconds = pause.as_secs().max(1);
            tell(progress, layer, PushState::Retrying { seconds });
            sleep(pause).await;
            pause = pause.saturating_mul(2).min(MAX_BACKOFF);
        }
        let last = self.upload_once(session, layer, &mut broken, progress).await?;
        last.ok_or_else(|| session.gave_up().into())
    }

    /// One attempt: it goes on with the upload that broke, if the registry still has it.
    async fn upload_once(
        &self,
        session: &Session,
        layer: &LayerInfo,
        broken: &mut Option<Upload>,
        progress: PushProgress<'_>,
    ) -> Result<Option<Packed>, ImageError> {
        let resumed = match broken.take() {
            Some(upload) => session.resume_upload(&upload).await?,
            None => None,
        };
        let upload = match resumed {
            Some(upload) => upload,
            None => session.begin_upload().await?,
        };
        *broken = Some(upload.clone());
        let (appended, packed) = self.send_layer(session, layer, &upload, progress).await?;
        let upload = match appended {
            Appended::Taken(upload) => upload,
            Appended::Again => return Ok(None),
            Appended::Lost => {
                *broken = None;
                return Ok(None);
            }
        };
        // What broke after this is gone with the upload, or complete.
        *broken = None;
        session.finish_upload(&upload, &packed.digest, Bytes::new()).await?;
        Ok(Some(packed))
    }

    async fn send_layer(
        &self,
        session: &Session,
        layer: &LayerInfo,
        upload: &Upload,
        progress: PushProgress<'_>,
    ) -> Result<(Appended, Packed), ImageError> {
        let archive = self.layer_archive(&layer.diff_id)?;
        let total = archive.size();
        let (sink, body) = packing(upload.offset);
        let (read, sent) = (Arc::new(AtomicU64::new(0)), body.sent());
        let (counted, path) = (Arc::clone(&read), layer.path.clone());
        let packed = self.intake().run("packing a layer", move || {
            pack(archive, sink, &counted).map_err(ImageError::io("pack", &path))
        });
        let appended = session.append(upload, body.into_stream(), &sent);
        let both = async { tokio::join!(appended, packed) };
        tokio::pin!(both);
        let mut ticks = interval(PROGRESS_INTERVAL);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let (appended, packed) = loop {
            tokio::select! {
                biased;
                outcome = &mut both => break outcome,
                _ = ticks.tick() => {
                    let current = read.load(Ordering::Relaxed);
                    tell(progress, layer, PushState::Pushing { current, total });
                }
            }
        };
        // What cannot be read here is the cause of what the registry got.
        match (packed?, appended?) {
            (Some(packed), appended) => Ok((appended, packed)),
            (None, Appended::Taken(_)) => {
                Err(session.protocol("it takes an upload before it has come").into())
            }
            // It did not want all of it, so that there is no digest yet.
            (None, other) => Ok((other, Packed { digest: Digest::of(b""), size: 0 })),
        }
    }
}

/// Failures that another attempt may get around.
fn may_pass(error: &RegistryError) -> bool {
    match error {
        RegistryError::Unreachable { .. } => true,
        // A digest is refused when an upload went on at another place than was thought.
        RegistryError::Status { status, .. } => *status >= 500 || matches!(*status, 400 | 416),
        _ => false,
    }
}
