//! Images as Docker's clients see them, which is not the same at every version.

use bollard_stubs::models::ImageConfig;
use jiff::Timestamp;
use naru_image_store::{Image, ImageReference};
use naru_protocol::version::ApiVersion;
use oci_spec::image::History;
use serde::Deserialize;
use serde_json::{Value, json};

use super::container_view::overlay;
use super::error::ApiError;
use crate::container::{Record, image_config};

/// Before it, an image without a name is shown as `<none>:<none>`.
const WITHOUT_NONE: ApiVersion = ApiVersion::new(1, 43);
/// From this version on a list says how many containers have an image.
const COUNTS_CONTAINERS: ApiVersion = ApiVersion::new(1, 51);
/// From this version on `ContainerConfig`, long without content, is gone.
const WITHOUT_CONTAINER_CONFIG: ApiVersion = ApiVersion::new(1, 45);
/// From this version on an image's configuration has no fields of containers only.
const WITHOUT_CONTAINER_FIELDS: ApiVersion = ApiVersion::new(1, 50);
/// From this version on `VirtualSize` is gone.
const WITHOUT_VIRTUAL_SIZE: ApiVersion = ApiVersion::new(1, 44);

/// An image in few words; `records` are all containers.
pub(super) fn summary(
    image: &Image,
    records: &[Record],
    version: ApiVersion,
) -> Result<Value, ApiError> {
    let id = image.id.to_string();
    let tags: Vec<String> = image.tags.iter().map(ImageReference::familiar).collect();
    let mut row = json!({
        "Id": id,
        "ParentId": image.parent.as_ref().map(ToString::to_string).unwrap_or_default(),
        "RepoTags": Some(tags).filter(|tags| !tags.is_empty()),
        "RepoDigests": Some(&image.repo_digests).filter(|digests| !digests.is_empty()),
        "Created": created(image),
        "Size": image.size,
        "SharedSize": -1,
        "Labels": image_config(&image.raw_config)?.labels,
        "Containers": records.iter().filter(|record| record.image_id == id).count(),
    });
    if version < WITHOUT_VIRTUAL_SIZE {
        row["VirtualSize"] = image.size.into();
    }
    Ok(row)
}

/// The same where a list of images is asked for.
pub(super) fn listed(
    image: &Image,
    records: &[Record],
    version: ApiVersion,
) -> Result<Value, ApiError> {
    let mut row = summary(image, records, version)?;
    name_the_nameless(&mut row, version);
    if version < COUNTS_CONTAINERS {
        row["Containers"] = json!(-1);
    }
    Ok(row)
}

/// Newer versions have empty lists where older ones have `<none>`, or null.
fn name_the_nameless(row: &mut Value, version: ApiVersion) {
    let lists = [("RepoTags", "<none>:<none>"), ("RepoDigests", "<none>@<none>")];
    let is_nameless = lists.iter().all(|(list, _)| row[list].is_null());
    for (list, none) in lists {
        if row[list].is_null() && version >= WITHOUT_NONE {
            row[list] = json!([]);
        } else if is_nameless {
            row[list] = json!([none]);
        }
    }
}

pub(super) fn created(image: &Image) -> i64 {
    created_at(image).map_or(0, Timestamp::as_second)
}

/// None where the image does not say it, or not so that it can be read.
pub(super) fn created_at(image: &Image) -> Option<Timestamp> {
    image.config.created().as_deref()?.parse().ok()
}

