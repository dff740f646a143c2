//! `/containers/{id}/…`: what changes a container that is there.

use axum::body::Body;
use axum::extract::{Path, State};
use axum::response::{IntoResponse as _, Response};
use axum::routing::post;
use axum::{Extension, Json, Router};
use bollard_stubs::models::ContainerUpdateBody;
use hyper::StatusCode;
use naru_protocol::version::ApiVersion;
use serde::Deserialize;
use serde_json::json;

use super::error::ApiError;
use super::json_body;
use super::query::Query;
use crate::engine::Engine;

type Answer = Result<Response, ApiError>;

pub(super) fn routes() -> Router<Engine> {
    Router::new()
        .route("/containers/{id}/pause", post(pause))
        .route("/containers/{id}/unpause", post(unpause))
        .route("/containers/{id}/rename", post(rename))
        .route("/containers/{id}/update", post(update))
}

async fn pause(State(engine): State<Engine>, Path(id): Path<String>) -> Answer {
    let container = engine.containers().find(&id)?;
    engine.pause_container(&container).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

async fn unpause(State(engine): State<Engine>, Path(id): Path<String>) -> Answer {
    let container = engine.containers().find(&id)?;
    engine.unpause_container(&container).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct RenameQuery {
    name: String,
}

async fn rename(
    State(engine): State<Engine>,
    Path(id): Path<String>,
    Query(query): Query<RenameQuery>,
) -> Answer {
    let container = engine.containers().find(&id)?;
    engine.rename_container(&container, &query.name).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// From this version on the number of processes can be limited.
const LIMITS_PIDS: ApiVersion = ApiVersion::new(1, 40);

async fn update(
    State(engine): State<Engine>,
    Extension(version): Extension<ApiVersion>,
    Path(id): Path<String>,
    body: Body,
) -> Answer {
    let container = engine.containers().find(&id)?;
    let mut asked: ContainerUpdateBody = json_body(body).await?;
    asked.pids_limit = asked.pids_limit.filter(|_| version >= LIMITS_PIDS);
    engine.update_container(&container, asked).await?;
    Ok(Json(json!({ "Warnings": null })).into_response())
}
