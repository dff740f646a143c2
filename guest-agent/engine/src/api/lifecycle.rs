//! `/containers/{id}/…`: what changes a container that is there.

use axum::Router;
use axum::extract::{Path, Query, State};
use axum::response::{IntoResponse as _, Response};
use axum::routing::post;
use hyper::StatusCode;
use serde::Deserialize;

use super::error::ApiError;
use crate::engine::Engine;

type Answer = Result<Response, ApiError>;

pub(super) fn routes() -> Router<Engine> {
    Router::new()
        .route("/containers/{id}/pause", post(pause))
        .route("/containers/{id}/unpause", post(unpause))
        .route("/containers/{id}/rename", post(rename))
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