pub(super) fn inspect(image: &Image, version: ApiVersion) -> Result<Value, ApiError> {
    let config = image_config(&image.raw_config)?;
    let document: Document = serde_json::from_slice(&image.raw_config).unwrap_or_default();
    let tags: Vec<String> = image.all_tags().map(ImageReference::familiar).collect();
    let diff_ids: Vec<String> =
        image.layers.iter().map(|layer| layer.diff_id.to_string()).collect();
    let mut paths = image.layers.iter().rev().map(|layer| layer.path.display().to_string());
    let upper = paths.next().unwrap_or_default();
    let lower = paths.collect::<Vec<_>>().join(":");
    let mut value = json!({
        "Id": image.id.to_string(),
        "RepoTags": tags,
        "RepoDigests": image.repo_digests,
        "Parent": image.parent.as_ref().map(ToString::to_string).unwrap_or_default(),
        "Comment": comment(image),
        "Created": image.config.created().as_deref().unwrap_or("0001-01-01T00:00:00Z"),
        "Author": image.config.author().as_deref().unwrap_or_default(),
        "DockerVersion": "",
        "Config": config_view(&config, &document.config, version),
        "Architecture": image.config.architecture().to_string(),
        "Os": image.config.os().to_string(),
        "Size": image.size,
        "GraphDriver": {
            "Name": "overlay2",
            // Strings all: typed clients read nothing else here.
            "Data": { "UpperDir": upper, "LowerDir": lower },
        },
        "RootFS": { "Type": "layers", "Layers": diff_ids },
        "Metadata": { "LastTagTime": Timestamp::from_nanosecond(image.tagged_at_ns.into())
            .map(|at| at.to_string()).unwrap_or_default() },
    });
    if let Some(variant) = image.config.variant().as_ref().filter(|variant| !variant.is_empty()) {
        value["Variant"] = variant.as_str().into();
    }
    if version < WITHOUT_VIRTUAL_SIZE {
        value["VirtualSize"] = image.size.into();
    }
    if version < WITHOUT_CONTAINER_CONFIG {
        let made_of = serde_json::from_value(document.container_config.clone());
        let made_of: ImageConfig = made_of.unwrap_or_default();
        value["Container"] = document.container.into();
        value["ContainerConfig"] = config_view(&made_of, &document.container_config, version);
    }
    Ok(value)
}

/// What Docker writes down beside what OCI knows.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Document {
    config: Value,
    container: String,
    container_config: Value,
}

/// The image's own words, or those of its last layer.
fn comment(image: &Image) -> String {
    #[derive(Default, Deserialize)]
    struct Said {
        #[serde(default)]
        comment: String,
    }
    let said: Said = serde_json::from_slice(&image.raw_config).unwrap_or_default();
    if !said.comment.is_empty() {
        return said.comment;
    }
    let last = image.config.history().iter().flatten().last();
    last.and_then(|entry| entry.comment().clone()).unwrap_or_default()
}

/// With Docker's nulls where the image says nothing.
fn config_view(config: &ImageConfig, written: &Value, version: ApiVersion) -> Value {
    let mut view = json!({
        "Cmd": null, "Entrypoint": null, "Env": null, "Labels": null, "OnBuild": null, "User": "",
        "Volumes": null, "WorkingDir": "",
    });
    if version < WITHOUT_CONTAINER_FIELDS {
        let of_containers = json!({
            "AttachStderr": false, "AttachStdin": false, "AttachStdout": false, "Domainname": "",
            "Hostname": "", "Image": "", "OpenStdin": false, "StdinOnce": false, "Tty": false,
        });
        let written = written.as_object();
        let said = of_containers.as_object().into_iter().flatten().map(|(field, default)| {
            let said = written.and_then(|written| written.get(field));
            (field.clone(), said.unwrap_or(default).clone())
        });
        overlay(&mut view, Value::Object(said.collect()));
    }
    overlay(&mut view, json!(config));
    view
}

