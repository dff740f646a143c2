//! `GET /naru/folder`: what is in a folder of a container.

use std::io;
use std::os::unix::fs::MetadataExt as _;

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use naru_protocol::folder::{Entry, Folder, Kind};
use serde::Deserialize;

use super::error::ApiError;
use super::query::Query;
use crate::container::{ContainerFiles, FilesUse};
use crate::engine::Engine;
use crate::error::EngineError;
use crate::files::{ContainerPath, FilesError, ListLimit, Listed, NodeKind, list};

/// An answer that the host reads whole, even if every byte of a name takes six in JSON.
const LIMIT: ListLimit = ListLimit { entries: 2000, bytes: 64 << 10 };
/// Links may lead to longer paths than they have room for in such an answer.
const TARGET_MAX: usize = 128;

#[derive(Debug, Deserialize)]
pub(super) struct FolderQuery {
    container: String,
    path: String,
}

pub(super) async fn list_folder(
    State(engine): State<Engine>,
    Query(query): Query<FolderQuery>,
) -> Result<Response, ApiError> {
    let container = engine.containers().find(&query.container)?;
    let files = engine.container_files(&container, FilesUse::Read).await?;
    let folder = engine
        .run_blocking(move || {
            // The slash says that the folder is meant, not a link to it.
            let path = ContainerPath::new(&format!("{}/", query.path));
            look_into(&files, &path).map_err(|error| {
                if error.kind() == io::ErrorKind::NotFound {
                    return EngineError::NoSuchFile {
                        path: query.path,
                        container: query.container,
                    };
                }
                FilesError::io("looking into", path.as_bytes())(error).into()
            })
        })
        .await?;
    Ok(Json(folder).into_response())
}

fn look_into(files: &ContainerFiles, path: &ContainerPath) -> io::Result<Folder> {
    let (listed, more) = list(&files.look(path)?, LIMIT)?;
    let entries = listed.iter().map(|listed| entry(files, path, listed)).collect();
    Ok(Folder { entries, more })
}

fn entry(files: &ContainerFiles, folder: &ContainerPath, listed: &Listed) -> Entry {
    let metadata = listed.node.metadata();
    let name = String::from_utf8_lossy(&listed.name).into_owned();
    let kind = match listed.node.kind() {
        NodeKind::File => Kind::File,
        NodeKind::Directory => Kind::Folder,
        NodeKind::Symlink => Kind::Link,
        _ => Kind::Other,
    };
    let target = match kind {
        Kind::Link => target(files, folder, &name),
        _ => None,
    };
    let (target, to_folder) = target.unwrap_or_default();
    Entry {
        name,
        kind,
        size: listed.size(),
        modified: metadata.mtime(),
        mode: metadata.mode() & 0o7777,
        target,
        to_folder,
    }
}

/// Where a link leads in the end, and whether that is a folder; none when it leads nowhere.
fn target(files: &ContainerFiles, folder: &ContainerPath, name: &str) -> Option<(String, bool)> {
    let folder = String::from_utf8_lossy(folder.as_bytes());
    let link = ContainerPath::new(&format!("{folder}/{name}"));
    let target = String::from_utf8(files.follow(&link).ok()?).ok()?;
    let found = files.look(&ContainerPath::new(&target)).ok()?;
    (target.len() <= TARGET_MAX).then(|| (target, found.kind() == NodeKind::Directory))
}
