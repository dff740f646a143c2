//! A container's files: `container.folder`, `file`, `download`, `upload`, `changes`; and those of an
//! image: `image.folder`.

pub(super) mod archive;

use std::path::PathBuf;

use bollard::models::ChangeType;
use bollard::query_parameters::{
    DownloadFromContainerOptionsBuilder, UploadToContainerOptionsBuilder,
};
use bollard::{body_full, body_try_stream};
use futures::{Stream, StreamExt, TryStreamExt};
use hyper::Method;
use hyper::body::Bytes;
use naru_ipc::{
    ContainerDownload, ContainerPath, ContainerRef, ContainerUpload, FileChange, FileText,
    FileWrite, FolderEntry, FolderListing, ImageFolder, IpcError,
};
use naru_protocol::folder::{self, Entry, Folder, Kind};
use tokio::task::spawn_blocking;
use tokio_util::io::{ReaderStream, StreamReader, SyncIoBridge};

use super::find::encoded;
use super::{check_container, check_image};
use crate::local_file::receive;
use crate::{App, AppError, http};

/// How much of an archive waits between its maker and the connection.
pub(super) const PIPE: usize = 256 << 10;

impl App {
    /// `container.folder`.
    pub async fn container_folder(
        &self,
        request: ContainerPath,
    ) -> Result<FolderListing, IpcError> {
        check_container(&request.id)?;
        Ok(self.folder(&format!("container={}", request.id), &request.path).await?)
    }

    /// `image.folder`.
    pub async fn image_folder(&self, request: ImageFolder) -> Result<FolderListing, IpcError> {
        let ImageFolder { image, layer, path } = request;
        check_image(&image)?;
        let layer = layer.map_or_else(String::new, |layer| format!("&layer={layer}"));
        Ok(self.folder(&format!("image={}{layer}", encoded(&image)), &path).await?)
    }

    /// What is in a folder of what `of` says, in the words of the engine's query.
    pub(super) async fn folder(&self, of: &str, path: &str) -> Result<FolderListing, AppError> {
        let path = format!("{}?{of}&path={}", folder::PATH, encoded(path));
        let request = http::request(Method::GET, &path, None, Vec::new())?;
        let Folder { entries, more } = self.inner.ask_json("the folder", request).await?;
        Ok(FolderListing { entries: entries.into_iter().map(entry).collect(), more })
    }

    /// `container.file`: its beginning, when it is long.
    pub async fn container_file(&self, request: ContainerPath) -> Result<FileText, IpcError> {
        let archive = SyncIoBridge::new(StreamReader::new(self.archive(&request).await?));
        Ok(blocking(move || archive::text(archive)).await?)
    }

    /// `container.write_file`: whoever reads the file sees the old or the new one as far as the
    /// engine unpacks it so.
    pub async fn container_write_file(&self, request: FileWrite) -> Result<(), IpcError> {
        let FileWrite { id, path, before, text } = request;
        let (folder, _) = path.rsplit_once('/').unwrap_or_default();
        let folder = if folder.is_empty() { "/".to_owned() } else { folder.to_owned() };
        let at = ContainerPath { id: id.clone(), path };
        let archive = SyncIoBridge::new(StreamReader::new(self.archive(&at).await?));
        let changed = blocking(move || archive::changed(archive, &before, &text)).await?;
        let options = UploadToContainerOptionsBuilder::new().path(&folder).build();
        let docker = self.inner.docker()?;
        let body = body_full(changed.into());
        let sent = docker.upload_to_container(&id, Some(options), body).await;
        Ok(sent.map_err(AppError::from)?)
    }

