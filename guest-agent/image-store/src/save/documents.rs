//! What an archive says of the images in it, in both of its languages.

use std::collections::{HashMap, HashSet};

use serde_json::{Map, Value, json};

use super::{Chosen, blob_name};
use crate::digest::Digest;
use crate::image::Image;
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
            let mut platforms = Vec::new();
            for image in chosen.images() {
                let manifest = manifest_of(image, &layers_of(image, sizes).1);
                platforms.push(match chosen.others.as_slice() {
                    [] => manifest_entry(&manifest),
                    _ => entry_for(image, &manifest),
                });
                blobs.push((image.id.clone(), image.raw_config.clone()));
                blobs.push((Digest::of(&manifest), manifest));
            }
            let entry = match platforms.as_slice() {
                [only] => only.clone(),
                _ => index_for(&platforms, &mut blobs),
            };
            entries.extend(index_entries(&entry, chosen));
            // Docker's own language has no word for other platforms.
            let (layers, descriptors) = layers_of(&chosen.image, sizes);
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
        }
        // An image may be what several names stand for beside others.
        let mut known = HashSet::new();
        blobs.retain(|(digest, _)| known.insert(digest.clone()));
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
            let (_, descriptors) = layers_of(&chosen.image, sizes);
            let manifest = manifest_of(&chosen.image, &descriptors);
            let digest = Digest::of(&manifest);
            platforms.push(entry_for(&chosen.image, &manifest));
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
        let entry = index_for(&platforms, &mut blobs);
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
fn layers_of<'a>(image: &'a Image, sizes: &HashMap<Digest, u64>) -> (Vec<&'a Digest>, Vec<Value>) {
    let layers: Vec<&Digest> = image.layers.iter().map(|layer| &layer.diff_id).collect();
    let descriptors = layers
        .iter()
        .map(|layer| descriptor(OCI_LAYER, layer, sizes.get(*layer).copied().unwrap_or(0)))
        .collect();
    (layers, descriptors)
}

fn manifest_of(image: &Image, layers: &[Value]) -> Vec<u8> {
    document(&json!({
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "config": descriptor(OCI_CONFIG, &image.id, image.raw_config.len() as u64),
        "layers": layers,
    }))
}

fn manifest_entry(manifest: &[u8]) -> Value {
    descriptor(OCI_MANIFEST, &Digest::of(manifest), manifest.len() as u64)
}

/// What an index of several platforms has of the image with this manifest.
fn entry_for(image: &Image, manifest: &[u8]) -> Value {
    let mut entry = manifest_entry(manifest);
    entry["platform"] = image.platform().to_json();
    entry
}

/// Adds an index of these entries; gives its own entry.
fn index_for(entries: &[Value], blobs: &mut Vec<(Digest, Vec<u8>)>) -> Value {
    let index =
        document(&json!({ "schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": entries }));
    let digest = Digest::of(&index);
    let entry = descriptor(OCI_INDEX, &digest, index.len() as u64);
    blobs.push((digest, index));
    entry
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
