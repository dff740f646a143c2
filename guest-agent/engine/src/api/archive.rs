//! `/containers/{id}/archive`, which `docker cp` is made of, `/changes` and `/export`.

use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use futures::{StreamExt as _, stream};
use hyper::StatusCode;
use hyper::header::{CONTENT_TYPE, HeaderName, HeaderValue};
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};

use super::error::ApiError;
use super::query::{Flag, Query};
use super::transfer::{BodyReader, written_body};
use crate::container::{Container, ContainerFiles, FilesUse};
use crate::engine::Engine;
use crate::error::EngineError;
use crate::files::{ContainerPath, FilesError, Node, NodeKind, UnpackOptions, pack, pack_content};
use crate::written::on_own_thread;

const STAT_HEADER: HeaderName = HeaderName::from_static("x-docker-container-path-stat");
const TAR: &str = "application/x-tar";

type Answer = Result<Response, ApiError>;

pub(super) fn routes() -> Router<Engine> {
    Router::new()
        .route("/containers/{id}/archive", get(download).head(stat).put(upload))
        .route("/containers/{id}/changes", get(changes))
        .route("/containers/{id}/export", get(export))
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct ArchiveQuery {
    path: String,
    #[serde(rename = "noOverwriteDirNonDir")]
    keep_kinds: Flag,
    #[serde(rename = "copyUIDGID")]
    as_user: Flag,
}

/// A path of a container, and both as the client named them.
#[derive(Debug)]
struct Wanted {
    container: Arc<Container>,
    name: String,
    text: String,
    path: ContainerPath,
}

impl Wanted {
    fn of(engine: &Engine, name: String, text: String) -> Result<Self, ApiError> {
        let container = engine.containers().find(&name)?;
        if text.is_empty() {
            // Docker's very words, without the space.
            return Err(ApiError::invalid("bad parameter: pathcannot be empty"));
        }
        let path = ContainerPath::new(&text);
        Ok(Self { container, name, text, path })
    }

    /// What became of looking for the path.
    fn found<T>(&self, found: Result<T, FilesError>) -> Result<T, EngineError> {
        found.map_err(|error| match error {
            FilesError::Io { source, .. } if source.kind() == io::ErrorKind::NotFound => {
                EngineError::NoSuchFile { path: self.text.clone(), container: self.name.clone() }
            }
            error => error.into(),
        })
    }

    /// The files, what is at the path, and the header that tells of it.
    async fn look(
        self,
        engine: &Engine,
    ) -> Result<(Self, ContainerFiles, Node, HeaderValue), EngineError> {
        let files = engine.container_files(&self.container, FilesUse::Read).await?;
        engine
            .run_blocking(move || {
                let failed = || FilesError::io("looking at", self.path.as_bytes());
                let node = self.found(files.look(&self.path).map_err(failed()))?;
                let target = match node.kind() {
                    NodeKind::Symlink => files.follow(&self.path).map_err(failed())?,
                    _ => Vec::new(),
                };
                let stat = path_stat(&node, self.path.base(), &target);
                let header = BASE64_STANDARD.encode(stat.to_string());
                let header = HeaderValue::try_from(header)
                    .map_err(|error| EngineError::Defect(error.to_string()))?;
                Ok((self, files, node, header))
            })
            .await
    }
}

async fn stat(
    State(engine): State<Engine>,
    Path(id): Path<String>,
    Query(query): Query<ArchiveQuery>,
) -> Answer {
    let wanted = Wanted::of(&engine, id, query.path)?;
    let (.., header) = wanted.look(&engine).await?;
    Ok(([(STAT_HEADER, header)], Body::empty()).into_response())
}

async fn download(
    State(engine): State<Engine>,
    Path(id): Path<String>,
    Query(query): Query<ArchiveQuery>,
) -> Answer {
    let wanted = Wanted::of(&engine, id, query.path)?;
    let (wanted, files, node, header) = wanted.look(&engine).await?;
    engine.container_event(&wanted.container, "archive-path", []);
    let body = written_body(move |out| {
        let packed = pack(out, &node, wanted.path.base());
        drop(files);
        told(&wanted.container, packed)
    })?;
    let headers = [(CONTENT_TYPE, HeaderValue::from_static(TAR)), (STAT_HEADER, header)];
    Ok((headers, body).into_response())
}

async fn upload(
    State(engine): State<Engine>,
    Path(id): Path<String>,
    Query(query): Query<ArchiveQuery>,
    body: Body,
) -> Answer {
    let wanted = Wanted::of(&engine, id, query.path)?;
    let container = Arc::clone(&wanted.container);
    let body = begun(body).await;
    let files = engine.container_files(&container, FilesUse::Write).await?;
    let owner = if query.as_user.0 { engine.container_owner(&container.record())? } else { None };
    let options =
        UnpackOptions { keep_kinds: query.keep_kinds.0, owner, ..UnpackOptions::default() };
    let archive = BodyReader::new(body);
    on_own_thread(move || wanted.found(files.unpack(&wanted.path, options, archive))).await?;
    engine.container_event(&container, "extract-to-dir", []);
    Ok(StatusCode::OK.into_response())
}

/// Waits for a body's first bytes. What is uploaded may be a download of the same container's,
/// which would wait for the claim that an upload has.
async fn begun(body: Body) -> Body {
    let mut rest = body.into_data_stream();
    let first = rest.next().await;
    Body::from_stream(stream::iter(first).chain(rest))
}

async fn changes(State(engine): State<Engine>, Path(id): Path<String>) -> Answer {
    let container = engine.containers().find(&id)?;
    let changes = engine.container_changes(&container).await?;
    let changes: Vec<Value> = changes
        .into_iter()
        .map(|change| json!({ "Path": change.path, "Kind": change.kind as u8 }))
        .collect();
    Ok(Json((!changes.is_empty()).then_some(changes)).into_response())
}

async fn export(State(engine): State<Engine>, Path(id): Path<String>) -> Answer {
    let container = engine.containers().find(&id)?;
    let files = engine.container_files(&container, FilesUse::ReadRoot).await?;
    engine.container_event(&container, "export", []);
    let body = written_body(move |out| {
        let packed = files.root().and_then(|root| pack_content(out, &root));
        told(&container, packed)
    })?;
    Ok(([(CONTENT_TYPE, "application/octet-stream")], body).into_response())
}

/// The client only sees its stream break off; why is in the log.
fn told(container: &Container, packed: io::Result<()>) -> io::Result<()> {
    match &packed {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            tracing::error!(container_id = container.id, %error, "packing files failed");
        }
        _ => {}
    }
    packed
}

