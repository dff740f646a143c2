//! Layers and images that are made here, not fetched: of what a container has changed, or of a
//! file system's archive.
//!
//! They go the way that a pulled layer goes, except that nobody has promised their digests.

use std::collections::HashSet;
use std::io::{self, BufWriter, Read, Write};
use std::path::{Path, PathBuf};
use std::thread;

use crate::config::CheckedConfig;
use crate::digest::Digest;
use crate::error::ImageError;
use crate::image::Image;
use crate::index::{NewImage, NewLayer};
use crate::ingest::{Received, receive_layer, record_layer};
use crate::layers::Pin;
use crate::reference::ImageReference;
use crate::store::ImageStore;

/// What messages call a layer that has no digest yet.
const NEW: &str = "to be made";
const BUFFER: usize = 128 << 10;
/// Of the archive without members, which Docker adds to no image.
const EMPTY_DIFF_ID: &str =
    "sha256:5f70bf18a086007016e948b04aed3b82103a36bea41755b6cddfaf10ace3c6ef";

/// A layer that stays while this lives, or for as long as an image has it.
#[derive(Debug)]
pub struct MadeLayer {
    diff_id: Digest,
    path: PathBuf,
    size: u64,
    _pin: Pin,
}

impl MadeLayer {
    /// The digest of its tar.
    pub fn diff_id(&self) -> &Digest {
        &self.diff_id
    }

    /// The unpacked directory, ready as an overlay `lowerdir`.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Bytes of its files, unpacked.
    pub fn size(&self) -> u64 {
        self.size
    }
}

/// An image to be added.
#[derive(Debug)]
pub struct MadeImage<'a> {
    /// Whose layers it stands on.
    pub base: Option<&'a Image>,
    /// Its own layer, if it has one.
    pub layer: Option<MadeLayer>,
    /// Its configuration, which names all layers.
    pub config: Vec<u8>,
    /// Its name.
    pub tag: Option<ImageReference>,
}

impl ImageStore {
    /// Makes a layer of the tar that `write` writes, on a thread of its own, as fast as it is
    /// unpacked; none of one without members. When `write` fails there is no layer.
    pub async fn make_layer(
        &self,
        write: impl FnOnce(&mut dyn Write) -> io::Result<()> + Send + 'static,
    ) -> Result<Option<MadeLayer>, ImageError> {
        let target = self.target();
        let made = move || {
            let layers = &target.layers;
            through_pipe(write, |tar| receive_layer(tar, NEW, layers))
        };
        let received = self.door().run("making a layer", made).await?;
        if received.diff_id.as_str() == EMPTY_DIFF_ID {
            return Ok(None);
        }
        self.keep_layer(received).await.map(Some)
    }

    /// Makes a layer of the directory `files`, which is taken away from where it is, on the same
    /// file system. `write` writes the tar of it, which has all that is in it; a whiteout lies
    /// there as overlayfs has it. Of a tar without members there is none. Then, and when `write`
    /// fails, the directory stays.
    pub async fn adopt_layer(
        &self,
        files: PathBuf,
        write: impl FnOnce(&mut dyn Write) -> io::Result<()> + Send + 'static,
    ) -> Result<Option<MadeLayer>, ImageError> {
        let target = self.target();
        let made = move || {
            let layers = &target.layers;
            let received = through_pipe(write, |tar| record_layer(tar, layers))?;
            if received.diff_id.as_str() != EMPTY_DIFF_ID {
                received.ingest.adopt(&files)?;
            }
            Ok(received)
        };
        let received = self.door().run("making a layer", made).await?;
        if received.diff_id.as_str() == EMPTY_DIFF_ID {
            return Ok(None);
        }
        self.keep_layer(received).await.map(Some)
    }

    /// Makes a layer of a file system's archive: plain, gzip, bzip2, xz or zstd. It may come
    /// from a client as slowly as that pleases.
    pub async fn take_layer(
        &self,
        archive: impl Read + Send + 'static,
    ) -> Result<MadeLayer, ImageError> {
        let target = self.target();
        let received = move || receive_layer(archive, NEW, &target.layers);
        let received = self.intake().run("reading an archive", received).await?;
        self.keep_layer(received).await
    }

