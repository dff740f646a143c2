//! `GET /naru/repository`: a repository's tags with sizes and platforms.

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use futures::{FutureExt as _, StreamExt as _};
use hyper::HeaderMap;
use naru_error::chain;
use naru_image_store::{Credentials, Distributed, ImageReference};
use naru_protocol::repository::{Repository, RepositoryImage, RepositoryTag};
use serde::Deserialize;

use super::credentials::credentials;
use super::error::ApiError;
use super::query::Query;
use crate::engine::Engine;
use crate::error::EngineError;

const DEFAULT_LIMIT: usize = 20;
const MAX_LIMIT: usize = 100;
/// Tags that a registry is asked for at the same time.
const AT_ONCE: usize = 4;

#[derive(Debug, Deserialize)]
pub(super) struct RepositoryQuery {
    name: String,
    after: Option<String>,
    limit: Option<usize>,
}

pub(super) async fn list(
    State(engine): State<Engine>,
    Query(query): Query<RepositoryQuery>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let reference: ImageReference =
        query.name.parse().map_err(|error| ApiError::invalid(chain(&error)))?;
    let credentials = credentials(&headers);
    let found = engine.images().tags(&reference, credentials.as_ref()).await;
    let all = found.map_err(EngineError::from)?;
    let limit = query.limit.unwrap_or(DEFAULT_LIMIT).clamp(1, MAX_LIMIT);
    let begin = match &query.after {
        Some(after) => match all.iter().position(|tag| tag.tag() == Some(after)) {
            Some(position) => position + 1,
            None => return Err(ApiError::invalid(format!("{} has no tag {after}", query.name))),
        },
        None => 0,
    };
    let shown = &all[begin..all.len().min(begin + limit)];
    let mut asked = Vec::with_capacity(shown.len());
    for tag in shown {
        asked.push(looked_up(&engine, tag, credentials.as_ref()).boxed());
    }
    let tags = futures::stream::iter(asked).buffered(AT_ONCE).collect().await;
    let name = reference.familiar_name();
    Ok(Json(Repository {
        // What Docker vouches for is what needs no owner's name.
        official: reference.domain() == "docker.io" && !name.contains('/'),
        name,
        tags,
        more: begin + shown.len() < all.len(),
    })
    .into_response())
}

async fn looked_up(
    engine: &Engine,
    tag: &ImageReference,
    credentials: Option<&Credentials>,
) -> RepositoryTag {
    let name = tag.tag().unwrap_or_default().to_owned();
    match engine.images().distributed(tag, credentials, true).await {
        Ok(found) => RepositoryTag {
            name,
            digest: found.digest.to_string(),
            images: images(&found),
            error: None,
        },
        Err(error) => RepositoryTag {
            name,
            digest: String::new(),
            images: Vec::new(),
            error: Some(chain(&error)),
        },
    }
}

fn images(found: &Distributed) -> Vec<RepositoryImage> {
    let images = found.images.iter();
    images
        .map(|image| RepositoryImage {
            platform: image.platform.to_string(),
            digest: image.digest.to_string(),
            size: image.size,
        })
        .collect()
}
