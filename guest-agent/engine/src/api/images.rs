//! `/images/…`. A name may hold slashes, so what to do with it stands at its end.

use std::collections::HashSet;

use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Extension, Json, Router};
use hyper::{HeaderMap, StatusCode};
use naru_image_store::{Digest, ImageReference, InUse, Removal, Removed};
use naru_protocol::version::ApiVersion;
use serde::Deserialize;
use serde_json::{Value, json};

use super::error::ApiError;
use super::image_view::{self, created, history, inspect};
use super::query::{Filters, Flag, Query};
use super::search;
use super::{image_archive, image_import, image_pull, image_push};
use crate::container::{Record, image_config};
use crate::engine::Engine;
use crate::error::EngineError;

const FILTERS: [&str; 6] = ["before", "dangling", "label", "reference", "since", "until"];

type Answer = Result<Response, ApiError>;

pub(super) fn routes() -> Router<Engine> {
    Router::new()
        .route("/images/json", get(list))
        .route("/images/create", post(image_import::create))
        .route("/images/get", get(image_archive::save_all))
        .route("/images/load", post(image_archive::load))
        .route("/images/search", get(search::search))
        .route("/images/{*rest}", get(read).post(change).delete(remove))
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct ListQuery {
    /// Also what has no name and other images were made of.
    all: Flag,
    filters: Option<String>,
}

async fn list(
    State(engine): State<Engine>,
    Extension(version): Extension<ApiVersion>,
    Query(query): Query<ListQuery>,
) -> Answer {
    let filters = Filters::parse(query.filters.as_deref(), &FILTERS)?;
    let images = engine.images().list().map_err(EngineError::from)?;
    let records: Vec<Record> =
        engine.containers().all().iter().map(|container| container.record()).collect();
    let bound = |key: &str| -> Result<Option<i64>, ApiError> {
        let Some(name) = filters.values(key).and_then(<[String]>::first) else { return Ok(None) };
        Ok(Some(created(&engine.images().resolve(name).map_err(EngineError::from)?)))
    };
    let (before, since) = (bound("before")?, bound("since")?);
    let parents = engine.parents()?;
    let mut rows = Vec::new();
    for image in images {
        let config = image_config(&image.raw_config)?;
        let labels = config.labels.unwrap_or_default();
        let tags: Vec<String> = image.tags.iter().map(ImageReference::familiar).collect();
        let is_parent = parents.contains(&image.id);
        let dangling = |wanted: &str| match wanted {
            "1" | "true" => tags.is_empty() && !is_parent,
            _ => !image.is_nameless(),
        };
        let fits = (query.all.0 || !is_parent || !image.is_nameless())
            && filters.any("dangling", dangling)
            && filters
                .any("reference", |pattern| tags.iter().any(|tag| reference_fits(tag, pattern)))
            && filters.labels(|key| labels.get(key).map(String::as_str))
            && before.is_none_or(|before| created(&image) < before)
            && since.is_none_or(|since| created(&image) > since);
        if !fits {
            continue;
        }
        let has_tags = !tags.is_empty();
        // A name is a filter of names too, not only of images.
        let tags: Vec<String> = tags
            .into_iter()
            .filter(|tag| filters.any("reference", |pattern| reference_fits(tag, pattern)))
            .collect();
        let mut row = image_view::listed(&image, &records, version)?;
        if has_tags {
            row["RepoTags"] = json!(tags);
        }
        rows.push(row);
    }
    Ok(Json(rows).into_response())
}

/// A reference filter: the whole name, the name without its tag, or one with `*`.
fn reference_fits(tag: &str, pattern: &str) -> bool {
    let bare = tag.rsplit_once(':').map_or(tag, |(bare, _)| bare);
    let full_name = |text: &str| match pattern.split_once('*') {
        Some((start, end)) => {
            text.len() >= start.len() + end.len() && text.starts_with(start) && text.ends_with(end)
        }
        None => text == pattern,
    };
    full_name(tag) || full_name(bare)
}

async fn read(
    State(engine): State<Engine>,
    Extension(version): Extension<ApiVersion>,
    Path(rest): Path<String>,
    Query(query): Query<image_archive::Pairs>,
) -> Answer {
    if let Some(name) = rest.strip_suffix("/get") {
        return image_archive::save(engine, vec![name.to_owned()], &query).await;
    }
    if let Some(name) = rest.strip_suffix("/json") {
        let image = engine.images().resolve(name).map_err(EngineError::from)?;
        return Ok(Json(inspect(&image, version)?).into_response());
    }
    if let Some(name) = rest.strip_suffix("/history") {
        let image = engine.images().resolve(name).map_err(EngineError::from)?;
        let lineage = engine.images().lineage(image).map_err(EngineError::from)?;
        return Ok(Json(history(&lineage)).into_response());
    }
    Err(ApiError::page_not_found())
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct TagQuery {
    repo: String,
    tag: String,
    platform: String,
}

async fn change(
    State(engine): State<Engine>,
    Path(rest): Path<String>,
    Query(query): Query<TagQuery>,
    headers: HeaderMap,
) -> Answer {
    if let Some(name) = rest.strip_suffix("/push") {
        return image_push::push(engine, name, &query.tag, &query.platform, &headers).await;
    }
    let Some(name) = rest.strip_suffix("/tag") else { return Err(ApiError::page_not_found()) };
    let image = engine.images().resolve(name).map_err(EngineError::from)?;
    let target = image_pull::reference(&query.repo, &query.tag)?;
    engine.images().tag(&image.id, &target).map_err(EngineError::from)?;
    engine.image_event("tag", &image.id.to_string(), &target.familiar());
    Ok(StatusCode::CREATED.into_response())
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct RemoveQuery {
    force: Flag,
    noprune: Flag,
}

async fn remove(
    State(engine): State<Engine>,
    Path(name): Path<String>,
    Query(query): Query<RemoveQuery>,
) -> Answer {
    let image = engine.images().resolve(&name).map_err(EngineError::from)?;
    let users = |id: &Digest| engine.user_of_image(id);
    let removal = Removal { force: query.force.0, keep_parents: query.noprune.0 };
    let removed =
        engine.images().remove(&name, removal, &users).await.map_err(EngineError::from)?;
    engine.trim_soon();
    let rows = engine.removed_rows(&image.id, &removed);
    Ok(Json(rows).into_response())
}

impl Engine {
    /// The container that needs an image; a running one is to be preferred.
    pub(super) fn user_of_image(&self, id: &Digest) -> Option<InUse> {
        let id = id.to_string();
        let users = self.containers().all();
        let mut users: Vec<_> =
            users.iter().map(|user| user.record()).filter(|user| user.image_id == id).collect();
        users.sort_by_key(|user| !user.counts_as_running());
        let user = users.into_iter().next()?;
        let running = user.counts_as_running();
        Some(InUse { container_id: user.id, running })
    }

    /// The images that others were made of here.
    pub(super) fn parents(&self) -> Result<HashSet<Digest>, EngineError> {
        Ok(self.images().parents()?.into_values().collect())
    }

    /// The ids of the images that `names` mean, and of all that were made of them.
    pub(super) fn descendants(&self, names: &[String]) -> Result<HashSet<String>, ApiError> {
        let named = names.iter().filter_map(|name| self.images().resolve(name).ok());
        let mut found: HashSet<Digest> = named.map(|image| image.id).collect();
        let parents = self.images().parents().map_err(EngineError::from)?;
        loop {
            let before = found.len();
            let children = parents.iter().filter(|(_, parent)| found.contains(*parent));
            let children: Vec<Digest> = children.map(|(child, _)| child.clone()).collect();
            found.extend(children);
            if found.len() == before {
                return Ok(found.iter().map(ToString::to_string).collect());
            }
        }
    }

    /// Tells everyone what was removed with an image; gives it as clients see it.
    pub(super) fn removed_rows(&self, image_id: &Digest, removed: &[Removed]) -> Vec<Value> {
        let id = image_id.to_string();
        let row = |item: &Removed| match item {
            Removed::Untagged(name) => {
                // As Docker: by then it has no such name.
                self.image_event("untag", &id, &id);
                json!({ "Untagged": name })
            }
            Removed::Deleted(deleted) => {
                self.image_event("delete", deleted, deleted);
                json!({ "Deleted": deleted })
            }
            Removed::DeletedLayer(deleted) => json!({ "Deleted": deleted }),
        };
        removed.iter().map(row).collect()
    }

    /// Tells everyone what happened to an image.
    pub(crate) fn image_event(&self, action: &str, id: &str, name: &str) {
        let attributes = [("name".to_owned(), name.to_owned())].into();
        self.events().publish("image", action, id, attributes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reference_filter_takes_names_and_patterns() {
        assert!(reference_fits("busybox:1", "busybox"));
        assert!(reference_fits("busybox:1", "busybox:1"));
        assert!(reference_fits("busybox:1", "busy*"));
        assert!(!reference_fits("busybox:1", "box"));
    }
}
