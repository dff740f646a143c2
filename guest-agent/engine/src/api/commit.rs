//! `POST /commit`.

use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use axum::routing::post;
use axum::{Json, Router};
use bollard_stubs::models::ContainerConfig;
use hyper::StatusCode;
use serde_json::json;

use super::error::ApiError;
use super::image_pull::reference;
use super::json_body;
use super::query::{Flag, Query};
use crate::container::CommitRequest;
use crate::engine::Engine;

pub(super) fn routes() -> Router<Engine> {
    Router::new().route("/commit", post(commit))
}

async fn commit(
    State(engine): State<Engine>,
    Query(query): Query<Vec<(String, String)>>,
    body: Body,
) -> Result<Response, ApiError> {
    let text = |key: &str| -> String {
        let found = query.iter().find(|(name, _)| name == key);
        found.map(|(_, value)| value.clone()).unwrap_or_default()
    };
    // Docker's client sends `null` where there is nothing to say.
    let config: Option<ContainerConfig> = json_body(body).await?;
    let container = engine.containers().find(&text("container"))?;
    let request = CommitRequest {
        config: config.filter(|config| *config != ContainerConfig::default()),
        changes: changes(&query),
        pause: text("pause").is_empty() || Flag::parse(&text("pause")).0,
        author: text("author"),
        comment: text("comment"),
        target: match text("repo").as_str() {
            "" => None,
            repository => Some(reference(repository, &text("tag"))?),
        },
    };
    let id = engine.commit_container(&container, request).await?;
    Ok((StatusCode::CREATED, Json(json!({ "Id": id.to_string() }))).into_response())
}

/// Instructions of a Dockerfile, each a parameter of its own.
pub(super) fn changes(query: &[(String, String)]) -> Vec<String> {
    let changes = query.iter().filter(|(name, _)| name == "changes");
    changes.map(|(_, value)| value.clone()).collect()
}
