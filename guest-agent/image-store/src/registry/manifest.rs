//! Manifests and indexes, OCI's and Docker's.

use serde::Deserialize;

use super::error::RegistryError;
use super::session::{Session, body};
use crate::digest::Digest;
use crate::platform::Platform;
use crate::reference::ImageReference;

pub(crate) const OCI_INDEX: &str = "application/vnd.oci.image.index.v1+json";
pub(crate) const OCI_MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
pub(crate) const DOCKER_LIST: &str = "application/vnd.docker.distribution.manifest.list.v2+json";
pub(crate) const DOCKER_MANIFEST: &str = "application/vnd.docker.distribution.manifest.v2+json";
const ACCEPTED: &str = "application/vnd.oci.image.index.v1+json, \
    application/vnd.oci.image.manifest.v1+json, \
    application/vnd.docker.distribution.manifest.list.v2+json, \
    application/vnd.docker.distribution.manifest.v2+json";

/// What the distribution specification asks registries to take, at least.
const MAX_MANIFEST: u64 = 4 << 20;
const MAX_CONFIG: u64 = 8 << 20;

/// Points at content (OCI image spec, "Content Descriptors").
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Descriptor {
    #[serde(default)]
    pub(crate) media_type: String,
    pub(crate) digest: Digest,
    pub(crate) size: u64,
    pub(crate) platform: Option<DescriptorPlatform>,
    #[serde(default)]
    pub(crate) annotations: Option<serde_json::Map<String, serde_json::Value>>,
}

/// The platform in an index's entry.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct DescriptorPlatform {
    #[serde(default)]
    os: String,
    #[serde(default)]
    architecture: String,
    variant: Option<String>,
}

impl From<DescriptorPlatform> for Platform {
    fn from(platform: DescriptorPlatform) -> Self {
        let DescriptorPlatform { os, architecture, variant } = platform;
        Self { os, architecture, variant }
    }
}

/// The bytes of a manifest or index, verified.
#[derive(Clone, Debug)]
pub(crate) struct ManifestDocument {
    pub(crate) digest: Digest,
    pub(crate) media_type: String,
    pub(crate) content: Vec<u8>,
}

/// The manifest of one image.
#[derive(Clone, Debug)]
pub(crate) struct ImageManifest {
    pub(crate) config: Descriptor,
    pub(crate) layers: Vec<Descriptor>,
}

/// What a document is.
#[derive(Clone, Debug)]
pub(crate) enum Parsed {
    /// One image.
    Image(ImageManifest),
    /// Several images; entries in order.
    Index(Vec<Descriptor>),
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Document {
    schema_version: Option<u32>,
    media_type: Option<String>,
    config: Option<Descriptor>,
    layers: Option<Vec<Descriptor>>,
    manifests: Option<Vec<Descriptor>>,
}

impl ManifestDocument {
    /// Tells an image from an index by the content, never by a header alone: what could be
    /// both is refused (CVE-2021-41190).
    pub(crate) fn parse(&self, reference: &str) -> Result<Parsed, RegistryError> {
        let media_type = |found: &str| RegistryError::MediaType {
            reference: reference.to_owned(),
            media_type: found.chars().filter(|letter| !letter.is_control()).take(100).collect(),
        };
        let invalid = |reason: String| RegistryError::Protocol {
            registry: reference.to_owned(),
            reason: format!("manifest {} is invalid: {reason}", self.digest),
        };
        let raw: serde_json::Value =
            serde_json::from_slice(&self.content).map_err(|error| invalid(error.to_string()))?;
        if raw.get("schemaVersion").and_then(serde_json::Value::as_u64) == Some(1) {
            return Err(RegistryError::Schema1 { reference: reference.to_owned() });
        }
        let document = Document::deserialize(raw).map_err(|error| invalid(error.to_string()))?;
        if document.schema_version != Some(2) {
            return Err(invalid("its schema version is not 2".to_owned()));
        }
        let declared = document.media_type.as_deref().unwrap_or(&self.media_type);
        match (document.config, document.layers, document.manifests) {
            (Some(config), Some(layers), None) => {
                if matches!(declared, OCI_INDEX | DOCKER_LIST) {
                    return Err(invalid("it is an image by content, an index by type".to_owned()));
                }
                if !is_image_config(&config.media_type) {
                    return Err(media_type(&config.media_type));
                }
                Ok(Parsed::Image(ImageManifest { config, layers }))
            }
            (None, None, Some(manifests)) => {
                if matches!(declared, OCI_MANIFEST | DOCKER_MANIFEST) {
                    return Err(invalid("it is an index by content, an image by type".to_owned()));
                }
                Ok(Parsed::Index(manifests))
            }
            (None, None, None) => Err(media_type(declared)),
            _ => Err(invalid("it is neither an image nor an index".to_owned())),
        }
    }
}

fn is_image_config(media_type: &str) -> bool {
    matches!(
        media_type,
        "application/vnd.oci.image.config.v1+json"
            | "application/vnd.docker.container.image.v1+json"
            // Written by old tools.
            | "application/octet-stream"
            | ""
    )
}

/// The entry that serves `wanted` best; the first among equals, as Docker takes it.
pub(crate) fn choose<'a>(entries: &'a [Descriptor], wanted: &Platform) -> Option<&'a Descriptor> {
    entries
        .iter()
        .filter_map(|entry| {
            let platform: Platform = entry.platform.clone()?.into();
            Some((wanted.rank(&platform)?, entry))
        })
        .min_by_key(|(rank, _)| *rank)
        .map(|(_, entry)| entry)
}

