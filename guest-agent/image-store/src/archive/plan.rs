//! Which images an archive holds: `manifest.json` of `docker save`, or an OCI layout.

use serde::Deserialize;

use super::error::ArchiveError;
use super::platforms;
use super::spool::{Spool, blob_name};
use crate::digest::Digest;
use crate::error::ImageError;
use crate::image::LayerBlob;
use crate::index::NewManifest;
use crate::platform::Platform;
use crate::reference::ImageReference;
use crate::registry::{Descriptor, ManifestDocument, Parsed, RegistryError, choose};

const DOCKER_MANIFEST: &str = "manifest.json";
const OCI_INDEX: &str = "index.json";
const CONTAINERD_NAME: &str = "io.containerd.image.name";
const OCI_REF_NAME: &str = "org.opencontainers.image.ref.name";
const MAX_INDEX_DEPTH: usize = 3;

/// An image to be loaded.
#[derive(Debug)]
pub(super) struct Planned {
    pub(super) config: Vec<u8>,
    /// The layers' names in the archive, bottom first, with what is known of them.
    pub(super) layers: Vec<(String, Option<LayerBlob>)>,
    pub(super) manifest: Option<NewManifest>,
    /// The image that it was made of, as the archive says.
    pub(super) parent: Option<Digest>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct DockerImage {
    config: String,
    repo_tags: Option<Vec<String>>,
    layers: Option<Vec<String>>,
    #[serde(default)]
    parent: String,
}

#[derive(Deserialize)]
struct OciIndex {
    manifests: Vec<Descriptor>,
}

/// An image that an archive lists.
#[derive(Debug)]
pub(super) enum Entry {
    Docker(DockerImage),
    Oci(Descriptor),
}

/// What an entry leads to.
#[derive(Debug)]
pub(super) struct Parts {
    /// The names of all of it.
    pub(super) names: Vec<ImageReference>,
    /// One image for each platform, and what the names stand for without one first.
    pub(super) images: Vec<Entry>,
}

/// What `spool` lists. Docker writes both forms; its own is the fuller one, but lists one image for
/// each name, so that platforms are looked for in the other.
pub(super) fn entries(spool: &Spool, for_platform: bool) -> Result<Vec<Entry>, ImageError> {
    let has_index = spool.find(OCI_INDEX).is_ok();
    if spool.find(DOCKER_MANIFEST).is_ok() {
        // One that is of no use is not missed.
        let has_several =
            || listed(spool).is_ok_and(|listed| platforms::has_several(spool, &listed));
        if !(has_index && (for_platform || has_several())) {
            let images: Vec<DockerImage> = json(DOCKER_MANIFEST, &spool.small(DOCKER_MANIFEST)?)?;
            return Ok(images.into_iter().map(Entry::Docker).collect());
        }
    }
    if !has_index {
        return Err(ArchiveError::NoManifest.into());
    }
    Ok(listed(spool)?.into_iter().map(Entry::Oci).collect())
}

fn listed(spool: &Spool) -> Result<Vec<Descriptor>, ImageError> {
    let index: OciIndex = json(OCI_INDEX, &spool.small(OCI_INDEX)?)?;
    Ok(index.manifests)
}

impl Entry {
    /// What it leads to; of several platforms only the one that is wanted, if one is.
    pub(super) fn parts(
        self,
        spool: &Spool,
        platform: Option<&Platform>,
    ) -> Result<Parts, ImageError> {
        let names = match &self {
            Self::Docker(image) => image
                .repo_tags
                .iter()
                .flatten()
                .map(|name| Ok(name.parse()?))
                .collect::<Result<_, ImageError>>()?,
            Self::Oci(entry) => name_of(entry).into_iter().collect(),
        };
        let images = match &self {
            Self::Oci(entry) if platform.is_none() => platforms::of(spool, entry)?,
            _ => Vec::new(),
        };
        let images = match images.as_slice() {
            [] => vec![self],
            _ => images.into_iter().map(Self::Oci).collect(),
        };
        Ok(Parts { names, images })
    }

    /// Reads what the archive has of it; of several platforms this machine's, if none is wanted.
    pub(super) fn read(
        self,
        spool: &Spool,
        platform: Option<&Platform>,
    ) -> Result<Planned, ImageError> {
        match self {
            Self::Docker(image) => docker_image(spool, image),
            Self::Oci(entry) => {
                oci_image(spool, &entry, &platform.cloned().unwrap_or_else(Platform::host))
            }
        }
    }
}

fn docker_image(spool: &Spool, image: DockerImage) -> Result<Planned, ImageError> {
    let config = spool.small(&image.config)?;
    // The name is the digest; what does not fit it was tampered with.
    let stem = image.config.rsplit('/').next().unwrap_or_default().trim_end_matches(".json");
    let actual = Digest::of(&config);
    if stem.len() == 64 && actual.hex() != stem {
        let (name, expected) = (image.config.clone(), stem.to_owned());
        return Err(ArchiveError::Digest { name, expected }.into());
    }
    let layers = image.layers.unwrap_or_default().into_iter().map(|name| (name, None)).collect();
    // One that is none is not worth a refusal.
    let parent = image.parent.parse().ok();
    Ok(Planned { config, layers, manifest: None, parent })
}

fn oci_image(
    spool: &Spool,
    entry: &Descriptor,
    platform: &Platform,
) -> Result<Planned, ImageError> {
    let shown = shown(entry);
    let mut digest = entry.digest.clone();
    for _ in 0..=MAX_INDEX_DEPTH {
        let content = spool.small_blob(&digest)?;
        let media_type = entry.media_type.clone();
        let document = ManifestDocument { digest: digest.clone(), media_type, content };
        match document.parse(&shown)? {
            Parsed::Image(manifest) => {
                let layers = manifest
                    .layers
                    .into_iter()
                    .map(|Descriptor { digest, size, media_type, .. }| {
                        (blob_name(&digest), Some(LayerBlob { digest, size, media_type }))
                    })
                    .collect();
                let ManifestDocument { digest, media_type, content } = document;
                return Ok(Planned {
                    config: spool.small_blob(&manifest.config.digest)?,
                    layers,
                    manifest: Some(NewManifest { digest, media_type, content }),
                    parent: None,
                });
            }
            Parsed::Index(entries) => {
                let chosen =
                    choose(&entries, platform).ok_or_else(|| no_platform(platform, &shown))?;
                digest = chosen.digest.clone();
            }
        }
    }
    Err(no_platform(platform, &shown).into())
}

fn no_platform(platform: &Platform, reference: &str) -> RegistryError {
    let (platform, reference) = (platform.to_string(), reference.to_owned());
    RegistryError::NoPlatform { platform, reference }
}

/// What messages call it.
pub(super) fn shown(entry: &Descriptor) -> String {
    name_of(entry).map_or_else(|| OCI_INDEX.to_owned(), |name| name.familiar())
}

/// An entry's name; a bare tag, as `skopeo` writes it, names no repository.
fn name_of(entry: &Descriptor) -> Option<ImageReference> {
    let annotation = |key| entry.annotations.as_ref()?.get(key)?.as_str();
    annotation(CONTAINERD_NAME)
        .or_else(|| annotation(OCI_REF_NAME).filter(|name| name.contains([':', '/'])))?
        .parse()
        .ok()
}

fn json<'a, T: Deserialize<'a>>(name: &str, content: &'a [u8]) -> Result<T, ArchiveError> {
    serde_json::from_slice(content)
        .map_err(|source| ArchiveError::Json { name: name.to_owned(), source })
}