/// What clients know of a path before they copy it.
fn path_stat(node: &Node, name: &str, target: &[u8]) -> Value {
    let metadata = node.metadata();
    let nanoseconds = i32::try_from(metadata.mtime_nsec()).unwrap_or(0);
    let mtime = Timestamp::new(metadata.mtime(), nanoseconds).unwrap_or_default();
    json!({
        "name": name,
        "size": metadata.size(),
        "mode": go_mode(metadata.mode(), node.kind()),
        "mtime": mtime.to_string(),
        "linkTarget": String::from_utf8_lossy(target),
    })
}

/// The bits of Go's `FileMode`.
fn go_mode(mode: u32, kind: NodeKind) -> u32 {
    let kind = match kind {
        NodeKind::File => 0,
        NodeKind::Directory => 1 << 31,
        NodeKind::Symlink => 1 << 27,
        NodeKind::BlockDevice => 1 << 26,
        NodeKind::CharDevice => 1 << 26 | 1 << 21,
        NodeKind::Fifo => 1 << 25,
        NodeKind::Socket => 1 << 24,
    };
    let special = [(0o4000, 1 << 23), (0o2000, 1 << 22), (0o1000, 1 << 20)];
    let special = special.into_iter().filter(|(bit, _)| mode & bit != 0);
    special.fold(mode & 0o777 | kind, |all, (_, bit)| all | bit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modes_are_gos() {
        // As Go prints them: drwxrwxrwt, -rwsr-xr-x, Lrwxrwxrwx, Dcrw-rw-rw-.
        assert_eq!(go_mode(0o1777, NodeKind::Directory), 0x8010_01ff);
        assert_eq!(go_mode(0o4755, NodeKind::File), 0x0080_01ed);
        assert_eq!(go_mode(0o777, NodeKind::Symlink), 0x0800_01ff);
        assert_eq!(go_mode(0o666, NodeKind::CharDevice), 0x0420_01b6);
    }
}
