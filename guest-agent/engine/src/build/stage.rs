//! A stage as far as it is made: an image in the making.

use std::sync::Arc;

use bollard_stubs::models::ContainerConfig;
use jiff::Timestamp;
use naru_dockerfile::{Fingerprint, Scope, image_key};
use naru_image_store::{MadeLayer, Platform};
use serde_json::{Map, Value, json};

use super::cache::CachedStep;
use super::inline::{self, FIELD};
use crate::error::{EngineError, Result};
use crate::image_document::{config_document, kept};

/// What BuildKit writes beside each instruction in an image's history.
const COMMENT: &str = "buildkit.dockerfile.v0";
const DEFAULT_PATH: &str = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// A stage up to one of its instructions.
#[derive(Clone, Debug)]
pub(super) struct Stage {
    pub(super) platform: Platform,
    pub(super) config: ContainerConfig,
    pub(super) scope: Scope,
    /// Bottom first.
    pub(super) layers: Vec<Arc<MadeLayer>>,
    /// Whether it has said what is run, so that an entry point leaves that alone.
    pub(super) has_command: bool,
    pub(super) author: Option<String>,
    /// What its own layers came of.
    pub(super) steps: Vec<(Fingerprint, CachedStep)>,
    /// What the image that it stands on says of that.
    inline_cache: Value,
    /// What it takes over from the image that it stands on.
    document: Map<String, Value>,
    history: Vec<Entry>,
}

/// A line of the history.
#[derive(Clone, Debug)]
enum Entry {
    /// Of the image that it stands on.
    Old(Value),
    /// The time is that of the layer, if it has one.
    New { created: Option<Timestamp>, created_by: String, is_empty: bool },
}

impl Stage {
    /// One that stands on nothing.
    pub(super) fn scratch(platform: Platform) -> Self {
        let mut document = Map::new();
        document.insert("architecture".to_owned(), json!(platform.architecture));
        document.insert("os".to_owned(), json!(platform.os));
        if let Some(variant) = &platform.variant {
            document.insert("variant".to_owned(), json!(variant));
        }
        let env = vec![DEFAULT_PATH.to_owned()];
        Self {
            platform,
            scope: Scope::of_image(&env),
            config: ContainerConfig {
                env: Some(env),
                working_dir: Some("/".to_owned()),
                ..ContainerConfig::default()
            },
            layers: Vec::new(),
            has_command: false,
            author: None,
            steps: Vec::new(),
            inline_cache: Value::Null,
            document,
            history: Vec::new(),
        }
    }

    /// One that stands on an image, of which `config` are the bytes.
    pub(super) fn on_image(
        platform: Platform,
        config: &[u8],
        layers: Vec<Arc<MadeLayer>>,
    ) -> Result<Self> {
        let broken = || EngineError::encoding("the base image's configuration");
        let base: Value = serde_json::from_slice(config).map_err(broken())?;
        let mut document = kept(&base);
        let history = match document.remove("history") {
            Some(Value::Array(entries)) => entries.into_iter().map(Entry::Old).collect(),
            _ => Vec::new(),
        };
        let author = base.get("author").and_then(Value::as_str).filter(|text| !text.is_empty());
        let config: Option<ContainerConfig> = match base.get("config") {
            Some(config) => serde_json::from_value(config.clone()).map_err(broken())?,
            None => None,
        };
        let config = config.unwrap_or_default();
        Ok(Self {
            platform,
            scope: Scope::of_image(config.env.as_deref().unwrap_or_default()),
            config,
            layers,
            has_command: false,
            author: author.map(str::to_owned),
            steps: Vec::new(),
            inline_cache: base.get(FIELD).cloned().unwrap_or_default(),
            document,
            history,
        })
    }

    /// What a stage that is made on this one begins with.
    pub(super) fn child(&self) -> Self {
        let mut child = Self { has_command: false, ..self.clone() };
        // Its triggers are carried out now.
        child.config.on_build = None;
        child
    }

    /// What its files are, to the steps that are done on them.
    pub(super) fn key(&self) -> Fingerprint {
        let diff_ids: Vec<String> =
            self.layers.iter().map(|layer| layer.diff_id().to_string()).collect();
        image_key(&self.platform.to_string(), &diff_ids)
    }

    /// Adds a line to the history about an instruction that has changed no files.
    pub(super) fn say(&mut self, created_by: String) {
        self.history.push(Entry::New { created: None, created_by, is_empty: true });
    }

    /// Takes what a step came to.
    pub(super) fn take(&mut self, step: CachedStep, created_by: String, key: Fingerprint) {
        self.steps.push((key, step.clone()));
        let is_empty = step.layer.is_none();
        let created = step.layer.as_ref().map(|_| step.created);
        self.layers.extend(step.layer);
        self.history.push(Entry::New { created, created_by, is_empty });
    }

    /// What the image that it stands on says of the steps that it was made by.
    pub(super) fn inline_cache(&self) -> &Value {
        &self.inline_cache
    }

