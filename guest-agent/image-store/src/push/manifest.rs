//! The manifest that a pushed image gets.

use serde::Serialize;
use serde_json::{Value, json};

use crate::attestation::Attached;
use crate::digest::Digest;
use crate::error::ImageError;
use crate::image::{Image, LayerBlob};
use crate::platform::Platform;
use crate::reference::ImageReference;
use crate::registry::{
    DOCKER_LIST, DOCKER_MANIFEST, ManifestDocument, OCI_INDEX, OCI_MANIFEST, Parsed,
};

const OCI: &str = "application/vnd.oci.";
const DOCKER_CONFIG: &str = "application/vnd.docker.container.image.v1+json";
const OCI_CONFIG: &str = "application/vnd.oci.image.config.v1+json";

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Manifest<'a> {
    schema_version: u32,
    media_type: &'a str,
    config: Blob<'a>,
    layers: Vec<Blob<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Blob<'a> {
    media_type: &'a str,
    size: u64,
    digest: &'a str,
}

/// Which media types a manifest may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MediaTypes {
    /// Those that it came with, or Docker's.
    Any,
    /// OCI's, because they are asked for, or because what is beside it has no others.
    Oci,
}

/// The manifest the image came with, if its layers are those; else one of our own, which for
/// the same blobs is always the same.
pub(super) fn manifest_of(
    image: &Image,
    blobs: &[LayerBlob],
    stored: Option<ManifestDocument>,
    (reference, types): (&ImageReference, MediaTypes),
) -> Result<ManifestDocument, ImageError> {
    let came_as_oci = stored.as_ref().is_some_and(|stored| stored.media_type.starts_with(OCI));
    let must_be_oci = types == MediaTypes::Oci;
    if let Some(stored) = stored
        && (came_as_oci || !must_be_oci)
        && let Parsed::Image(manifest) = stored.parse(&reference.familiar())?
        && manifest.config.digest == image.id
        && manifest.layers.iter().map(|layer| &layer.digest).eq(blobs.iter().map(|b| &b.digest))
    {
        return Ok(stored);
    }
    // Some media types are OCI's alone (zstd), and the two families are not mixed.
    let oci =
        must_be_oci || came_as_oci || blobs.iter().any(|blob| blob.media_type.starts_with(OCI));
    let layers = blobs.iter().map(|blob| Blob {
        media_type: if oci { oci_layer(&blob.media_type) } else { &blob.media_type },
        size: blob.size,
        digest: blob.digest.as_str(),
    });
    let manifest = Manifest {
        schema_version: 2,
        media_type: if oci { OCI_MANIFEST } else { DOCKER_MANIFEST },
        config: Blob {
            media_type: if oci { OCI_CONFIG } else { DOCKER_CONFIG },
            size: image.raw_config.len() as u64,
            digest: image.id.as_str(),
        },
        layers: layers.collect(),
    };
    let content = serde_json::to_vec(&manifest).map_err(|error| ImageError::Config {
        digest: image.id.clone(),
        reason: error.to_string(),
    })?;
    let digest = Digest::of(&content);
    Ok(ManifestDocument { digest, media_type: manifest.media_type.to_owned(), content })
}

/// The index of the manifests of several platforms, and of what is said of them; for the same
/// ones it is always the same.
pub(super) fn index_of(
    manifests: &[(Platform, ManifestDocument)],
    attached: &[Attached],
) -> ManifestDocument {
    let are_dockers = attached.is_empty()
        && manifests.iter().all(|(_, manifest)| manifest.media_type == DOCKER_MANIFEST);
    let media_type = if are_dockers { DOCKER_LIST } else { OCI_INDEX };
    let entries = manifests.iter().map(|(platform, manifest)| {
        json!({
            "mediaType": manifest.media_type,
            "size": manifest.content.len(),
            "digest": manifest.digest,
            "platform": platform.to_json(),
        })
    });
    let entries: Vec<Value> = entries.chain(attached.iter().map(Attached::entry)).collect();
    let index = json!({ "schemaVersion": 2, "mediaType": media_type, "manifests": entries });
    let content = index.to_string().into_bytes();
    let digest = Digest::of(&content);
    ManifestDocument { digest, media_type: media_type.to_owned(), content }
}

fn oci_layer(media_type: &str) -> &str {
    match media_type {
        "application/vnd.docker.image.rootfs.diff.tar.gzip" => {
            "application/vnd.oci.image.layer.v1.tar+gzip"
        }
        "application/vnd.docker.image.rootfs.diff.tar" => "application/vnd.oci.image.layer.v1.tar",
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn manifest(media_type: &str, content: &str) -> ManifestDocument {
        ManifestDocument {
            digest: Digest::of(content.as_bytes()),
            media_type: media_type.to_owned(),
            content: content.as_bytes().to_vec(),
        }
    }

    #[test]
    fn an_index_is_of_the_family_of_its_manifests() {
        let platform = |text: &str| text.parse::<Platform>().unwrap();
        let one = (platform("linux/amd64"), manifest(DOCKER_MANIFEST, "{}"));
        let other = (platform("linux/arm/v6"), manifest(DOCKER_MANIFEST, "{ }"));
        let list = index_of(&[one.clone(), other], &[]);
        assert_eq!(list.media_type, DOCKER_LIST);
        let Ok(Parsed::Index(_)) = list.parse("a") else { panic!("not an index: {list:?}") };
        let text: Value = serde_json::from_slice(&list.content).unwrap();
        assert_eq!(text["manifests"][1]["platform"]["variant"], "v6");
        assert_eq!(text["manifests"][0]["size"], 2);
        let oci = (platform("linux/arm64"), manifest(OCI_MANIFEST, "{}"));
        assert_eq!(index_of(&[one, oci], &[]).media_type, OCI_INDEX);
    }
}