/// Newest first, of the first image of a lineage; the others are those that it was made of, as far
/// as that is known. The size stands with the entry that made a layer.
pub(super) fn history(lineage: &[Image]) -> Vec<Value> {
    let Some(image) = lineage.first() else { return Vec::new() };
    let entries: Vec<_> = image.config.history().iter().flatten().collect();
    let is_empty = |entry: &History| entry.empty_layer().unwrap_or_default();
    // Who makes an image of one without a history writes down its own steps only. Docker tells
    // the sizes of other layers then.
    let told = entries.iter().filter(|entry| !is_empty(entry)).count();
    let mut layers = image.layers.iter().skip(image.layers.len().saturating_sub(told));
    let mut rows: Vec<Value> = entries
        .into_iter()
        .map(|entry| {
            let size =
                if is_empty(entry) { 0 } else { layers.next().map_or(0, |layer| layer.size) };
            let created = entry.created().as_deref();
            json!({
                "Id": "<missing>",
                "Created": created.and_then(|text| text.parse::<Timestamp>().ok())
                    .map_or(0, Timestamp::as_second),
                "CreatedBy": entry.created_by().as_deref().unwrap_or_default(),
                "Tags": null,
                "Size": size,
                "Comment": entry.comment().as_deref().unwrap_or_default(),
            })
        })
        .collect();
    rows.reverse();
    for (row, image) in rows.iter_mut().zip(lineage) {
        row["Id"] = image.id.to_string().into();
        if !image.tags.is_empty() {
            row["Tags"] = image.tags.iter().map(ImageReference::familiar).collect();
        }
    }
    rows
}

#[cfg(test)]
mod tests {
    use naru_image_store::{Digest, LayerInfo};

    use super::*;

    /// Of layers of 10, 20, … bytes, with `history`.
    fn image(layers: u64, history: &Value) -> Image {
        let digest = |number: u64| -> Digest { format!("sha256:{number:064x}").parse().unwrap() };
        let raw_config = serde_json::to_vec(&json!({
            "architecture": "amd64", "os": "linux", "history": history,
            "rootfs": { "type": "layers", "diff_ids": [] },
        }))
        .unwrap();
        Image {
            id: digest(0),
            tags: Vec::new(),
            platform_tags: Vec::new(),
            repo_digests: Vec::new(),
            config: serde_json::from_slice(&raw_config).unwrap(),
            raw_config,
            size: 0,
            manifest_digest: None,
            layers: (1..=layers)
                .map(|number| LayerInfo {
                    diff_id: digest(number),
                    chain_id: digest(number),
                    size: number * 10,
                    blob: None,
                    path: "".into(),
                })
                .collect(),
            tagged_at_ns: 0,
            parent: None,
        }
    }

    #[test]
    fn a_history_tells_the_size_of_the_layer_that_each_entry_made() {
        let (made, none) = (json!({}), json!({ "empty_layer": true }));
        for (layers, entries, sizes) in [
            (2, json!([made, none, made]), vec![20, 0, 10]),
            // Made of an image without a history.
            (3, json!([made]), vec![30]),
            (3, json!([none, made]), vec![30, 0]),
            (1, json!([made, made]), vec![0, 10]),
            (1, json!([]), vec![]),
        ] {
            let rows = history(&[image(layers, &entries)]);
            let told: Vec<u64> = rows.iter().filter_map(|row| row["Size"].as_u64()).collect();
            assert_eq!(told, sizes, "{layers} layers, {entries}");
        }
    }

    #[test]
    fn what_has_no_name_is_shown_as_each_version_knows_it() {
        let shown = |tags: Value, minor| {
            let mut row = json!({ "RepoTags": tags, "RepoDigests": null });
            name_the_nameless(&mut row, ApiVersion::new(1, minor));
            (row["RepoTags"].clone(), row["RepoDigests"].clone())
        };
        assert_eq!(shown(Value::Null, 43), (json!([]), json!([])));
        assert_eq!(shown(Value::Null, 42), (json!(["<none>:<none>"]), json!(["<none>@<none>"])));
        assert_eq!(shown(json!(["x:1"]), 43), (json!(["x:1"]), json!([])));
        assert_eq!(shown(json!(["x:1"]), 42), (json!(["x:1"]), Value::Null));
    }
}
