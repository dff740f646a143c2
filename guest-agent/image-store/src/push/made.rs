//! Pushing what was made here, whether it is in the store or not.

use super::manifest::{Family, index_of};
use super::settle_document;
use crate::attestation::{Attached, Outgoing};
use crate::digest::Digest;
use crate::error::ImageError;
use crate::progress::{PushEvent, PushProgress};
use crate::reference::ImageReference;
use crate::registry::{Credentials, Session};
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
        credentials: Option<&Credentials>,
        progress: PushProgress<'_>,
    ) -> Result<Digest, ImageError> {
        progress(PushEvent::RefersTo(reference.name()));
        if reference.digest().is_some() {
            return Err(ImageError::PushByDigest);
        }
        let tag = reference.tag().unwrap_or_default();
        let is_attested = images.iter().any(|image| image.attestation.is_some());
        let is_alone = images.len() == 1 && !is_attested;
        let family = if is_attested { Family::Oci } else { Family::Any };
        let (mut manifests, mut attached) = (Vec::with_capacity(images.len()), Vec::new());
        let mut last = None;
        for Outgoing { config, attestation } in images {
            let image = self.described(config)?;
            let put = self.put_image(reference, &image, family, credentials, progress).await?;
            let name = if is_alone { tag } else { put.manifest.digest.as_str() };
            put.session.put_manifest(name, &put.manifest).await?;
            self.note(reference, &image, &put)?;
            let platform = image.platform();
            if let Some(attestation) = attestation {
                let names = [reference.clone()];
                let said = attestation.attached(&put.manifest.digest, &platform, &names);
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

async fn put_attached(session: &Session, attached: &Attached) -> Result<(), ImageError> {
    for (digest, content) in &attached.blobs {
        settle_document(session, digest, content).await?;
    }
    let name = attached.manifest.digest.as_str();
    Ok(session.put_manifest(name, &attached.manifest).await?)
}
