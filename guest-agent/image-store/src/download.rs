//! A layer on its way: a task downloads and feeds a bounded channel, a blocking thread unpacks.

use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::time::Instant;

use crate::digest::Digest;
use crate::error::ImageError;
use crate::ingest::{Expected, ingest_layer};
use crate::partial::{Partial, Resumed};
use crate::progress::{LayerState, Progress, PullEvent};
use crate::registry::{BlobDownload, Descriptor, Download, RegistryError, Session};
use crate::store::ImageStore;
use crate::stream::{Chunk, ChunkReader, channel};

/// Docker's own pace of progress lines.
const PROGRESS_INTERVAL: Duration = Duration::from_millis(100);

impl ImageStore {
    /// Brings a layer into the store, from where an earlier attempt has stopped. Dropping the
    /// future drops the channel, which makes the thread give up and clean up.
    pub(crate) async fn download_layer(
        &self,
        session: &Session,
        diff_id: &Digest,
        descriptor: &Descriptor,
        progress: Progress<'_>,
    ) -> Result<(), ImageError> {
        let partial = self.partial(descriptor).await;
        let come = partial.as_ref().map_or(0, Partial::length);
        let streamed = self.stream_layer(session, diff_id, descriptor, partial, progress).await;
        match streamed {
            // It is gone by now.
            Err(error) if come > 0 && may_be_the_kept_parts(&error) => {
                let (layer, error) = (descriptor.digest.short(), naru_error::chain(&error));
                tracing::warn!(layer, error, "what was kept of a layer is wrong; fetching it anew");
                let partial = self.partial(descriptor).await;
                self.stream_layer(session, diff_id, descriptor, partial, progress).await
            }
            streamed => streamed,
        }
    }

    /// What has come of a layer already. Without it the layer comes as well.
    async fn partial(&self, descriptor: &Descriptor) -> Option<Partial> {
        let store = self.clone();
        let (digest, size) = (descriptor.digest.clone(), descriptor.size);
        let taken = move || store.partials().take(&digest, size);
        self.door().run("looking for a part of a layer", taken).await.unwrap_or_else(|error| {
            tracing::warn!(error = naru_error::chain(&error), "a layer is not kept as it comes");
            None
        })
    }

    async fn stream_layer(
        &self,
        session: &Session,
        diff_id: &Digest,
        descriptor: &Descriptor,
        partial: Option<Partial>,
        progress: Progress<'_>,
    ) -> Result<(), ImageError> {
        let come = partial.as_ref().map_or(0, Partial::length);
        let (sender, reader, mut consumed) = channel(come);
        let compressed = Resumed::new(partial, reader, ChunkReader::is_given_up);
        let target = self.target();
        let expected = Expected { blob: Some(descriptor.digest.clone()), diff_id: diff_id.clone() };
        let unpacked = self.intake().run("unpacking a layer", move || {
            ingest_layer(compressed, &expected, &target.layers, &target.index)
        });
        tokio::pin!(unpacked);
        {
            let download = BlobDownload::from(session, descriptor, come);
            let downloaded = feed(download, descriptor, come, sender, progress);
            tokio::pin!(downloaded);
            tokio::select! {
                biased;
                // Unpacking ends first only when it fails, or when the tail of the
                // stream is of no interest to it; its word counts.
                outcome = &mut unpacked => return outcome,
                outcome = &mut downloaded => outcome?,
            }
        }
        tell(progress, descriptor, LayerState::DownloadComplete);
        loop {
            tokio::select! {
                biased;
                outcome = &mut unpacked => return outcome,
                () = next_step(&mut consumed) => {
                    let current = *consumed.borrow();
                    let total = descriptor.size;
                    tell(progress, descriptor, LayerState::Extracting { current, total });
                }
            }
        }
    }
}

/// Whether another attempt without what was kept may get around it.
fn may_be_the_kept_parts(error: &ImageError) -> bool {
    matches!(
        error,
        ImageError::Unpack { .. }
            | ImageError::DiffId { .. }
            | ImageError::Registry(RegistryError::DigestMismatch { .. })
    )
}

/// Downloads what is not there of the blob into the channel, to its announced end.
async fn feed(
    mut download: BlobDownload<'_>,
    descriptor: &Descriptor,
    come: u64,
    sender: mpsc::Sender<Chunk>,
    progress: Progress<'_>,
) -> Result<(), ImageError> {
    let (mut current, total) = (come, descriptor.size);
    let mut told: Option<Instant> = None;
    loop {
        match download.next().await? {
            Download::Data(bytes) => {
                current += bytes.len() as u64;
                if sender.send(Chunk::Data(bytes)).await.is_err() {
                    return Ok(());
                }
                if told.is_none_or(|at| at.elapsed() >= PROGRESS_INTERVAL) {
                    told = Some(Instant::now());
                    tell(progress, descriptor, LayerState::Downloading { current, total });
                }
            }
            Download::Retrying(pause) => {
                let seconds = pause.as_secs().max(1);
                tell(progress, descriptor, LayerState::Retrying { seconds });
            }
            Download::End => {
                // The reader may have given up; why, it says itself.
                let _gone = sender.send(Chunk::End).await;
                return Ok(());
            }
        }
    }
}

/// Waits for the unpacking thread to get on; for ever once it has ended.
async fn next_step(consumed: &mut watch::Receiver<u64>) {
    if consumed.changed().await.is_err() {
        std::future::pending::<()>().await;
    }
}

pub(crate) fn tell(progress: Progress<'_>, descriptor: &Descriptor, state: LayerState) {
    progress(PullEvent::Layer { id: descriptor.digest.short().to_owned(), state });
}
