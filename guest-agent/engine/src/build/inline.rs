//! `cache-from`: an image that says which of its layers came of which steps.
//!
//! With the argument `BUILDKIT_INLINE_CACHE=1` an image says so in its configuration; or it is made
//! for nothing else, of the layers of all steps that it is to know of. Who builds with `cache-from`
//! believes it for that one build; it does not get into the cache of others.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use jiff::Timestamp;
use naru_dockerfile::Fingerprint;
use naru_image_store::{Digest, Platform};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::cache::CachedStep;
use super::images::{self, Extent, Wanted};
use super::progress::{Progress, Warning};
use super::request::BuildRequest;
use super::stage::Stage;
use crate::engine::Engine;
use crate::error::{EngineError, Result};

/// The argument, and where in a configuration it is.
const ARGUMENT: &str = "BUILDKIT_INLINE_CACHE";
pub(super) const FIELD: &str = "naru.cache.v1";
/// As many layers as an image may have.
const MAX_LAYERS: usize = 500;

/// Steps that images say they were made by.
#[derive(Debug, Default)]
pub(super) struct Imported(HashMap<Fingerprint, CachedStep>);

/// A step of an image.
#[derive(Debug, Serialize, Deserialize)]
struct Line {
    key: String,
    created: Timestamp,
    /// Which of the image's layers came of it; none if it has changed no files.
    layer: Option<usize>,
}

impl Imported {
    /// Takes what the images of `cache-from` say. One that cannot be had is no error.
    pub(super) async fn of(
        engine: &Engine,
        request: &BuildRequest,
        platform: &Platform,
        progress: &Arc<dyn Progress>,
    ) -> Self {
        let mut imported = Self::default();
        for name in &request.options.cache_from {
            let wanted = Wanted { name: name.clone(), platform: platform.clone() };
            match images::find(engine, request, &wanted, progress, Extent::Whole).await {
                Ok(image) => imported.read(&image.stage),
                Err(error) => {
                    let reason = naru_error::chain(&error);
                    let message = format!("no cache is taken from {name}: {reason}");
                    progress.warning(Warning { message, rule: None, lines: None });
                }
            }
        }
        imported
    }

    pub(super) fn find(&self, key: Fingerprint) -> Option<CachedStep> {
        self.0.get(&key).cloned()
    }

    fn read(&mut self, stage: &Stage) {
        let lines: Vec<Line> =
            serde_json::from_value(stage.inline_cache().clone()).unwrap_or_default();
        for Line { key, created, layer } in lines {
            let layer = match layer.map(|number| stage.layers.get(number)) {
                // It has no such layer.
                Some(None) => continue,
                layer => layer.flatten().cloned(),
            };
            if let Some(key) = fingerprint(&key) {
                self.0.insert(key, CachedStep { layer, created });
            }
        }
    }
}

/// Whether the image is to say how it was made.
pub(super) fn is_asked_for(request: &BuildRequest) -> bool {
    request.options.arguments.get(ARGUMENT).is_some_and(|value| value == "1" || value == "true")
}

/// What an image of these layers says of itself.
pub(super) fn lines(stage: &Stage) -> Value {
    let line = |(key, step): &(Fingerprint, CachedStep)| {
        let layer = step.layer.as_ref().map(|layer| {
            let is_it = |other: &Arc<_>| Arc::ptr_eq(other, layer);
            stage.layers.iter().position(is_it).unwrap_or_default()
        });
        Line { key: key.to_string(), created: step.created, layer }
    };
    json!(stage.steps.iter().map(line).collect::<Vec<_>>())
}

/// The configuration of an image that is a cache of the steps of these stages, and nothing else.
pub(super) fn cache_document(platform: &Platform, stages: &[Arc<Stage>]) -> Result<Vec<u8>> {
    let (mut diff_ids, mut lines): (Vec<&Digest>, Vec<Line>) = (Vec::new(), Vec::new());
    let mut known = HashSet::new();
    for (key, step) in stages.iter().flat_map(|stage| &stage.steps) {
        if !known.insert(*key) {
            continue;
        }
        let layer = step.layer.as_ref().map(|layer| {
            let position = diff_ids.iter().position(|known| *known == layer.diff_id());
            position.unwrap_or_else(|| {
                diff_ids.push(layer.diff_id());
                diff_ids.len() - 1
            })
        });
        // What an image cannot have is done again by who takes it.
        if layer.is_none_or(|number| number < MAX_LAYERS) {
            lines.push(Line { key: key.to_string(), created: step.created, layer });
        }
    }
    diff_ids.truncate(MAX_LAYERS);
    let mut document = json!({
        "architecture": platform.architecture,
        "os": platform.os,
        "config": {},
        "rootfs": { "type": "layers", "diff_ids": diff_ids },
        FIELD: lines,
    });
    if let Some(variant) = &platform.variant {
        document["variant"] = json!(variant);
    }
    serde_json::to_vec(&document).map_err(EngineError::encoding("a cache's configuration"))
}

fn fingerprint(hex: &str) -> Option<Fingerprint> {
    let mut bytes = [0; 32];
    if hex.len() != 2 * bytes.len() || !hex.is_ascii() {
        return None;
    }
    for (number, byte) in bytes.iter_mut().enumerate() {
        *byte = u8::from_str_radix(&hex[2 * number..2 * number + 2], 16).ok()?;
    }
    Some(Fingerprint::from_sha256(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_read_as_they_are_written() {
        let key = Fingerprint::of_bytes(b"x");
        assert_eq!(fingerprint(&key.to_string()), Some(key));
        for wrong in ["", "xy", &"g".repeat(64), &"é".repeat(32)] {
            assert_eq!(fingerprint(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn what_an_image_says_of_layers_that_it_has_not_is_nothing() {
        let mut stage = Stage::scratch(Platform::host());
        let created = Timestamp::UNIX_EPOCH;
        let key = Fingerprint::of_bytes(b"x");
        stage.take(CachedStep { layer: None, created }, "RUN true".to_owned(), key);
        let said = lines(&stage);
        let mut wrong = said.clone();
        wrong[0]["layer"] = json!(7);
        for (said, is_there) in [(said, true), (wrong, false), (json!("no list"), false)] {
            let config = json!({ "architecture": "amd64", "os": "linux", FIELD: said });
            let config = serde_json::to_vec(&config).unwrap();
            let stage = Stage::on_image(Platform::host(), &config, Vec::new()).unwrap();
            let mut imported = Imported::default();
            imported.read(&stage);
            assert_eq!(imported.find(key).is_some(), is_there);
        }
    }

    #[test]
    fn a_cache_of_all_stages_knows_each_step_once() {
        let created = Timestamp::UNIX_EPOCH;
        let stage = |steps: &[&str]| {
            let mut stage = Stage::scratch(Platform::host());
            for step in steps {
                let key = Fingerprint::of_bytes(step.as_bytes());
                stage.take(CachedStep { layer: None, created }, String::new(), key);
            }
            Arc::new(stage)
        };
        let stages = [stage(&["a", "b"]), stage(&["a", "c"])];
        let config = cache_document(&Platform::host(), &stages).unwrap();
        let cache = Stage::on_image(Platform::host(), &config, Vec::new()).unwrap();
        let mut imported = Imported::default();
        imported.read(&cache);
        assert_eq!(imported.0.len(), 3);
        assert_eq!(cache.inline_cache().as_array().map(Vec::len), Some(3));
    }
}
