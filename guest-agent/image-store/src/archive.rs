//! Image archives: what `docker save` and OCI tools write.
//!
//! An archive may name its layers only at its end, so it is taken apart on disk first; then
//! each layer goes the way that a pulled one goes, with the same checks.

mod error;
mod parents;
mod plan;
mod platforms;
mod spool;

use std::collections::HashSet;
use std::fs::{self, File};
use std::io;
use std::sync::Arc;

use futures::{FutureExt, StreamExt, TryStreamExt, stream};
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::sync::mpsc;

pub use error::ArchiveError;

use crate::config::CheckedConfig;
use crate::digest::Digest;
use crate::error::ImageError;
use crate::image::{Image, LayerBlob, Loaded};
use crate::index::{NewImage, NewLayer};
use crate::ingest::{Expected, ingest_layer};
use crate::layers::Pin;
use crate::platform::Platform;
use crate::progress::{LayerState, Progress, PullEvent};
use crate::reference::ImageReference;
use crate::store::ImageStore;
use crate::stream::{Chunk, channel};
use crate::unpack::UnpackError;

use self::plan::{Parts, Planned, entries};
use self::spool::Spool;

const LAYERS_AT_ONCE: usize = 4;
const CHUNK: usize = 64 << 10;

impl ImageStore {
    /// Loads every image of an archive: `docker save` or OCI layout; plain, gzip or zstd.
    ///
    /// `platform` chooses among the entries of an index; without it all of them are loaded that
    /// the archive has. Images that were complete before an error stay. Dropping the future
    /// cancels.
    pub async fn load(
        &self,
        archive: impl AsyncRead + Send + Unpin,
        platform: Option<&Platform>,
        progress: Progress<'_>,
    ) -> Result<Vec<Loaded>, ImageError> {
        let spool = self.spool(archive).await?;
        let (spool, chosen) = (Arc::new(spool), platform.is_some());
        let reading = Arc::clone(&spool);
        let listed = move || entries(&reading, chosen);
        let (mut loaded, mut parents) = (Vec::new(), Vec::new());
        for entry in self.door().run("reading an archive", listed).await? {
            let (reading, wanted) = (Arc::clone(&spool), platform.cloned());
            let parts = move || entry.parts(&reading, wanted.as_ref());
            let Parts { names, images } = self.door().run("reading an archive", parts).await?;
            let is_alone = images.len() == 1;
            let mut members = Vec::with_capacity(images.len());
            for entry in images {
                let (reading, wanted) = (Arc::clone(&spool), platform.cloned());
                // One after the other: an archive may list any number of large configurations.
                let read = move || entry.read(&reading, wanted.as_ref());
                let image = self.door().run("reading an archive", read).await?;
                let parent = image.parent.clone();
                // Several get their names together.
                let name = names.first().filter(|_| is_alone);
                let loading = self.load_image(&spool, image, name, platform, progress);
                let image = loading.await?;
                parents.extend(parent.map(|parent| (image.id.clone(), parent)));
                members.push(image);
            }
            self.name_loaded(&members, names, &mut loaded)?;
        }
        self.link(&loaded, parents)?;
        Ok(loaded)
    }

    async fn spool(&self, mut archive: impl AsyncRead + Send + Unpin) -> Result<Spool, ImageError> {
        let (sender, reader, _consumed) = channel(0);
        let target = self.target();
        let spooled = self
            .intake()
            .run("reading an archive", move || Spool::read(reader, target.layers.ingest()?));
        let (spooled, fed) = tokio::join!(spooled, feed(&mut archive, sender));
        let refused = |error| ArchiveError::from(UnpackError::Read(error));
        // A failed sender makes the reader fail, too; the sender knows why.
        fed.map_err(refused)?;
        spooled
    }

    /// Gives images of several platforms their names.
    fn name_loaded(
        &self,
        members: &[Image],
        names: Vec<ImageReference>,
        loaded: &mut Vec<Loaded>,
    ) -> Result<(), ImageError> {
        let Some(first) = members.first() else { return Ok(()) };
        if names.is_empty() {
            let images = members.iter().cloned();
            loaded.extend(images.map(|image| Loaded { image, name: None }));
        }
        let ids: Vec<Digest> = members.iter().map(|image| image.id.clone()).collect();
        for name in names {
            self.tag_all(&ids, &name)?;
            loaded.push(Loaded { image: first.clone(), name: Some(name) });
        }
        Ok(())
    }

