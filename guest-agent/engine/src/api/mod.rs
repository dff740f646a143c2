//! The Docker Engine API, and the `/naru/` routes beside it.
//!
//! A handler reads the request, calls the engine, writes the answer. Versions are taken
//! off the path before the router sees it ([`version`]), every error leaves through
//! [`error::ApiError`], and whatever Docker knows and this engine does not yet answers
//! 501 by name ([`not_yet`]).

mod archive;
mod attach;
mod build;
mod buildkit;
mod buildkit_build;
mod commit;
mod container_view;
mod containers;
mod create;
mod credentials;
mod detach;
mod disk_usage;
mod error;
mod events;
mod exec;
mod folder;
mod hijack;
mod image_archive;
mod image_import;
mod image_list;
mod image_prune;
mod image_pull;
mod image_push;
mod image_sharing;
mod image_view;
mod images;
mod lifecycle;
mod lines;
mod logs;
mod naru;
mod network_settings;
mod network_view;
mod networks;
mod not_yet;
mod prune;
mod query;
mod registries;
mod repository;
mod search;
mod stats;
mod system;
mod top;
mod transfer;
mod volume_files;
mod volumes;

use std::sync::Arc;

use axum::body::Body;
use axum::extract::Request;
use axum::middleware::from_fn_with_state;
use axum::response::{IntoResponse as _, Response};
use axum::{Extension, Router};
use bytes::Bytes;
use hyper::Uri;
use hyper::header::{HeaderName, HeaderValue};
use hyper::http::uri::PathAndQuery;
use naru_protocol::ping::SERVER_HEADERS;
use naru_protocol::version;
use tower::ServiceExt as _;
use tracing::Instrument as _;

use crate::buildkit::{BuildDoor, EngineBuilder};
use crate::engine::Engine;
use crate::reserve;
use error::ApiError;

/// The whole API of an engine.
#[derive(Clone, Debug)]
pub(crate) struct Api {
    router: Router,
    door: BuildDoor,
}

impl Api {
    pub(crate) fn new(engine: &Engine) -> Self {
        let door = BuildDoor::new(Arc::new(EngineBuilder::new(engine.clone())));
        let router = Router::new()
            .merge(system::routes())
            .merge(events::routes())
            .merge(images::routes())
            .merge(registries::routes())
            .merge(build::routes())
            .merge(commit::routes())
            .merge(image_prune::routes())
            .merge(containers::routes())
            .merge(create::routes())
            .merge(lifecycle::routes())
            .merge(prune::routes())
            .merge(archive::routes())
            .merge(disk_usage::routes())
            .merge(exec::routes())
            .merge(attach::routes())
            .merge(logs::routes())
            .merge(stats::routes())
            .merge(top::routes())
            .merge(volumes::routes())
            .merge(volume_files::routes())
            .merge(naru::routes())
            .merge(networks::routes())
            .merge(buildkit::routes())
            .merge(not_yet::routes())
            .fallback(async || ApiError::page_not_found())
            .method_not_allowed_fallback(async || ApiError::page_not_found())
            .layer(from_fn_with_state(engine.clone(), reserve::lend))
            .layer(Extension(door.clone()))
            .with_state(engine.clone());
        Self { router, door }
    }

    /// BuildKit's door.
    pub(crate) fn door(&self) -> &BuildDoor {
        &self.door
    }

    /// Answers one request, whatever its version.
    pub(crate) async fn answer(self, request: Request) -> Response {
        let (method, path) = (request.method(), request.uri().path());
        let span = tracing::debug_span!("request", %method, path);
        let mut response = match route(request) {
            Ok(request) => self.router.oneshot(request).instrument(span).await.into_response(),
            Err(error) => error.into_response(),
        };
        let headers = response.headers_mut();
        for (name, value) in SERVER_HEADERS {
            headers.insert(HeaderName::from_static(name), HeaderValue::from_static(value));
        }
        response
    }
}

/// Takes the version off the path and leaves it with the request.
fn route(mut request: Request) -> Result<Request, ApiError> {
    let (version, path) = version::split_path(request.uri().path())
        .map_err(|unspoken| ApiError::invalid(unspoken.to_string()))?;
    let path_and_query = match request.uri().query() {
        Some(query) => format!("{path}?{query}"),
        None => path.to_owned(),
    };
    let mut parts = request.uri().clone().into_parts();
    parts.path_and_query = Some(
        PathAndQuery::try_from(path_and_query)
            .map_err(|error| ApiError::invalid(error.to_string()))?,
    );
    *request.uri_mut() =
        Uri::from_parts(parts).map_err(|error| ApiError::invalid(error.to_string()))?;
    request.extensions_mut().insert(version);
    Ok(request)
}

/// A request's body, whole.
async fn whole_body(body: Body) -> Result<Bytes, ApiError> {
    /// More than any request of Docker's clients.
    const LIMIT: usize = 16 << 20;
    axum::body::to_bytes(body, LIMIT)
        .await
        .map_err(|error| ApiError::invalid(format!("reading the request failed: {error}")))
}

/// A JSON body; an empty one is the default.
async fn json_body<T: serde::de::DeserializeOwned + Default>(body: Body) -> Result<T, ApiError> {
    let bytes = whole_body(body).await?;
    if bytes.iter().all(u8::is_ascii_whitespace) {
        return Ok(T::default());
    }
    read_json(&bytes)
}

/// Reads JSON; what is wrong with it is told with the name of the field.
fn read_json<T: serde::de::DeserializeOwned>(bytes: &[u8]) -> Result<T, ApiError> {
    let mut json = serde_json::Deserializer::from_slice(bytes);
    let value = serde_path_to_error::deserialize(&mut json).map_err(|error| {
        let field = match error.path().to_string() {
            // Where nothing has a name.
            path if path == "." || path == "?" => String::new(),
            path => format!("{path}: "),
        };
        ApiError::invalid(format!("invalid JSON: {field}{}", error.inner()))
    })?;
    json.end().map_err(|error| ApiError::invalid(format!("invalid JSON: {error}")))?;
    Ok(value)
}
