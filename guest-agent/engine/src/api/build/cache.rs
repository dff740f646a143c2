//! What the build cache takes, and taking it back: `POST /build/prune`, and a part of
//! `GET /system/df`.

use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use axum::routing::post;
use axum::{Json, Router};
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};

use super::super::error::ApiError;
use super::super::prune::until;
use super::super::query::{Filters, Flag, Query};
use crate::build::{PruneBounds, PruneWanted, Pruned, UsageRecord};
use crate::engine::Engine;
use crate::error::Result;

const FILTERS: [&str; 9] =
    ["until", "unused-for", "id", "parent", "type", "description", "inuse", "shared", "private"];

pub(super) fn routes() -> Router<Engine> {
    Router::new().route("/build/prune", post(prune))
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
struct PruneQuery {
    all: Flag,
    filters: Option<String>,
    keep_storage: Option<String>,
    /// What it is called from version 1.48 on, where there are two bounds more.
    reserved_space: Option<String>,
    max_used_space: Option<String>,
    min_free_space: Option<String>,
}

async fn prune(
    State(engine): State<Engine>,
    Query(query): Query<PruneQuery>,
) -> Result<Response, ApiError> {
    let filters = Filters::parse(query.filters.as_deref(), &FILTERS)?;
    let unused_since = unused_since(&filters)?;
    let keep = bytes("keep-storage", query.keep_storage.as_deref())?;
    let reserved = bytes("reserved-space", query.reserved_space.as_deref())?;
    let bounds = PruneBounds {
        reserved: keep.max(reserved),
        max_used: bytes("max-used-space", query.max_used_space.as_deref())?,
        min_free: bytes("min-free-space", query.min_free_space.as_deref())?,
    };
    let wanted = PruneWanted {
        all: query.all.0,
        bounds,
        fits: Box::new(move |record| {
            unused_since.is_none_or(|since| record.last_used <= since) && fits(&filters, record)
        }),
    };
    let Pruned { records, reclaimed } = engine.prune_builds(wanted).await?;
    let ids: Vec<&str> = records.iter().map(|record| record.id.as_str()).collect();
    Ok(Json(json!({ "CachesDeleted": ids, "SpaceReclaimed": reclaimed })).into_response())
}

/// `until` and `unused-for` are the same here, as in Docker.
fn unused_since(filters: &Filters) -> Result<Option<Timestamp>, ApiError> {
    let now = Timestamp::now();
    let renamed = match filters.values("unused-for") {
        Some(values) => json!({ "until": values }).to_string(),
        None => return until(filters, now),
    };
    until(&Filters::parse(Some(&renamed), &["until"])?, now)
}

fn bytes(name: &str, text: Option<&str>) -> Result<u64, ApiError> {
    let Some(text) = text.filter(|text| !text.is_empty()) else { return Ok(0) };
    text.parse().map_err(|_| ApiError::invalid(format!("{name} is not a number of bytes: {text}")))
}

fn fits(filters: &Filters, record: &UsageRecord) -> bool {
    let is_set = |text: &str| Flag::parse(text).0;
    filters.any("id", |id| record.id.starts_with(id))
        && filters.any("type", |kind| kind == record.kind.as_str())
        && filters.any("description", |text| record.description.contains(text))
        && filters.any("inuse", |text| is_set(text) == record.in_use)
        && filters.any("shared", |text| is_set(text) == record.shared)
        && filters.any("private", |text| is_set(text) != record.shared)
        // Each is made of steps that it does not name.
        && filters.values("parent").is_none()
}

/// The rows of `GET /system/df`.
pub(in super::super) async fn usage(engine: &Engine) -> Result<Value> {
    let records = engine.build_usage().await?;
    let row = |record: &UsageRecord| {
        json!({
            "ID": record.id,
            "Type": record.kind.as_str(),
            "Description": record.description,
            "InUse": record.in_use,
            "Shared": record.shared,
            "Size": record.size,
            "CreatedAt": record.created.to_string(),
            "LastUsedAt": record.last_used.to_string(),
            "UsageCount": record.uses,
        })
    };
    Ok(records.iter().map(row).collect())
}
