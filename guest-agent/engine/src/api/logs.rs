//! `GET /containers/{id}/logs`.

use axum::body::Body;
use axum::extract::{Path, State};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use axum::{Extension, Router};
use futures::StreamExt as _;
use hyper::header::CONTENT_TYPE;
use naru_protocol::version::ApiVersion;
use serde::Deserialize;

use super::error::ApiError;
use super::events::parse_time;
use super::hijack::stream_type;
use super::query::{Flag, Query};
use crate::container::{LogDriver, LogQuery, Record, Upto, follow_log, read_log};
use crate::engine::Engine;

pub(super) fn routes() -> Router<Engine> {
    Router::new().route("/containers/{id}/logs", get(logs))
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct LogsQuery {
    follow: Flag,
    stdout: Flag,
    stderr: Flag,
    since: String,
    until: String,
    timestamps: Flag,
    tail: String,
    details: Flag,
}

/// Refuses to read what was not kept, in Docker's words.
pub(super) fn check_readable(record: &Record) -> Result<(), ApiError> {
    if LogDriver::of(&record.host_config)? == LogDriver::None {
        return Err(ApiError::unsupported("configured logging driver does not support reading"));
    }
    Ok(())
}

async fn logs(
    State(engine): State<Engine>,
    Extension(version): Extension<ApiVersion>,
    Path(id): Path<String>,
    Query(query): Query<LogsQuery>,
) -> Result<Response, ApiError> {
    let container = engine.containers().find(&id)?;
    if !query.stdout.0 && !query.stderr.0 {
        return Err(ApiError::invalid("Bad parameters: you must choose at least one stream"));
    }
    let record = container.settled().await;
    check_readable(&record)?;
    let wanted = LogQuery {
        stdout: query.stdout.0,
        stderr: query.stderr.0,
        since: parse_time(&query.since)?,
        until: parse_time(&query.until)?,
        // What is no number means all, as in Docker.
        tail: query.tail.parse().ok(),
        timestamps: query.timestamps.0,
        details: query.details.0,
        raw: record.tty(),
    };
    let path = engine.paths().log(&container.id);
    // What does not run writes no more.
    let stream = if query.follow.0 && record.counts_as_running() {
        let (upto, feed) = engine.follow_log(&container).await;
        follow_log(path, wanted, upto, feed).left_stream()
    } else {
        read_log(path, wanted, Upto::Now).right_stream()
    };
    let shutdown = engine.shutdown().clone().cancelled_owned();
    let body = Body::from_stream(stream.take_until(shutdown));
    Ok(([(CONTENT_TYPE, stream_type(record.tty(), version))], body).into_response())
}
