//! `GET /naru/folder`: what is in a folder of a container, of an image or one of its layers, or of a
//! volume.

use std::io;
use std::os::unix::fs::MetadataExt as _;

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use naru_protocol::folder::{Entry, Folder, Kind};
use serde::Deserialize;

use super::error::ApiError;
use super::query::Query;
use crate::container::FilesUse;
use crate::engine::Engine;
use crate::error::EngineError;
use crate::files::{ContainerPath, FilesError, ListLimit, Listed, NodeKind, Tree, list};

/// An answer that the host reads whole, even if every byte of a name takes six in JSON.
const LIMIT: ListLimit = ListLimit { entries: 2000, bytes: 64 << 10 };
/// Links may lead to longer paths than they have room for in such an answer.
const TARGET_MAX: usize = 128;

#[derive(Debug, Deserialize)]
pub(super) struct FolderQuery {
    container: Option<String>,
    image: Option<String>,
    layer: Option<usize>,
    volume: Option<String>,
    path: String,
}

pub(super) async fn list_folder(
    State(engine): State<Engine>,
    Query(query): Query<FolderQuery>,
) -> Result<Response, ApiError> {
    let FolderQuery { container, image, layer, volume, path } = query;
    let folder = match (container, image, layer, volume) {
        (Some(container), None, None, None) => of_container(&engine, container, path).await?,
        (None, Some(image), layer, None) => of_image(&engine, image, layer, path).await?,
        (None, None, None, Some(volume)) => of_volume(&engine, volume, path).await?,
        _ => {
            let want = "want a container, a volume, or an image, perhaps with a layer";
            return Err(ApiError::invalid(want));
        }
    };
    Ok(Json(folder).into_response())
}

async fn of_container(engine: &Engine, name: String, path: String) -> Result<Folder, EngineError> {
    let container = engine.containers().find(&name)?;
    let files = engine.container_files(&container, FilesUse::Read).await?;
    let none = move |path| EngineError::NoSuchFile { path, container: name };
    engine.run_blocking(move || look_into(files.tree(), path, none)).await
}

async fn of_image(
    engine: &Engine,
    name: String,
    layer: Option<usize>,
    path: String,
) -> Result<Folder, EngineError> {
    let files = engine.files_of_image(engine.images().resolve(&name)?, layer).await?;
    let none = move |path| EngineError::NoSuchImageFile { path, image: name };
    engine.run_blocking(move || look_into(&files.tree, path, none)).await
}

async fn of_volume(engine: &Engine, name: String, path: String) -> Result<Folder, EngineError> {
    let files = engine.volume_files(&name).await?;
    let none = move |path| EngineError::NoSuchVolumeFile { path, volume: name };
    engine.run_blocking(move || look_into(&files.tree, path, none)).await
}

fn look_into(
    tree: &Tree,
    path: String,
    none: impl FnOnce(String) -> EngineError,
) -> Result<Folder, EngineError> {
    // The slash says that the folder is meant, not a link to it.
    let folder = ContainerPath::new(&format!("{path}/"));
    let listed = tree.look(folder.as_bytes()).and_then(|node| list(&node, LIMIT));
    match listed {
        Ok((listed, more)) => {
            let entries = listed.iter().map(|listed| entry(tree, &folder, listed)).collect();
            Ok(Folder { entries, more })
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Err(none(path)),
        Err(error) => Err(FilesError::io("looking into", folder.as_bytes())(error).into()),
    }
}

fn entry(tree: &Tree, folder: &ContainerPath, listed: &Listed) -> Entry {
    let metadata = listed.node.metadata();
    let name = String::from_utf8_lossy(&listed.name).into_owned();
    let kind = match listed.node.kind() {
        NodeKind::File => Kind::File,
        NodeKind::Directory => Kind::Folder,
        NodeKind::Symlink => Kind::Link,
        // As overlayfs has it in a layer. In what it puts together there is none.
        NodeKind::CharDevice if metadata.rdev() == 0 => Kind::Removed,
        _ => Kind::Other,
    };
    let target = match kind {
        Kind::Link => target(tree, folder, &name),
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
fn target(tree: &Tree, folder: &ContainerPath, name: &str) -> Option<(String, bool)> {
    let folder = String::from_utf8_lossy(folder.as_bytes());
    let link = ContainerPath::new(&format!("{folder}/{name}"));
    let target = String::from_utf8(tree.follow(link.as_bytes()).ok()?).ok()?;
    let found = tree.look(ContainerPath::new(&target).as_bytes()).ok()?;
    (target.len() <= TARGET_MAX).then(|| (target, found.kind() == NodeKind::Directory))
}
