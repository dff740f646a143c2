//! What an archive says of the images in it, in both of its languages.

use std::collections::HashMap;

use serde_json::{Map, Value, json};

use super::{Chosen, blob_name};
use crate::digest::Digest;
use crate::reference::ImageReference;

const OCI_INDEX: &str = "application/vnd.oci.image.index.v1+json";
const OCI_MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const OCI_CONFIG: &str = "application/vnd.oci.image.config.v1+json";
/// Layers are written uncompressed: their digests are then those of the configuration, whatever
/// they came as.
const OCI_LAYER: &str = "application/vnd.oci.image.layer.v1.tar";

/// The small files of an archive.
#[derive(Debug)]
pub(super) struct Documents {
    /// Names and contents.
    pub(super) files: Vec<(&'static str, Vec<u8>)>,
    /// Configurations and manifests, each once.
    pub(super) blobs: Vec<(Digest, Vec<u8>)>,
}

impl Documents {
    /// Of images whose layers have these sizes.
    pub(super) fn of(images: &[Chosen], sizes: &HashMap<Digest, u64>) -> Self {
        let mut blobs = Vec::new();
        let (mut entries, mut rows) = (Vec::new(), Vec::new());
        let mut repositories = Map::new();
        for chosen in images {
            let (layers, descriptors) = layers_of(chosen, sizes);
            let manifest = manifest_of(chosen, &descriptors);
            let digest = Digest::of(&manifest);
            let entry = descriptor(OCI_MANIFEST, &digest, manifest.len() as u64);
            entries.extend(index_entries(&entry, chosen));
            let mut row = docker_row(chosen, &layers, &descriptors);
            // As Docker: only what is in the archive, too, counts.
            if let Some(parent) = &chosen.image.parent
                && images.iter().any(|other| other.image.id == *parent)
            {
                row["Parent"] = parent.to_string().into();
            }
            rows.push(row);
            for name in &chosen.names {
                if let (Some(tag), Some(top)) = (name.tag(), layers.last()) {
                    repositories.entry(name.familiar_name()).or_insert_with(|| json!({}))[tag] =
                        top.hex().into();
                }
            }
            blobs.push((chosen.image.id.clone(), chosen.image.raw_config.clone()));
            blobs.push((digest, manifest));
        }
        let index = json!({ "schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": entries });
        let mut files = vec![
            ("oci-layout", document(&json!({ "imageLayoutVersion": "1.0.0" }))),
            ("index.json", document(&index)),
            ("manifest.json", document(&Value::Array(rows))),
        ];
        // As Docker: it is not there when no image has a name.
        if !repositories.is_empty() {
            files.push(("repositories", document(&Value::Object(repositories))));
        }
        Self { files, blobs }
    }

    /// Of one image for several platforms: its names stand for an index of these and of what is
    /// said of them. Docker's own language has no word for that.
    pub(super) fn of_platforms(images: &[Chosen], sizes: &HashMap<Digest, u64>) -> Self {
        let (mut blobs, mut platforms, mut said) = (Vec::new(), Vec::new(), Vec::new());
        for chosen in images {
            let (_, descriptors) = layers_of(chosen, sizes);
            let manifest = manifest_of(chosen, &descriptors);
            let digest = Digest::of(&manifest);
            let mut entry = descriptor(OCI_MANIFEST, &digest, manifest.len() as u64);
            entry["platform"] = chosen.image.platform().to_json();
            platforms.push(entry);
            if let Some(attestation) = &chosen.attestation {
                let platform = chosen.image.platform().normalised();
                let attached = attestation.attached(&digest, &platform, &chosen.names);
                said.push(attached.entry());
                blobs.extend(attached.blobs);
                blobs.push((attached.manifest.digest, attached.manifest.content));
            }
            blobs.push((chosen.image.id.clone(), chosen.image.raw_config.clone()));
            blobs.push((digest, manifest));
        }
        platforms.append(&mut said);
        let inner = document(
            &json!({ "schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": platforms }),
        );
        let digest = Digest::of(&inner);
        let entry = descriptor(OCI_INDEX, &digest, inner.len() as u64);
        blobs.push((digest, inner));
        let entries = images.first().map(|chosen| index_entries(&entry, chosen));
        let index = json!({
            "schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": entries.unwrap_or_default(),
        });
        let files = vec![
            ("oci-layout", document(&json!({ "imageLayoutVersion": "1.0.0" }))),
            ("index.json", document(&index)),
        ];
        Self { files, blobs }
    }
}

/// An image's layers, and what they are in the archive.
fn layers_of<'a>(
    chosen: &'a Chosen,
    sizes: &HashMap<Digest, u64>,
) -> (Vec<&'a Digest>, Vec<Value>) {
    let layers: Vec<&Digest> = chosen.image.layers.iter().map(|layer| &layer.diff_id).collect();
    let descriptors = layers
        .iter()
        .map(|layer| descriptor(OCI_LAYER, layer, sizes.get(*layer).copied().unwrap_or(0)))
        .collect();
    (layers, descriptors)
}

fn manifest_of(chosen: &Chosen, layers: &[Value]) -> Vec<u8> {
    document(&json!({
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "config": descriptor(OCI_CONFIG, &chosen.image.id, chosen.image.raw_config.len() as u64),
        "layers": layers,
    }))
}

/// One entry for each name; an image without a name has one that names nothing.
fn index_entries(entry: &Value, chosen: &Chosen) -> Vec<Value> {
    if chosen.names.is_empty() {
        return vec![entry.clone()];
    }
    let named = chosen.names.iter().map(|name| {
        let mut entry = entry.clone();
        entry["annotations"] = json!({
            "io.containerd.image.name": name.to_string(),
            "org.opencontainers.image.ref.name": name.tag(),
        });
        entry
    });
    named.collect()
}

fn docker_row(chosen: &Chosen, layers: &[&Digest], descriptors: &[Value]) -> Value {
    let names: Vec<String> = chosen.names.iter().map(ImageReference::familiar).collect();
    let paths: Vec<String> = layers.iter().map(|layer| blob_name(layer)).collect();
    let sources: Map<String, Value> = layers
        .iter()
        .zip(descriptors)
        .map(|(layer, descriptor)| (layer.to_string(), descriptor.clone()))
        .collect();
    json!({
        "Config": blob_name(&chosen.image.id),
        "RepoTags": (!names.is_empty()).then_some(names),
        "Layers": paths,
        "LayerSources": sources,
    })
}

fn descriptor(media_type: &str, digest: &Digest, size: u64) -> Value {
    json!({ "mediaType": media_type, "digest": digest, "size": size })
}

fn document(value: &Value) -> Vec<u8> {
    value.to_string().into_bytes()
}
