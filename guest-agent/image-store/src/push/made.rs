//! Pushing what was made here, whether it is in the store or not.

use super::MediaTypes;
use crate::attestation::Outgoing;
use crate::digest::Digest;
use crate::error::ImageError;
use crate::progress::{PushEvent, PushProgress};
use crate::reference::ImageReference;
use crate::registry::Credentials;
use crate::store::ImageStore;

impl ImageStore {
    /// Pushes images: one by itself, several as those of different platforms behind one index,
    /// which is also where what is said of them stands. Their layers must be held. Gives the
    /// digest that the tag stands for then.
    ///
    /// Dropping the future cancels. What the registry got by then the next push finds there.
    pub async fn push_made(
        &self,
        reference: &ImageReference,
        images: Vec<Outgoing>,
        types: MediaTypes,
        credentials: Option<&Credentials>,
        progress: PushProgress<'_>,
    ) -> Result<Digest, ImageError> {
        progress(PushEvent::RefersTo(reference.name()));
        if reference.digest().is_some() {
            return Err(ImageError::PushByDigest);
        }
        let images = images
            .into_iter()
            .map(|Outgoing { config, attestation }| Ok((self.described(config)?, attestation)))
            .collect::<Result<_, ImageError>>()?;
        self.push_images(reference, images, types, credentials, progress).await
    }
}