    async fn load_image(
        &self,
        spool: &Spool,
        image: Planned,
        name: Option<&ImageReference>,
        platform: Option<&Platform>,
        progress: Progress<'_>,
    ) -> Result<Image, ImageError> {
        let config = CheckedConfig::parse(&image.config)?;
        config.check_layer_count(image.layers.len())?;
        let found = config.platform();
        if let Some(wanted) = platform.filter(|wanted| wanted.rank(&found).is_none()) {
            return Err(ImageError::Platform {
                reference: name.map_or_else(|| config.id.to_string(), ImageReference::familiar),
                found: found.to_string(),
                wanted: wanted.to_string(),
            });
        }
        let _pins: Vec<Pin> =
            config.diff_ids.iter().map(|diff_id| self.layer_store().pin(diff_id)).collect();
        let wanted = config.diff_ids.iter().zip(&image.layers);
        self.check_room(self.bytes_to_come(spool, wanted.clone())?)?;
        let mut layers = Vec::with_capacity(config.diff_ids.len());
        for (diff_id, (name, blob)) in wanted {
            layers.push(self.load_layer(spool, diff_id, name, blob.as_ref(), progress).boxed());
        }
        stream::iter(layers).buffer_unordered(LAYERS_AT_ONCE).try_collect::<()>().await?;

        let layers = config
            .diff_ids
            .iter()
            .zip(image.layers)
            .map(|(diff_id, (_, blob))| NewLayer { diff_id: diff_id.clone(), blob })
            .collect();
        self.commit_image(NewImage {
            id: config.id,
            config: image.config,
            manifest: image.manifest,
            layers,
            tag: name.cloned(),
            repo_digest: None,
            parent: None,
        })
        .await
    }

    /// What the layers that are not here take in the archive; they do not become smaller.
    fn bytes_to_come<'a>(
        &self,
        spool: &Spool,
        wanted: impl Iterator<Item = (&'a Digest, &'a (String, Option<LayerBlob>))>,
    ) -> Result<u64, ImageError> {
        let (mut bytes, mut counted) = (0_u64, HashSet::new());
        for (diff_id, (name, _)) in wanted {
            if counted.insert(diff_id) && !self.has_layer(diff_id)? {
                let path = spool.find(name)?;
                let found = fs::metadata(&path).map_err(ImageError::io("inspect", &path))?;
                bytes = bytes.saturating_add(found.len());
            }
        }
        Ok(bytes)
    }

    async fn load_layer(
        &self,
        spool: &Spool,
        diff_id: &Digest,
        name: &str,
        blob: Option<&LayerBlob>,
        progress: Progress<'_>,
    ) -> Result<(), ImageError> {
        let tell = |state| progress(PullEvent::Layer { id: diff_id.short().to_owned(), state });
        let lock = self.layer_store().fetch_lock(diff_id);
        let _fetching = lock.lock().await;
        if self.has_layer(diff_id)? {
            tell(LayerState::AlreadyExists);
            return Ok(());
        }
        let path = spool.find(name)?;
        let file = File::open(&path).map_err(ImageError::io("open", &path))?;
        let total = file.metadata().map_err(ImageError::io("inspect", &path))?.len();
        if let Some(blob) = blob.filter(|blob| blob.size != total) {
            let (name, expected) = (name.to_owned(), blob.size);
            return Err(ArchiveError::Size { name, expected, actual: total }.into());
        }
        tell(LayerState::Extracting { current: 0, total });
        let expected =
            Expected { blob: blob.map(|blob| blob.digest.clone()), diff_id: diff_id.clone() };
        let target = self.target();
        self.door()
            .run("unpacking a layer", move || {
                ingest_layer(file, &expected, &target.layers, &target.index)
            })
            .await?;
        tell(LayerState::PullComplete);
        Ok(())
    }
}

/// Copies the archive into the channel, to its announced end.
async fn feed(
    archive: &mut (impl AsyncRead + Unpin),
    sender: mpsc::Sender<Chunk>,
) -> io::Result<()> {
    loop {
        let mut chunk = bytes::BytesMut::with_capacity(CHUNK);
        let next = match archive.read_buf(&mut chunk).await? {
            0 => Chunk::End,
            _ => Chunk::Data(chunk.freeze()),
        };
        let ended = matches!(next, Chunk::End);
        // A reader that went away says itself why.
        if sender.send(next).await.is_err() || ended {
            return Ok(());
        }
    }
}

/// Plans `archive` in a store at `root`; for tests of what it makes of broken ones.
#[cfg(test)]
pub(crate) fn check_plan(archive: &[u8], root: &std::path::Path) -> Result<usize, ImageError> {
    use crate::index::Index;
    use crate::layers::Layers;

    let layers = Layers::open(root, &Index::open(&root.join("index.db"))?)?;
    let spool = Spool::read(archive, layers.ingest()?)?;
    let mut count = 0;
    for entry in entries(&spool, false)? {
        for entry in entry.parts(&spool, None)?.images {
            entry.read(&spool, None)?;
            count += 1;
        }
    }
    Ok(count)
}
