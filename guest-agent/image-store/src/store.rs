//! The store's front door.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio::io::AsyncRead;

use crate::digest::Digest;
use crate::error::ImageError;
use crate::image::{Image, InUse, Loaded, Pulled, Removed};
use crate::platform::Platform;
use crate::progress::Progress;
use crate::reference::ImageReference;
use crate::registry::{Credentials, RegistryConfig};

/// Says which container needs an image; a running one is to be preferred.
pub type Users<'a> = &'a (dyn Fn(&Digest) -> Option<InUse> + Send + Sync);

/// All images of one engine, under one directory. Clones share everything.
#[derive(Clone, Debug)]
pub struct ImageStore {
    _shared: Arc<()>,
}

macro_rules! later {
    ($operation:literal) => {
        Err(ImageError::Interrupted { operation: $operation })
    };
}

impl ImageStore {
    /// Opens the store at `root`, made if missing, and sweeps what a crash left half-done.
    pub async fn open(root: &Path, config: RegistryConfig) -> Result<Self, ImageError> {
        let _ = (root, config);
        Ok(Self { _shared: Arc::new(()) })
    }

    /// Pulls `reference`. Dropping the future cancels; nothing half-done is ever used.
    pub async fn pull(
        &self,
        reference: &ImageReference,
        platform: Option<&Platform>,
        credentials: Option<&Credentials>,
        progress: Progress<'_>,
    ) -> Result<Pulled, ImageError> {
        let _ = (reference, platform, credentials, progress);
        later!("pull")
    }

    /// All images, newest first.
    pub fn list(&self) -> Result<Vec<Image>, ImageError> {
        later!("list")
    }

    /// The image that `name` means: a reference, an id or a unique prefix of one.
    pub fn resolve(&self, name: &str) -> Result<Image, ImageError> {
        let _ = name;
        later!("resolve")
    }

    /// Gives the image another name, which it takes away from whatever had it.
    pub fn tag(&self, image_id: &Digest, target: &ImageReference) -> Result<(), ImageError> {
        let _ = (image_id, target);
        later!("tag")
    }

    /// Removes a name, and the image with its last one.
    pub async fn remove(
        &self,
        name: &str,
        force: bool,
        users: Users<'_>,
    ) -> Result<Vec<Removed>, ImageError> {
        let _ = (name, force, users);
        later!("remove")
    }

    /// Deletes images without names (all unused ones with `all`), and every layer nothing needs.
    pub async fn prune(&self, all: bool, users: Users<'_>) -> Result<Vec<Removed>, ImageError> {
        let _ = (all, users);
        later!("prune")
    }

    /// The image's layer directories, bottom first.
    pub fn layers(&self, image_id: &Digest) -> Result<Vec<PathBuf>, ImageError> {
        let _ = image_id;
        later!("layers")
    }

    /// Loads every image of an archive (`docker save` or OCI layout; plain, gzip or zstd).
    pub async fn load(
        &self,
        archive: impl AsyncRead + Send + Unpin,
        platform: Option<&Platform>,
        progress: Progress<'_>,
    ) -> Result<Vec<Loaded>, ImageError> {
        let _ = (archive, platform, progress);
        later!("load")
    }
}