    /// `container.download`: a file as it is, a folder as an archive.
    pub async fn container_download(&self, request: ContainerDownload) -> Result<(), IpcError> {
        let ContainerDownload { id, path, local, folder } = request;
        let pieces = self.archive(&ContainerPath { id, path }).await?;
        let local = PathBuf::from(local);
        if folder {
            let pieces = pieces.map_err(|source| AppError::System { action: READING, source });
            return Ok(receive(&local, pieces).await?);
        }
        let archive = SyncIoBridge::new(StreamReader::new(pieces));
        Ok(blocking(move || archive::unpack_file(archive, &local)).await?)
    }

    /// `container.upload`: a file or a folder, into a folder that is there.
    pub async fn container_upload(&self, request: ContainerUpload) -> Result<(), IpcError> {
        check_container(&request.id)?;
        let docker = self.inner.docker()?;
        let local = PathBuf::from(&request.local);
        let (write, read) = tokio::io::duplex(PIPE);
        let write = SyncIoBridge::new(write);
        let packing = spawn_blocking(move || archive::pack(write, &local));
        let options = UploadToContainerOptionsBuilder::new().path(&request.path).build();
        // It ends early where packing fails, which is then the error to tell.
        let pieces = body_try_stream(ReaderStream::new(read));
        let sent = docker.upload_to_container(&request.id, Some(options), pieces).await;
        let packed = packing.await.unwrap_or_else(|error| Err(packing_failed(error.into())));
        match (sent, packed) {
            // An engine that refuses reads no more, and packing fails for that reason alone.
            (Err(error), Ok(()) | Err(AppError::System { .. })) => {
                Err(AppError::from(error).into())
            }
            (_, packed) => Ok(packed?),
        }
    }

    /// `container.changes`, by path.
    pub async fn container_changes(
        &self,
        request: ContainerRef,
    ) -> Result<Vec<FileChange>, IpcError> {
        check_container(&request.id)?;
        let docker = self.inner.docker()?;
        let changes = docker.container_changes(&request.id).await.map_err(AppError::from)?;
        let kind = |kind| match kind {
            ChangeType::_0 => "changed",
            ChangeType::_1 => "added",
            ChangeType::_2 => "removed",
        };
        let changes = changes.unwrap_or_default().into_iter();
        let mut changes: Vec<_> = changes
            .map(|change| FileChange { path: change.path, kind: kind(change.kind).to_owned() })
            .collect();
        changes.sort_unstable_by(|one, other| one.path.cmp(&other.path));
        Ok(changes)
    }

    /// What is at a path, as an archive; a refusal of the engine is an error of this.
    async fn archive(
        &self,
        at: &ContainerPath,
    ) -> Result<impl Stream<Item = std::io::Result<Bytes>> + Send + Unpin + use<>, AppError> {
        check_container(&at.id)?;
        let docker = self.inner.docker()?;
        let options = DownloadFromContainerOptionsBuilder::new().path(&at.path).build();
        let mut pieces = Box::pin(docker.download_from_container(&at.id, Some(options)));
        let first = pieces.next().await.transpose()?;
        let first = futures::stream::iter(first.map(Ok));
        Ok(first.chain(pieces.map_err(std::io::Error::other)))
    }
}

/// What was being done when an archive broke off.
pub(super) const READING: &str = "read the engine's archive";

/// Work that blocks, on a thread for such.
pub(super) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, AppError> + Send + 'static,
) -> Result<T, AppError> {
    spawn_blocking(work).await.map_err(|error| packing_failed(error.into()))?
}

/// An archive that could not be handed on; its thread gone is as good as its pipe broken.
pub(super) fn packing_failed(source: std::io::Error) -> AppError {
    AppError::System { action: "hand the archive on", source }
}

fn entry(entry: Entry) -> FolderEntry {
    let Entry { name, kind, size, modified, mode, target, to_folder } = entry;
    let kind = match kind {
        Kind::File => "file",
        Kind::Folder => "folder",
        Kind::Link => "link",
        Kind::Other => "other",
        Kind::Removed => "removed",
    };
    let mode = format!("{mode:04o}");
    FolderEntry { name, kind: kind.to_owned(), size, modified, mode, target, to_folder }
}
