//! `cache-from`: an image that says which of its layers came of which steps.
//!
//! With the argument `BUILDKIT_INLINE_CACHE=1` an image says so in its configuration. Who builds
//! with `cache-from` believes it for that one build; it does not get into the cache of others.

use std::collections::HashMap;
use std::sync::Arc;

use jiff::Timestamp;
use naru_dockerfile::Fingerprint;
use naru_image_store::Platform;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::cache::CachedStep;
use super::images::{self, Wanted};
use super::progress::{Progress, Warning};
use super::request::BuildRequest;
use super::stage::Stage;
use crate::engine::Engine;

/// The argument, and where in a configuration it is.
const ARGUMENT: &str = "BUILDKIT_INLINE_CACHE";
pub(super) const FIELD: &str = "naru.cache.v1";

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
            match images::find(engine, request, &wanted, progress).await {
                Ok(image) => imported.read(&image.stage),
                Err(error) => {
                    let reason = naru_error::chain(&error);
                    let message = format!("no cache is taken from {name}: {reason}");
                    progress.warning(Warning { message, lines: None });
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
}
