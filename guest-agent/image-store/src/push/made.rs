//! Pushing what was made here, whether it is in the store or not.

use super::manifest::index_of;
use crate::digest::Digest;
use crate::error::ImageError;
use crate::progress::{PushEvent, PushProgress};
use crate::reference::ImageReference;
use crate::registry::Credentials;
use crate::store::ImageStore;

impl ImageStore {
    /// Pushes images by their configurations: one by itself, several as those of different
    /// platforms behind one index. Their layers must be held. Gives the digest that the tag stands
    /// for then.
    ///
    /// Dropping the future cancels. What the registry got by then the next push finds there.
    pub async fn push_made(
        &self,
        reference: &ImageReference,
        configs: Vec<Vec<u8>>,
        credentials: Option<&Credentials>,
        progress: PushProgress<'_>,
    ) -> Result<Digest, ImageError> {
        progress(PushEvent::RefersTo(reference.name()));
        if reference.digest().is_some() {
            return Err(ImageError::PushByDigest);
        }
        let tag = reference.tag().unwrap_or_default();
        let mut manifests = Vec::with_capacity(configs.len());
        let mut last = None;
        let is_one = configs.len() == 1;
        for config in configs {
            let image = self.described(config)?;
            let put = self.put_image(reference, &image, credentials, progress).await?;
            let name = if is_one { tag } else { put.manifest.digest.as_str() };
            put.session.put_manifest(name, &put.manifest).await?;
            self.note(reference, &image, &put)?;
            manifests.push((image.platform(), put.manifest));
            last = Some(put.session);
        }
        let document = match manifests.as_slice() {
            [(_, manifest)] => manifest.clone(),
            manifests => index_of(manifests),
        };
        if let Some(session) = last.filter(|_| !is_one) {
            session.put_manifest(tag, &document).await?;
        }
        progress(PushEvent::Pushed {
            tag: tag.to_owned(),
            digest: document.digest.clone(),
            size: document.content.len() as u64,
        });
        Ok(document.digest)
    }
}
