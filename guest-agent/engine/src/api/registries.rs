//! What is asked of registries besides images: `/auth`, `/distribution`.

use axum::body::Body;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use hyper::HeaderMap;
use naru_error::chain;
use naru_image_store::{DistributedImage, ImageReference};
use serde_json::{Value, json};

use super::credentials::{AuthConfig, credentials};
use super::error::ApiError;
use super::json_body;
use crate::engine::Engine;
use crate::error::EngineError;

type Answer = Result<Response, ApiError>;

pub(super) fn routes() -> Router<Engine> {
    Router::new().route("/auth", post(login)).route("/distribution/{*rest}", get(distribution))
}

async fn login(State(engine): State<Engine>, body: Body) -> Answer {
    let auth: AuthConfig = json_body(body).await?;
    let address = auth.serveraddress.clone();
    let credentials = auth.into_credentials();
    let identity =
        engine.images().login(&address, &credentials).await.map_err(EngineError::from)?;
    let answer = json!({ "IdentityToken": identity, "Status": "Login Succeeded" });
    Ok(Json(answer).into_response())
}

async fn distribution(
    State(engine): State<Engine>,
    Path(rest): Path<String>,
    headers: HeaderMap,
) -> Answer {
    let Some(name) = rest.strip_suffix("/json") else { return Err(ApiError::page_not_found()) };
    let reference: ImageReference =
        name.parse().map_err(|error| ApiError::invalid(chain(&error)))?;
    let credentials = credentials(&headers);
    let found = engine
        .images()
        .distributed(&reference, credentials.as_ref(), false)
        .await
        .map_err(EngineError::from)?;
    let platforms: Vec<Value> = found.images.iter().map(platform).collect();
    Ok(Json(json!({
        "Descriptor": {
            "mediaType": found.media_type, "digest": found.digest.to_string(), "size": found.size,
        },
        "Platforms": platforms,
    }))
    .into_response())
}

fn platform(image: &DistributedImage) -> Value {
    let platform = &image.platform;
    let mut value = json!({ "architecture": platform.architecture, "os": platform.os });
    if let Some(variant) = &platform.variant {
        value["variant"] = json!(variant);
    }
    value
}