    /// The configuration of an image that this is, which says how it was made if that is wanted.
    pub(super) fn document(&self, epoch: Option<Timestamp>, says_how: bool) -> Result<Vec<u8>> {
        let mut document = self.document.clone();
        let history = self.history(epoch);
        let last = history.last().and_then(|entry| entry.get("created")).cloned();
        let created = match epoch {
            Some(epoch) => json!(epoch.to_string()),
            None => last.unwrap_or_else(|| json!(Timestamp::UNIX_EPOCH.to_string())),
        };
        let diff_ids: Vec<String> =
            self.layers.iter().map(|layer| layer.diff_id().to_string()).collect();
        document.insert("created".to_owned(), created);
        document.insert("config".to_owned(), config_document(&self.config));
        document.insert("history".to_owned(), history.into());
        let rootfs = json!({ "type": "layers", "diff_ids": diff_ids });
        document.insert("rootfs".to_owned(), rootfs);
        if says_how {
            document.insert(FIELD.to_owned(), inline::lines(self));
        }
        if let Some(author) = &self.author {
            document.insert("author".to_owned(), json!(author));
        }
        serde_json::to_vec(&document).map_err(EngineError::encoding("an image's configuration"))
    }

    /// As BuildKit has it: what has changed no files is as old as the layer before it, or, before
    /// the first new layer, as that. So an image whose steps were all done before is the same one.
    fn history(&self, epoch: Option<Timestamp>) -> Vec<Value> {
        let times: Vec<Option<Value>> =
            self.history.iter().map(|entry| entry.time(epoch)).collect();
        let is_old = |entry: &&Entry| matches!(entry, Entry::Old(_));
        let old = self.history.iter().take_while(is_old).count();
        let first_new = times[old..].iter().flatten().next();
        let last_old = times[..old].iter().rev().flatten().next();
        let mut current = first_new.or(last_old).cloned();
        let mut history = Vec::new();
        for (entry, time) in self.history.iter().zip(times) {
            let (created_by, is_empty) = match entry {
                Entry::Old(value) => {
                    history.push(value.clone());
                    continue;
                }
                Entry::New { created_by, is_empty, .. } => (created_by, *is_empty),
            };
            current = time.or(current);
            let created = current.clone();
            let created = created.unwrap_or_else(|| json!(Timestamp::UNIX_EPOCH.to_string()));
            let mut line =
                json!({ "created": created, "created_by": created_by, "comment": COMMENT });
            if is_empty {
                line["empty_layer"] = json!(true);
            }
            history.push(line);
        }
        history
    }
}

impl Entry {
    fn time(&self, epoch: Option<Timestamp>) -> Option<Value> {
        match self {
            Self::Old(value) => value.get("created").filter(|time| time.is_string()).cloned(),
            Self::New { created, .. } => {
                epoch.or(*created).map(|created| json!(created.to_string()))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn platform() -> Platform {
        Platform { os: "linux".to_owned(), architecture: "amd64".to_owned(), variant: None }
    }

    fn read(stage: &Stage, epoch: Option<Timestamp>) -> Value {
        serde_json::from_slice(&stage.document(epoch, false).unwrap()).unwrap()
    }

    #[test]
    fn what_changes_no_files_is_as_old_as_the_layer_before_it() {
        let base = json!({
            "architecture": "amd64", "os": "linux", "author": "me", "container": "x",
            "config": { "Env": ["A=b"], "OnBuild": ["RUN x"] },
            "history": [
                { "created": "2001-01-01T00:00:00Z", "created_by": "old" },
                { "created": "2002-01-01T00:00:00Z", "created_by": "newer", "empty_layer": true },
            ],
        });
        let base = serde_json::to_vec(&base).unwrap();
        let mut stage = Stage::on_image(platform(), &base, Vec::new()).unwrap().child();
        stage.say("LABEL a=b".to_owned());
        let document = read(&stage, None);
        assert_eq!(document["history"][2]["created"], "2002-01-01T00:00:00Z");
        assert_eq!(document["history"][2]["comment"], COMMENT);
        assert_eq!(document["created"], "2002-01-01T00:00:00Z");
        assert_eq!((&document["author"], &document["container"]), (&json!("me"), &Value::Null));
        assert_eq!(document["config"]["OnBuild"], Value::Null, "they are carried out");
        assert_eq!(stage.scope.value("A").as_deref(), Some("b"));

        let epoch = Timestamp::from_second(5).unwrap();
        let document = read(&stage, Some(epoch));
        assert_eq!(document["created"], "1970-01-01T00:00:05Z");
        assert_eq!(document["history"][0]["created"], "2001-01-01T00:00:00Z");
        assert_eq!(document["history"][2]["created"], "1970-01-01T00:00:05Z");
    }

    #[test]
    fn a_stage_on_nothing_has_a_path_and_a_directory() {
        let mut stage = Stage::scratch(platform());
        stage.say("CMD [\"x\"]".to_owned());
        let document = read(&stage, None);
        assert_eq!(document["config"]["WorkingDir"], "/");
        assert_eq!(document["config"]["Env"][0], DEFAULT_PATH);
        assert_eq!(document["rootfs"]["diff_ids"], json!([]));
        assert_eq!(document["history"][0]["empty_layer"], true);
        let other = Stage::scratch(Platform { architecture: "arm64".to_owned(), ..platform() });
        assert_ne!(stage.key(), other.key());
    }
}
