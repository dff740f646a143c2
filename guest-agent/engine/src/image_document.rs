//! The configurations of images that are made here, as Docker writes them.

use bollard_stubs::models::ContainerConfig;
use jiff::Timestamp;
use naru_image_store::{Digest, Image, Platform};
use serde_json::{Map, Value, json};

use crate::error::{EngineError, Result};

/// What an image is to be.
#[derive(Debug)]
pub(crate) struct ImageDocument<'a> {
    /// What it stands on.
    pub(crate) base: Base<'a>,
    /// What its containers are to do.
    pub(crate) config: &'a ContainerConfig,
    /// The container that it was made of.
    pub(crate) container: Option<(&'a str, &'a ContainerConfig)>,
    pub(crate) author: &'a str,
    pub(crate) comment: &'a str,
    /// Its own layer, if there is something in it.
    pub(crate) layer: Option<&'a Digest>,
}

/// What an image stands on: another one, or nothing.
#[derive(Debug)]
pub(crate) enum Base<'a> {
    Image(&'a Image),
    Nothing(&'a Platform),
}

impl ImageDocument<'_> {
    /// The bytes, whose digest is the image's id.
    pub(crate) fn write(&self, now: Timestamp) -> Result<Vec<u8>> {
        let broken = || EngineError::encoding("an image's configuration");
        let mut document = match &self.base {
            Base::Image(image) => {
                let base: Value = serde_json::from_slice(&image.raw_config).map_err(broken())?;
                kept(&base)
            }
            Base::Nothing(platform) => {
                let mut document = Map::new();
                document.insert("architecture".to_owned(), json!(platform.architecture));
                document.insert("os".to_owned(), json!(platform.os));
                if let Some(variant) = &platform.variant {
                    document.insert("variant".to_owned(), json!(variant));
                }
                document
            }
        };
        let mut diff_ids: Vec<String> = match &self.base {
            Base::Image(image) => image.layers.iter().map(|l| l.diff_id.to_string()).collect(),
            Base::Nothing(_) => Vec::new(),
        };
        diff_ids.extend(self.layer.map(ToString::to_string));
        let created = now.to_string();
        let history = document.entry("history").or_insert_with(|| json!([]));
        if let Value::Array(history) = history {
            history.push(self.history_entry(&created));
        }
        let rootfs = json!({ "type": "layers", "diff_ids": diff_ids });
        document.insert("rootfs".to_owned(), rootfs);
        document.insert("created".to_owned(), json!(created));
        document.insert("config".to_owned(), config_document(self.config));
        if let Some((id, config)) = self.container {
            document.insert("container".to_owned(), json!(id));
            document.insert("container_config".to_owned(), config_document(config));
        }
        for (field, text) in [("author", self.author), ("comment", self.comment)] {
            // Docker keeps a commit's comment in the history alone.
            if !text.is_empty() && (field == "author" || self.container.is_none()) {
                document.insert(field.to_owned(), json!(text));
            }
        }
        serde_json::to_vec(&document).map_err(broken())
    }

    fn history_entry(&self, created: &str) -> Value {
        let mut entry = json!({ "created": created });
        let command = self.container.and_then(|(_, config)| config.cmd.as_ref());
        let created_by = command.map(|words| words.join(" ")).unwrap_or_default();
        for (field, text) in [
            ("created_by", created_by.as_str()),
            ("author", self.author),
            ("comment", self.comment),
        ] {
            if !text.is_empty() {
                entry[field] = json!(text);
            }
        }
        if self.layer.is_none() {
            entry["empty_layer"] = json!(true);
        }
        entry
    }
}

/// What an image takes over from the one below it.
pub(crate) fn kept(base: &Value) -> Map<String, Value> {
    const KEPT: [&str; 6] =
        ["architecture", "variant", "os", "os.version", "os.features", "history"];
    let kept = KEPT.into_iter().filter_map(|field| Some((field, base.get(field)?)));
    let kept = kept.filter(|(_, value)| !value.is_null());
    kept.map(|(field, value)| (field.to_owned(), value.clone())).collect()
}

/// With all the fields that Docker's have, said or not.
pub(crate) fn config_document(config: &ContainerConfig) -> Value {
    let mut document = json!({
        "Hostname": "", "Domainname": "", "User": "", "AttachStdin": false, "AttachStdout": false,
        "AttachStderr": false, "Tty": false, "OpenStdin": false, "StdinOnce": false, "Env": null,
        "Cmd": null, "Image": "", "Volumes": null, "WorkingDir": "", "Entrypoint": null,
        "OnBuild": null, "Labels": null,
    });
    if let (Value::Object(document), Value::Object(said)) = (&mut document, json!(config)) {
        document.extend(said);
    }
    document
}

#[cfg(test)]
mod tests {
    use super::*;

    fn document(layer: Option<&Digest>) -> Value {
        let platform = Platform { os: "linux".into(), architecture: "arm64".into(), variant: None };
        let config = ContainerConfig {
            cmd: Some(vec!["sh".to_owned(), "-c".to_owned(), "true".to_owned()]),
            ..ContainerConfig::default()
        };
        let document = ImageDocument {
            base: Base::Nothing(&platform),
            config: &config,
            container: Some(("abc", &config)),
            author: "me",
            comment: "why",
            layer,
        };
        serde_json::from_slice(&document.write(Timestamp::UNIX_EPOCH).unwrap()).unwrap()
    }

    #[test]
    fn a_layer_is_named_and_its_absence_noted() {
        let layer = Digest::of(b"layer");
        let with = document(Some(&layer));
        assert_eq!(with["rootfs"]["diff_ids"], json!([layer.to_string()]));
        let entry = json!({
            "created": "1970-01-01T00:00:00Z", "created_by": "sh -c true", "author": "me",
            "comment": "why",
        });
        assert_eq!(with["history"], json!([entry]));
        assert_eq!((&with["author"], &with["comment"]), (&json!("me"), &Value::Null));
        let without = document(None);
        assert_eq!(without["rootfs"]["diff_ids"], json!([]));
        assert_eq!(without["history"][0]["empty_layer"], true);
    }
}