    /// Holds a layer that is there; none if it is not.
    pub fn hold_layer(&self, diff_id: &Digest) -> Result<Option<MadeLayer>, ImageError> {
        // Before its row is looked for, so that it cannot go in between.
        let pin = self.layer_store().pin(diff_id);
        let row = self.index().layer(diff_id)?;
        Ok(row.map(|row| MadeLayer {
            diff_id: diff_id.clone(),
            path: self.layer_store().path(&row),
            size: row.size,
            _pin: pin,
        }))
    }

    /// Deletes the layers that nothing needs, and gives their digests and sizes.
    pub async fn collect(&self) -> Result<Vec<(Digest, u64)>, ImageError> {
        let collected = self.collect_layers().await?;
        Ok(collected.into_iter().map(|layer| (layer.diff_id, layer.size)).collect())
    }

    /// The layers that an image has.
    pub fn layers_of_images(&self) -> Result<HashSet<Digest>, ImageError> {
        self.index().image_layers()
    }

    /// Makes what was unpacked part of the store, unless it is there already.
    async fn keep_layer(&self, received: Received) -> Result<MadeLayer, ImageError> {
        let Received { ingest, diff_id, size, .. } = received;
        let _pin = self.layer_store().pin(&diff_id);
        // A pull may bring the same layer just now.
        let lock = self.layer_store().fetch_lock(&diff_id);
        let _alone = lock.lock().await;
        if self.has_layer(&diff_id)? {
            // Deleting it takes its time.
            self.door()
                .run("dropping a layer", move || {
                    drop(ingest);
                    Ok(())
                })
                .await?;
        } else {
            let (target, diff_id) = (self.target(), diff_id.clone());
            let kept = move || target.layers.commit(&ingest, diff_id, size, &target.index);
            self.door().run("keeping a layer", kept).await?;
        }
        let gone = || ImageError::NotFound { name: diff_id.to_string() };
        self.hold_layer(&diff_id)?.ok_or_else(gone)
    }

    /// Adds an image made here. It exists, with its name, or nothing has happened.
    pub async fn add_image(&self, made: MadeImage<'_>) -> Result<Image, ImageError> {
        let MadeImage { base, layer, config, tag } = made;
        let checked = CheckedConfig::parse(&config)?;
        let _pins: Vec<Pin> =
            checked.diff_ids.iter().map(|diff_id| self.layer_store().pin(diff_id)).collect();
        for diff_id in &checked.diff_ids {
            if self.index().layer(diff_id)?.is_none() {
                return Err(ImageError::NotFound { name: diff_id.to_string() });
            }
        }
        let known = base.map_or(&[][..], |base| base.layers.as_slice());
        let blob = |diff_id: &Digest| {
            let known = known.iter().find(|layer| layer.diff_id == *diff_id)?;
            known.blob.clone()
        };
        let layers = checked.diff_ids.iter();
        let layers = layers
            .map(|diff_id| NewLayer { diff_id: diff_id.clone(), blob: blob(diff_id) })
            .collect();
        let image = NewImage {
            id: checked.id,
            config,
            manifest: None,
            layers,
            tag,
            repo_digest: None,
            parent: base.map(|base| base.id.clone()),
        };
        let added = self.commit_image(image).await;
        // Until here, so that it was not collected.
        drop(layer);
        added
    }
}

/// Has `read` read what `write` writes. Blocks.
fn through_pipe(
    write: impl FnOnce(&mut dyn Write) -> io::Result<()> + Send,
    read: impl FnOnce(io::PipeReader) -> Result<Received, ImageError>,
) -> Result<Received, ImageError> {
    let failed = || ImageError::io("pack", Path::new("a layer"));
    let (reader, writer) = io::pipe().map_err(failed())?;
    thread::scope(|scope| {
        let packing = move || {
            let mut out = BufWriter::with_capacity(BUFFER, writer);
            let written = write(&mut out).and_then(|()| out.flush());
            // What is left in it after an error is half a member.
            drop(out.into_parts());
            written
        };
        let packer = thread::Builder::new().name("pack".to_owned());
        let packer = packer.spawn_scoped(scope, packing).map_err(failed())?;
        let received = read(reader);
        let written = packer.join().unwrap_or_else(|_| Err(io::Error::other("it panicked")));
        match written {
            // The reader went away, and knows itself why.
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe && received.is_err() => {}
            written => written.map_err(failed())?,
        }
        received
    })
}
