//! `POST /grpc` and `POST /session`: connections that become BuildKit's.

use axum::body::Body;
use axum::extract::Request;
use axum::response::Response;
use axum::routing::post;
use axum::{Extension, Router};
use hyper::StatusCode;
use hyper::header::{CONNECTION, HeaderValue, UPGRADE};
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use naru_buildkit::Offer;
use naru_error::chain;

use super::buildkit_build;
use super::error::ApiError;
use crate::buildkit::BuildDoor;
use crate::engine::Engine;

/// HTTP/2 without TLS.
const H2C: HeaderValue = HeaderValue::from_static("h2c");

pub(super) fn routes() -> Router<Engine> {
    Router::new()
        .route("/grpc", post(grpc))
        .route("/session", post(session))
        .route("/build/cancel", post(buildkit_build::cancel))
}

async fn grpc(
    Extension(door): Extension<BuildDoor>,
    mut request: Request,
) -> Result<Response, ApiError> {
    let (response, upgrade) = h2c(&mut request)?;
    door.clone().spawn(async move {
        if let Ok(connection) = upgrade.await {
            door.serve(TokioIo::new(connection)).await;
        }
    });
    Ok(response)
}

/// A client that serves what its builds ask of it.
async fn session(
    Extension(door): Extension<BuildDoor>,
    mut request: Request,
) -> Result<Response, ApiError> {
    let offer = Offer::from_headers(request.headers())
        .map_err(|error| ApiError::new(error.kind(), chain(&error)))?;
    if door.sessions().contains(offer.id()) {
        let message = format!("session {} already exists", offer.id());
        return Err(ApiError::new(naru_error::ErrorKind::Conflict, message));
    }
    let (response, upgrade) = h2c(&mut request)?;
    door.clone().spawn(async move {
        let Ok(connection) = upgrade.await else { return };
        if let Err(error) = door.sessions().serve(offer, TokioIo::new(connection)).await {
            tracing::debug!(error = chain(&error), "a session was turned away");
        }
    });
    Ok(response)
}

/// Answers 101, and gives what becomes of the connection after it.
fn h2c(request: &mut Request) -> Result<(Response, OnUpgrade), ApiError> {
    match request.headers().get(UPGRADE) {
        Some(protocol) if protocol == H2C => {}
        Some(protocol) => {
            let protocol = protocol.to_str().unwrap_or_default();
            return Err(ApiError::invalid(format!("protocol {protocol} not supported")));
        }
        None => return Err(ApiError::invalid("no upgrade proto in request")),
    }
    let upgrade = hyper::upgrade::on(request);
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    let headers = response.headers_mut();
    headers.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
    headers.insert(UPGRADE, H2C);
    Ok((response, upgrade))
}
