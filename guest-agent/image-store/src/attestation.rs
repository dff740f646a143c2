//! What whoever made an image says of it, beside the image: a manifest of its own in the index,
//! as BuildKit stores it ("Image Attestation Storage" of BuildKit's documentation).
//!
//! ```text
//! index ─┬─► manifest ─► configuration, layers            what is run
//!        └─► manifest ─► configuration, one statement     unknown/unknown, so that nobody runs it
//! ```

use serde_json::{Value, json};

use crate::digest::Digest;
use crate::platform::Platform;
use crate::reference::ImageReference;
use crate::registry::{ManifestDocument, OCI_MANIFEST};

const STATEMENT: &str = "https://in-toto.io/Statement/v0.1";
const STATEMENT_TYPE: &str = "application/vnd.in-toto+json";
const CONFIG_TYPE: &str = "application/vnd.oci.image.config.v1+json";

/// What is said of an image.
#[derive(Clone, Debug, PartialEq)]
pub struct Attestation {
    /// The URI of the words that it is said in.
    pub predicate_type: &'static str,
    /// What is said.
    pub predicate: Value,
}

/// An image that was made here, as it goes elsewhere.
#[derive(Clone, Debug, PartialEq)]
pub struct Outgoing {
    /// Its configuration, which names all layers.
    pub config: Vec<u8>,
    /// What is said of it.
    pub attestation: Option<Attestation>,
}

/// An attestation of one manifest.
#[derive(Debug)]
pub(crate) struct Attached {
    /// The statement and the configuration.
    pub(crate) blobs: [(Digest, Vec<u8>); 2],
    pub(crate) manifest: ManifestDocument,
    subject: Digest,
}

impl Attestation {
    /// Says it of the manifest `subject`, which is for this platform and has these names.
    pub(crate) fn attached(
        &self,
        subject: &Digest,
        platform: &Platform,
        names: &[ImageReference],
    ) -> Attached {
        let mut names: Vec<String> = names.iter().map(|name| name.package_url(platform)).collect();
        if names.is_empty() {
            names.push("_".to_owned());
        }
        let digest = json!({ "sha256": subject.hex() });
        let subjects: Vec<Value> =
            names.iter().map(|name| json!({ "name": name, "digest": digest })).collect();
        let statement = document(&json!({
            "_type": STATEMENT,
            "predicateType": self.predicate_type,
            "subject": subjects,
            "predicate": self.predicate,
        }));
        let layer = Digest::of(&statement);
        // It says nothing, and is there for who expects an image.
        let config = document(&json!({
            "architecture": "unknown",
            "os": "unknown",
            "config": {},
            "rootfs": { "type": "layers", "diff_ids": [layer] },
        }));
        let config_digest = Digest::of(&config);
        let content = document(&json!({
            "schemaVersion": 2,
            "mediaType": OCI_MANIFEST,
            "config": {
                "mediaType": CONFIG_TYPE, "digest": config_digest, "size": config.len(),
            },
            "layers": [{
                "mediaType": STATEMENT_TYPE,
                "digest": layer,
                "size": statement.len(),
                "annotations": { "in-toto.io/predicate-type": self.predicate_type },
            }],
        }));
        let manifest = ManifestDocument {
            digest: Digest::of(&content),
            media_type: OCI_MANIFEST.to_owned(),
            content,
        };
        let blobs = [(layer, statement), (config_digest, config)];
        Attached { blobs, manifest, subject: subject.clone() }
    }
}

impl Attached {
    /// Its entry in the index.
    pub(crate) fn entry(&self) -> Value {
        json!({
            "mediaType": self.manifest.media_type,
            "digest": self.manifest.digest,
            "size": self.manifest.content.len(),
            "annotations": {
                "vnd.docker.reference.digest": self.subject,
                "vnd.docker.reference.type": "attestation-manifest",
            },
            "platform": { "architecture": "unknown", "os": "unknown" },
        })
    }
}

fn document(value: &Value) -> Vec<u8> {
    value.to_string().into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_statement_is_of_the_manifest_and_its_entry_says_so() {
        let attestation =
            Attestation { predicate_type: "https://host/words", predicate: json!({ "a": 1 }) };
        let (subject, platform) = (Digest::of(b"manifest"), Platform::host());
        let names = ["host:5000/app:1".parse().unwrap()];
        let attached = attestation.attached(&subject, &platform, &names);
        let [(digest, statement), (config, _)] = &attached.blobs;
        let read = |bytes: &[u8]| serde_json::from_slice::<Value>(bytes).unwrap();
        let said = read(statement);
        let name = format!("pkg:docker/host:5000/app@1?platform=linux%2F{}", platform.architecture);
        assert_eq!(said["subject"][0]["name"], name);
        assert_eq!(said["subject"][0]["digest"]["sha256"], subject.hex());
        assert_eq!(said["predicate"]["a"], 1);
        let manifest = read(&attached.manifest.content);
        assert_eq!(manifest["layers"][0]["digest"], digest.as_str());
        assert_eq!(manifest["config"]["digest"], config.as_str());
        let entry = attached.entry();
        assert_eq!(entry["annotations"]["vnd.docker.reference.digest"], subject.as_str());
        assert_eq!(entry["digest"], attached.manifest.digest.as_str());
        let nameless = attestation.attached(&subject, &platform, &[]);
        assert_eq!(read(&nameless.blobs[0].1)["subject"][0]["name"], "_");
    }
}
