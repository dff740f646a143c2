//! `GET /images/get`, `GET /images/{name}/get` and `POST /images/load`: images as one archive.

use std::io;

use axum::body::{Body, HttpBody as _};
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use futures::TryStreamExt as _;
use hyper::header::CONTENT_TYPE;
use naru_image_store::{LayerState, Platform, PullEvent};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio_util::io::StreamReader;

use super::error::ApiError;
use super::lines;
use super::query::{Flag, Query};
use super::transfer::written_body;
use crate::engine::Engine;
use crate::error::EngineError;

/// A query whose names may come more than once.
pub(super) type Pairs = Vec<(String, String)>;

pub(super) async fn save_all(
    State(engine): State<Engine>,
    Query(query): Query<Pairs>,
) -> Result<Response, ApiError> {
    let names = values(&query, "names").map(str::to_owned).collect();
    save(engine, names, &query).await
}

/// Answers with the archive of all the images that `names` mean.
pub(super) async fn save(
    engine: Engine,
    names: Vec<String>,
    query: &Pairs,
) -> Result<Response, ApiError> {
    if names.is_empty() {
        return Err(ApiError::invalid("names: there is no image to be saved"));
    }
    let platforms =
        values(query, "platform").map(platform).collect::<Result<Vec<_>, ApiError>>()?;
    let saved = engine.images().save(names, platforms).await.map_err(EngineError::from)?;
    let body = written_body(move |out| {
        match saved.write(out) {
            Ok(()) => {}
            Err(error) => {
                if error.kind() != io::ErrorKind::BrokenPipe {
                    tracing::error!(%error, "saving images failed");
                }
                return Err(error);
            }
        }
        for id in saved.images() {
            let id = id.to_string();
            engine.image_event("save", &id, &id);
        }
        Ok(())
    })?;
    Ok(([(CONTENT_TYPE, "application/x-tar")], body).into_response())
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct LoadQuery {
    quiet: Flag,
    platform: String,
}

pub(super) async fn load(
    State(engine): State<Engine>,
    Query(query): Query<LoadQuery>,
    body: Body,
) -> Result<Response, ApiError> {
    let platform = match query.platform.as_str() {
        "" => None,
        text => Some(platform(text)?),
    };
    // Known ahead when the client says it; what is compressed needs more.
    engine.images().check_room(body.size_hint().lower()).map_err(EngineError::from)?;
    let bytes = body.into_data_stream().map_err(io::Error::other);
    let archive = StreamReader::new(Box::pin(bytes));
    let quiet = query.quiet.0;
    let loading = engine.clone();
    lines::answer(&engine, |lines| async move {
        let progress = |event: PullEvent| {
            if let Some(line) = line(&event).filter(|_| !quiet) {
                lines.send(line);
            }
        };
        let loaded = loading.images().load(archive, platform.as_ref(), &progress).await?;
        for item in loaded {
            let id = item.image.id.to_string();
            let (text, name) = match &item.name {
                Some(name) => (format!("Loaded image: {}\n", name.familiar()), name.familiar()),
                None => (format!("Loaded image ID: {id}\n"), id.clone()),
            };
            loading.image_event("load", &id, &name);
            lines.send(json!({ "stream": text }));
        }
        Ok(())
    })
    .await
}

/// What Docker says while it loads a layer; one that was there is not worth a word.
fn line(event: &PullEvent) -> Option<Value> {
    let PullEvent::Layer { id, state: LayerState::Extracting { current, total } } = event else {
        return None;
    };
    Some(json!({
        "status": "Loading layer", "id": id,
        "progressDetail": { "current": current, "total": total },
    }))
}

pub(super) fn values<'a>(query: &'a Pairs, name: &'a str) -> impl Iterator<Item = &'a str> {
    query.iter().filter(move |(key, _)| key == name).map(|(_, value)| value.as_str())
}

#[derive(Debug, Deserialize)]
struct JsonPlatform {
    os: String,
    architecture: String,
    #[serde(default)]
    variant: Option<String>,
}

/// OCI's platform in JSON, as these requests have it, or in words, as all others do.
pub(super) fn platform(text: &str) -> Result<Platform, ApiError> {
    let invalid = |error: &dyn std::fmt::Display| {
        ApiError::invalid(format!("invalid platform {text:?}: {error}"))
    };
    if !text.starts_with('{') {
        return text.parse().map_err(|error| invalid(&error));
    }
    let JsonPlatform { os, architecture, variant } =
        serde_json::from_str(text).map_err(|error| invalid(&error))?;
    Ok(Platform { os, architecture, variant }.normalised())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_platform_is_json_or_words() {
        let json = platform(r#"{"os":"linux","architecture":"arm64","variant":"v8"}"#).unwrap();
        assert_eq!(json, platform("linux/arm64").unwrap());
        let error = platform(r#"{"os":"linux"}"#).unwrap_err();
        assert!(error.message().contains("missing field `architecture`"), "{}", error.message());
    }
}
