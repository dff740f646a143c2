//! `GET /containers/{id}/top`.

use axum::extract::{Path, State};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use axum::{Json, Router};
use serde::Deserialize;
use serde_json::json;

use super::error::ApiError;
use super::query::Query;
use crate::engine::Engine;
use crate::error::EngineError;
use crate::processes;

pub(super) fn routes() -> Router<Engine> {
    Router::new().route("/containers/{id}/top", get(top))
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct TopQuery {
    ps_args: String,
}

async fn top(
    State(engine): State<Engine>,
    Path(id): Path<String>,
    Query(query): Query<TopQuery>,
) -> Result<Response, ApiError> {
    let container = engine.containers().find(&id)?;
    let record = container.settled().await;
    if !record.running() {
        return Err(EngineError::NotRunning(container.id.clone()).into());
    }
    let table = processes::list(&engine.paths().cgroup(&record), &query.ps_args)?;
    engine.container_event(&container, "top", []);
    Ok(Json(json!({ "Titles": table.titles, "Processes": table.rows })).into_response())
}
