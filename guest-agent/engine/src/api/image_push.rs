//! `POST /images/{name}/push`: the push, and the stream of lines that clients draw it from.

use axum::response::Response;
use hyper::HeaderMap;
use naru_error::chain;
use naru_image_store::{Platform, PushEvent, PushRequest, PushState};
use serde::Deserialize;
use serde_json::{Value, json};

use super::credentials::credentials;
use super::error::ApiError;
use super::image_pull::{is_name_only, reference};
use super::lines::{self, Lines};
use crate::engine::Engine;
use crate::error::EngineError;

pub(super) async fn push(
    engine: Engine,
    name: &str,
    tag: &str,
    platform: &str,
    headers: &HeaderMap,
) -> Result<Response, ApiError> {
    let reference = reference(name, tag)?;
    let all_tags = tag.is_empty() && is_name_only(name);
    let platform = wanted_platform(platform)?;
    let credentials = credentials(headers);
    lines::answer(&engine.clone(), |lines| async move {
        let progress = |event: PushEvent| tell(&lines, &event);
        let request = PushRequest {
            reference: &reference,
            all_tags,
            platform: platform.as_ref(),
            credentials: credentials.as_ref(),
        };
        engine.images().push(request, &progress).await.map_err(EngineError::from)?;
        let name = if all_tags { reference.familiar_name() } else { reference.familiar() };
        engine.image_event("push", &name, &name);
        Ok(())
    })
    .await
}

/// A platform as newer clients send it.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Wanted {
    os: String,
    architecture: String,
    variant: Option<String>,
}

/// `linux/arm64`, or the JSON that newer clients send.
fn wanted_platform(text: &str) -> Result<Option<Platform>, ApiError> {
    let invalid = |error: &dyn std::error::Error| ApiError::invalid(chain(error));
    if text.is_empty() {
        return Ok(None);
    }
    if !text.starts_with('{') {
        return text.parse().map(Some).map_err(|error| invalid(&error));
    }
    let Wanted { os, architecture, variant } =
        serde_json::from_str(text).map_err(|error| invalid(&error))?;
    Ok(Some(Platform { os, architecture, variant }.normalised()))
}

fn tell(lines: &Lines, event: &PushEvent) {
    match event {
        PushEvent::RefersTo(name) => {
            lines.send(json!({ "status": format!("The push refers to repository [{name}]") }));
        }
        PushEvent::Layer { id, state } => lines.send(layer(id, state)),
        PushEvent::Pushed { tag, digest, size } => {
            lines.send(json!({ "status": format!("{tag}: digest: {digest} size: {size}") }));
            let aux = json!({ "Tag": tag, "Digest": digest.to_string(), "Size": size });
            lines.send(json!({ "progressDetail": {}, "aux": aux }));
        }
    }
}

fn layer(id: &str, state: &PushState) -> Value {
    let status = match state {
        PushState::Pushing { current, total } => {
            let detail = json!({ "current": current, "total": total });
            return json!({ "status": "Pushing", "progressDetail": detail, "id": id });
        }
        PushState::Preparing => "Preparing".to_owned(),
        PushState::Waiting => "Waiting".to_owned(),
        PushState::AlreadyExists => "Layer already exists".to_owned(),
        PushState::MountedFrom(repository) => format!("Mounted from {repository}"),
        PushState::Retrying { seconds } => format!("Retrying in {seconds} seconds"),
        PushState::Pushed => "Pushed".to_owned(),
    };
    json!({ "status": status, "progressDetail": {}, "id": id })
}
