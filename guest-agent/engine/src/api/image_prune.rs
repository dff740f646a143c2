//! `POST /images/prune`, and Naru's own look at what it would remove.
//!
//! Beside Docker's filters there is `size=100MB`: only what is so large, or larger.

use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use jiff::Timestamp;
use naru_image_store::{Digest, Image, ImageReference};
use naru_protocol::prune::{IMAGES_PATH, ImagePrunePlan, PlannedImage};
use serde::Deserialize;
use serde_json::{Value, json};

use super::error::ApiError;
use super::image_view::created_at;
use super::prune::until;
use super::query::{Filters, Query};
use crate::container::image_config;
use crate::engine::Engine;
use crate::error::EngineError;
use crate::sizes::size_bytes;

const FILTERS: [&str; 5] = ["dangling", "label", "label!", "size", "until"];

pub(super) fn routes() -> Router<Engine> {
    Router::new().route("/images/prune", post(prune)).route(IMAGES_PATH, get(plan))
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct PruneQuery {
    filters: Option<String>,
}

/// Which images are to go, if nothing needs them.
#[derive(Debug)]
struct Choice {
    only_dangling: bool,
    /// Bytes that it has at least.
    least: u64,
    until: Option<Timestamp>,
    filters: Filters,
}

impl Choice {
    fn parse(query: &PruneQuery) -> Result<Self, ApiError> {
        let filters = Filters::parse(query.filters.as_deref(), &FILTERS)?;
        let only_dangling = match filters.values("dangling") {
            None => true,
            Some(values) => {
                let has = |words: [&str; 2]| values.iter().any(|value| words.contains(&&**value));
                let (is_false, is_true) = (has(["0", "false"]), has(["1", "true"]));
                if is_false == is_true {
                    let values = values.join(" ");
                    let message = format!("invalid filter 'dangling=[{values}]'");
                    return Err(ApiError::invalid(message));
                }
                is_true
            }
        };
        let least = match filters.values("size").unwrap_or_default() {
            [] => 0,
            [value] => size_bytes(value)
                .ok_or_else(|| ApiError::invalid(format!("invalid filter 'size={value}'")))?,
            _ => return Err(ApiError::invalid("more than one size filter specified")),
        };
        let until = until(&filters, Timestamp::now())?;
        Ok(Self { only_dangling, least, until, filters })
    }

    fn wants(&self, image: &Image) -> bool {
        // What cannot be read is not taken for old, nor for unlabelled.
        let Ok(config) = image_config(&image.raw_config) else { return false };
        let label = |key: &str| config.labels.as_ref()?.get(key).map(String::as_str);
        (image.is_untagged() || !self.only_dangling)
            && image.size >= self.least
            && self.until.is_none_or(|until| created_at(image).is_some_and(|at| at <= until))
            && self.filters.labels_or_not(label)
    }
}

async fn prune(
    State(engine): State<Engine>,
    Query(query): Query<PruneQuery>,
) -> Result<Response, ApiError> {
    let choice = Choice::parse(&query)?;
    let Ok(_alone) = engine.pruning().try_lock() else {
        return Err(EngineError::Conflict("a prune operation is already running".to_owned()).into());
    };
    let users = |id: &Digest| engine.user_of_image(id);
    let pruned = engine.images().prune(&|image| choice.wants(image), &users).await;
    engine.trim_soon();
    let pruned = pruned.map_err(EngineError::from)?;
    let rows: Vec<Value> =
        pruned.images.iter().flat_map(|(id, removed)| engine.removed_rows(id, removed)).collect();
    let reclaimed = pruned.reclaimed;
    let attributes = [("reclaimed".to_owned(), reclaimed.to_string())];
    engine.events().publish("image", "prune", "", attributes.into());
    let rows = (!rows.is_empty()).then_some(rows);
    Ok(Json(json!({ "ImagesDeleted": rows, "SpaceReclaimed": reclaimed })).into_response())
}

async fn plan(
    State(engine): State<Engine>,
    Query(query): Query<PruneQuery>,
) -> Result<Json<ImagePrunePlan>, ApiError> {
    let choice = Choice::parse(&query)?;
    let users = |id: &Digest| engine.user_of_image(id);
    let plan = engine.images().plan_prune(&|image| choice.wants(image), &users);
    let plan = plan.map_err(EngineError::from)?;
    let images = plan.images.iter().map(|image| PlannedImage {
        id: image.id.to_string(),
        tags: image.tags.iter().map(ImageReference::familiar).collect(),
        size_bytes: image.size,
    });
    Ok(Json(ImagePrunePlan { images: images.collect(), reclaimed_bytes: plan.reclaimed }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dangling_is_true_or_false_and_not_both() {
        let parse = |dangling: &str| {
            let filters = Some(format!(r#"{{"dangling":[{dangling}]}}"#));
            Choice::parse(&PruneQuery { filters }).map(|choice| choice.only_dangling)
        };
        for (dangling, expected) in [
            (r#""true""#, true),
            (r#""1","true""#, true),
            (r#""0""#, false),
            (r#""false","0""#, false),
        ] {
            assert_eq!(parse(dangling).unwrap(), expected, "{dangling}");
        }
        assert!(Choice::parse(&PruneQuery::default()).unwrap().only_dangling);
        for dangling in [r#""maybe""#, r#""true","false""#, ""] {
            let error = parse(dangling).unwrap_err();
            assert!(error.message().starts_with("invalid filter 'dangling=["), "{dangling}");
        }
    }
}
