//! `/images/…`. A name may hold slashes, so what to do with it stands at its end.

use std::collections::HashSet;

use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Extension, Json, Router};
use hyper::{HeaderMap, StatusCode};
use naru_image_store::{Digest, Image, InUse, Removal, Removed};
use naru_protocol::version::ApiVersion;
use serde::Deserialize;
use serde_json::{Value, json};

use super::error::ApiError;
use super::image_archive::{Pairs, platform, values};
use super::image_view::{history, inspect};
use super::query::{Flag, Query};
use super::search;
use super::{image_archive, image_import, image_list, image_pull, image_push};
use crate::engine::Engine;
use crate::error::EngineError;

/// From these versions on a client can say which platform's it means.
const HAS_HISTORY_FOR_PLATFORM: ApiVersion = ApiVersion::new(1, 48);
const INSPECTS_FOR_PLATFORM: ApiVersion = ApiVersion::new(1, 49);

type Answer = Result<Response, ApiError>;

pub(super) fn routes() -> Router<Engine> {
    Router::new()
        .route("/images/json", get(image_list::list))
        .route("/images/create", post(image_import::create))
        .route("/images/get", get(image_archive::save_all))
        .route("/images/load", post(image_archive::load))
        .route("/images/search", get(search::search))
        .route("/images/{*rest}", get(read).post(change).delete(remove))
}

async fn read(
    State(engine): State<Engine>,
    Extension(version): Extension<ApiVersion>,
    Path(rest): Path<String>,
    Query(query): Query<Pairs>,
) -> Answer {
    if let Some(name) = rest.strip_suffix("/get") {
        return image_archive::save(engine, vec![name.to_owned()], &query).await;
    }
    if let Some(name) = rest.strip_suffix("/json") {
        let image = find(&engine, name, &query, version >= INSPECTS_FOR_PLATFORM)?;
        return Ok(Json(inspect(&image, version)?).into_response());
    }
    if let Some(name) = rest.strip_suffix("/history") {
        let image = find(&engine, name, &query, version >= HAS_HISTORY_FOR_PLATFORM)?;
        let lineage = engine.images().lineage(image).map_err(EngineError::from)?;
        return Ok(Json(history(&lineage)).into_response());
    }
    Err(ApiError::page_not_found())
}

/// The image of this name, which is refused if the query wants it for another platform; clients of
/// old do not.
fn find(engine: &Engine, name: &str, query: &Pairs, is_new: bool) -> Result<Image, ApiError> {
    let wanted = values(query, "platform").find(|text| is_new && !text.is_empty());
    let wanted = wanted.map(platform).transpose()?;
    Ok(engine.image_for(name, wanted.as_ref())?)
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
    let members = engine.images().members(name).map_err(EngineError::from)?;
    let target = image_pull::reference(&query.repo, &query.tag)?;
    let ids: Vec<Digest> = members.into_iter().map(|image| image.id).collect();
    engine.images().tag_all(&ids, &target).map_err(EngineError::from)?;
    engine.image_event("tag", &ids[0].to_string(), &target.familiar());
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
        let named = names.iter().filter_map(|name| self.images().members(name).ok());
        let mut found: HashSet<Digest> = named.flatten().map(|image| image.id).collect();
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