impl Session {
    /// The document that `reference`, in the session's repository, names.
    pub(crate) async fn named_manifest(
        &self,
        reference: &ImageReference,
    ) -> Result<ManifestDocument, RegistryError> {
        let name = match (reference.digest(), reference.tag()) {
            (Some(digest), _) => digest.as_str(),
            (None, Some(tag)) => tag,
            (None, None) => "latest",
        };
        self.manifest(name, reference.digest()).await
    }

    /// The document an index's entry points at.
    pub(crate) async fn entry_manifest(
        &self,
        entry: &Descriptor,
    ) -> Result<ManifestDocument, RegistryError> {
        let document = self.manifest(entry.digest.as_str(), Some(&entry.digest)).await?;
        check_size("manifest", entry, document.content.len() as u64)?;
        Ok(document)
    }

    async fn manifest(
        &self,
        name: &str,
        expected: Option<&Digest>,
    ) -> Result<ManifestDocument, RegistryError> {
        let response = self.get(&format!("manifests/{name}"), Some(ACCEPTED), 0).await?;
        let media_type = response
            .headers()
            .get(reqwest::header::CONTENT_TYPE)
            .and_then(|value| value.to_str().ok())
            .and_then(|value| value.split(';').next())
            .unwrap_or_default()
            .trim()
            .to_owned();
        let content = self.small(response, "manifest", MAX_MANIFEST).await?;
        let digest = Digest::of(&content);
        check_digest("manifest", &digest, expected)?;
        Ok(ManifestDocument { digest, media_type, content })
    }

    /// The bytes of an image's configuration.
    pub(crate) async fn config(&self, descriptor: &Descriptor) -> Result<Vec<u8>, RegistryError> {
        let response = self.get(&format!("blobs/{}", descriptor.digest), None, 0).await?;
        let content = self.small(response, "configuration", MAX_CONFIG).await?;
        check_size("configuration", descriptor, content.len() as u64)?;
        check_digest("configuration", &Digest::of(&content), Some(&descriptor.digest))?;
        Ok(content)
    }

    async fn small(
        &self,
        response: reqwest::Response,
        what: &'static str,
        limit: u64,
    ) -> Result<Vec<u8>, RegistryError> {
        body(response, limit).await.map_err(|source| self.unreachable(source))?.ok_or_else(|| {
            let reference = self.purpose().reference();
            let reference = reference.map_or_else(|| self.registry(), ImageReference::familiar);
            RegistryError::TooLarge { what, reference, limit }
        })
    }
}

fn check_size(
    what: &'static str,
    descriptor: &Descriptor,
    actual: u64,
) -> Result<(), RegistryError> {
    if actual == descriptor.size {
        return Ok(());
    }
    let (digest, expected) = (descriptor.digest.clone(), descriptor.size);
    Err(RegistryError::SizeMismatch { what, digest, actual, expected })
}

fn check_digest(
    what: &'static str,
    actual: &Digest,
    expected: Option<&Digest>,
) -> Result<(), RegistryError> {
    match expected {
        Some(expected) if expected != actual => Err(RegistryError::DigestMismatch {
            what,
            actual: actual.clone(),
            expected: expected.clone(),
        }),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(content: &str, media_type: &str) -> Result<Parsed, RegistryError> {
        ManifestDocument {
            digest: Digest::of(content.as_bytes()),
            media_type: media_type.to_owned(),
            content: content.as_bytes().to_owned(),
        }
        .parse("a:1")
    }

    fn descriptor() -> String {
        format!(r#"{{"mediaType":"","digest":"{}","size":1}}"#, Digest::of(b"x"))
    }

    #[test]
    fn images_and_indexes_are_told_apart_by_content() {
        let image = format!(r#"{{"schemaVersion":2,"config":{},"layers":[]}}"#, descriptor());
        let index = r#"{"schemaVersion":2,"manifests":[]}"#;
        assert!(matches!(parse(&image, OCI_MANIFEST), Ok(Parsed::Image(_))));
        assert!(matches!(parse(index, OCI_INDEX), Ok(Parsed::Index(_))));
        parse(&image, OCI_INDEX).expect_err("type and content differ");
        parse(index, DOCKER_MANIFEST).expect_err("type and content differ");
        let both = format!(
            r#"{{"schemaVersion":2,"config":{},"layers":[],"manifests":[]}}"#,
            descriptor()
        );
        parse(&both, OCI_MANIFEST).expect_err("it could be both");
    }

    #[test]
    fn the_obsolete_schema_is_refused_by_name() {
        let error = parse(r#"{"schemaVersion":1,"fsLayers":[]}"#, "").expect_err("refused");
        assert!(matches!(error, RegistryError::Schema1 { .. }), "{error}");
    }
}
