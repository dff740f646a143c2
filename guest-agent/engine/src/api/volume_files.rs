//! `/naru/volume/…`: a volume's files as an archive, out of it and into it, and as another volume.

use std::io;
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use hyper::StatusCode;
use hyper::header::CONTENT_TYPE;
use naru_protocol::volumes::{ARCHIVE_PATH, CLONE_PATH, CloneProgress, Cloned};
use serde::Deserialize;
use serde_json::json;

use super::error::ApiError;
use super::lines::{self, Lines};
use super::query::{Flag, Query};
use super::transfer::{BodyReader, written_body};
use crate::engine::Engine;
use crate::error::EngineError;
use crate::files::{ContainerPath, FilesError, Node, NodeKind, pack, pack_with_holes};
use crate::volume::VolumeFiles;

/// How often somebody is told how far a clone is.
const TOLD_EVERY: Duration = Duration::from_millis(200);

type Answer = Result<Response, ApiError>;

pub(super) fn routes() -> Router<Engine> {
    Router::new().route(ARCHIVE_PATH, get(back_up).put(restore)).route(CLONE_PATH, post(clone))
}

#[derive(Debug, Deserialize)]
struct PartQuery {
    volume: String,
    #[serde(default)]
    path: String,
}

async fn back_up(State(engine): State<Engine>, Query(query): Query<PartQuery>) -> Answer {
    let PartQuery { volume, path } = query;
    let files = engine.volume_files(&volume).await?;
    let is_whole = path.trim_matches('/').is_empty();
    let path = ContainerPath::new(if is_whole { "/." } else { &path });
    let (files, node, path) = engine.run_blocking(move || look(files, volume, path)).await?;
    let body = written_body(move |out| {
        // Who asks for one file is to have its bytes, and need not know of holes.
        let packed = match node.kind() {
            NodeKind::File => pack(out, &node, path.base()),
            _ => pack_with_holes(out, &node, path.base()),
        };
        let packed = packed.and_then(|()| files.still_there());
        if let Err(error) = &packed
            && error.kind() != io::ErrorKind::BrokenPipe
        {
            // The client only sees its stream break off.
            tracing::error!(%error, "packing a volume failed");
        }
        packed
    })?;
    Ok(([(CONTENT_TYPE, "application/x-tar")], body).into_response())
}

/// What is at a path of a volume. Blocks.
fn look(
    files: VolumeFiles,
    volume: String,
    path: ContainerPath,
) -> Result<(VolumeFiles, Node, ContainerPath), EngineError> {
    match files.tree.look(path.as_bytes()) {
        Ok(node) => Ok((files, node, path)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let path = String::from_utf8_lossy(path.as_bytes()).into_owned();
            Err(EngineError::NoSuchVolumeFile { path, volume })
        }
        Err(error) => Err(FilesError::io("looking at", path.as_bytes())(error).into()),
    }
}

#[derive(Debug, Deserialize)]
struct RestoreQuery {
    volume: String,
    #[serde(default)]
    replace: Flag,
}

async fn restore(
    State(engine): State<Engine>,
    Query(query): Query<RestoreQuery>,
    body: Body,
) -> Answer {
    let RestoreQuery { volume, replace } = query;
    let archive = BodyReader::until(body, engine.shutdown().clone());
    engine.restore_volume(volume, replace.0, archive).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

#[derive(Debug, Deserialize)]
struct CloneQuery {
    volume: String,
    to: String,
}

async fn clone(State(engine): State<Engine>, Query(query): Query<CloneQuery>) -> Answer {
    let CloneQuery { volume, to } = query;
    let cloning = engine.clone();
    lines::answer(&engine, move |lines| async move {
        // When the engine ends, too.
        let gone = cloning.shutdown().child_token();
        // Dropped when nobody waits any more.
        let _guard = gone.clone().drop_guard();
        let mut told = Told { lines: lines.clone(), bytes: 0, at: None };
        let go_on = move |more| {
            told.add(more);
            !gone.is_cancelled()
        };
        let made = cloning.clone_volume(volume, to, go_on).await?;
        lines.send(json!(Cloned { name: made.name }));
        Ok(())
    })
    .await
}

/// How far a clone is.
#[derive(Debug)]
struct Told {
    lines: Lines,
    bytes: u64,
    at: Option<Instant>,
}

impl Told {
    fn add(&mut self, more: u64) {
        self.bytes = self.bytes.saturating_add(more);
        // At once for the first time: with the first line the answer begins.
        if self.at.is_none_or(|at| at.elapsed() >= TOLD_EVERY) {
            self.at = Some(Instant::now());
            self.lines.send(json!(CloneProgress { bytes: self.bytes }));
        }
    }
}
