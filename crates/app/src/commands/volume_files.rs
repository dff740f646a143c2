//! A volume's files: `volume.folder`, `file`, `download`, `backup`, `restore`, `clone`.

use std::io;
use std::path::Path;

use futures::{Stream, StreamExt, TryStreamExt};
use http_body_util::{BodyExt, StreamBody};
use hyper::body::{Bytes, Frame};
use hyper::header::HOST;
use hyper::{Method, Request};
use naru_ipc::{
    FileProgress, FileText, FolderListing, IpcError, VolumeBackup, VolumeClone, VolumeDownload,
    VolumePath, VolumeRestore,
};
use naru_protocol::volumes::{ARCHIVE_PATH, CLONE_PATH, CloneProgress};
use serde_json::Value;
use tokio::fs::File;
use tokio_util::io::{ReaderStream, StreamReader, SyncIoBridge};

use super::check_name;
use super::files::{READING, archive, blocking};
use super::find::encoded;
use crate::local_file::{failed, receive, receive_until};
use crate::{App, AppError, ask, http};

/// Bytes read from a file at a time.
const PIECE: usize = 256 << 10;

impl App {
    /// `volume.folder`.
    pub async fn volume_folder(&self, request: VolumePath) -> Result<FolderListing, IpcError> {
        check_volume(&request.name)?;
        Ok(self.folder(&format!("volume={}", request.name), &request.path).await?)
    }

    /// `volume.file`: its beginning, when it is long.
    pub async fn volume_file(&self, request: VolumePath) -> Result<FileText, IpcError> {
        let pieces = self.volume_archive(&request.name, &request.path).await?;
        let archive = SyncIoBridge::new(StreamReader::new(pieces));
        Ok(blocking(move || archive::text(archive)).await?)
    }

    /// `volume.download`: a file as it is, a folder as an archive.
    pub async fn volume_download(&self, request: VolumeDownload) -> Result<(), IpcError> {
        let VolumeDownload { name, path, local, folder } = request;
        let pieces = self.volume_archive(&name, &path).await?;
        if folder {
            return Ok(receive(Path::new(&local), pieces.map_err(broken_off)).await?);
        }
        let archive = SyncIoBridge::new(StreamReader::new(pieces));
        Ok(blocking(move || archive::unpack_file(archive, Path::new(&local))).await?)
    }

    /// `volume.backup`: what is not whole is not left behind.
    pub async fn volume_backup(
        &self,
        request: VolumeBackup,
        sink: impl Fn(FileProgress) -> bool + Send + Sync + 'static,
    ) -> Result<(), IpcError> {
        let stream = self.inner.streams.open(&request.stream_id, None)?;
        let pieces = tokio::select! {
            () = stream.closed() => return Err(AppError::TransferCancelled.into()),
            pieces = self.volume_archive(&request.name, "/") => pieces?.map_err(broken_off),
        };
        let mut bytes = 0;
        let told = pieces.and_then(|piece| {
            bytes += piece.len() as u64;
            let goes_on = sink(FileProgress { bytes, total: None });
            let piece = if goes_on { Ok(piece) } else { Err(AppError::TransferCancelled) };
            std::future::ready(piece)
        });
        Ok(receive_until(stream.closed(), Path::new(&request.path), told).await?)
    }

    /// `volume.restore`: the volume is as it was until the archive was read whole.
    pub async fn volume_restore(
        &self,
        request: VolumeRestore,
        sink: impl Fn(FileProgress) -> bool + Send + Sync + 'static,
    ) -> Result<(), IpcError> {
        let stream = self.inner.streams.open(&request.stream_id, None)?;
        let restored = tokio::select! {
            () = stream.closed() => Err(AppError::TransferCancelled),
            restored = self.restore(&request, sink) => restored,
        };
        Ok(restored?)
    }

    async fn restore(
        &self,
        VolumeRestore { name, path, replace, .. }: &VolumeRestore,
        sink: impl Fn(FileProgress) -> bool + Send + Sync + 'static,
    ) -> Result<(), AppError> {
        check_volume(name)?;
        let path = Path::new(path);
        let archive = File::open(path).await.map_err(|source| failed("read", path, source))?;
        let found = archive.metadata().await.map_err(|source| failed("read", path, source))?;
        if !found.is_file() {
            return Err(AppError::NoFile { path: path.to_owned() });
        }
        let (mut bytes, total) = (0, Some(found.len()));
        let pieces = ReaderStream::with_capacity(archive, PIECE).map_ok(move |piece| {
            bytes += piece.len() as u64;
            // A window that is gone ends it by its stream, not here.
            let _taken = sink(FileProgress { bytes, total });
            Frame::data(piece)
        });
        let replace = u8::from(*replace);
        let address = format!("{ARCHIVE_PATH}?volume={name}&replace={replace}");
        let request = Request::put(&address).header(HOST, "naru").body(StreamBody::new(pieces));
        let request = request.map_err(|_| AppError::InvalidName { what: "path", name: address })?;
        self.inner.hand_over(request).await.map(drop)
    }

    /// `volume.clone`: the new one is there when it is whole.
    pub async fn volume_clone(
        &self,
        request: VolumeClone,
        sink: impl Fn(FileProgress) -> bool + Send + Sync + 'static,
    ) -> Result<(), IpcError> {
        let VolumeClone { name, to, stream_id } = request;
        check_volume(&name)?;
        check_volume(&to)?;
        let stream = self.inner.streams.open(&stream_id, None)?;
        let cloned = async {
            let path = format!("{CLONE_PATH}?volume={name}&to={to}");
            let request = http::request(Method::POST, &path, None, Vec::new())?;
            follow(ask::lines(self.inner.ask(request).await?), sink).await
        };
        let cloned = tokio::select! {
            () = stream.closed() => Err(AppError::TransferCancelled),
            cloned = cloned => cloned,
        };
        Ok(cloned?)
    }

    /// What is at a path, as an archive; a refusal of the engine is an error of this.
    async fn volume_archive(
        &self,
        name: &str,
        path: &str,
    ) -> Result<impl Stream<Item = io::Result<Bytes>> + Send + Unpin + use<>, AppError> {
        check_volume(name)?;
        let path = format!("{ARCHIVE_PATH}?volume={name}&path={}", encoded(path));
        let request = http::request(Method::GET, &path, None, Vec::new())?;
        let body = self.inner.ask(request).await?.into_body();
        Ok(body.into_data_stream().map_err(io::Error::other))
    }
}

fn check_volume(name: &str) -> Result<(), AppError> {
    check_name("volume name", name)
}

fn broken_off(source: io::Error) -> AppError {
    AppError::System { action: READING, source }
}

/// Tells how far a clone is, until a line says that it is made.
async fn follow(
    lines: impl Stream<Item = Result<Value, AppError>>,
    sink: impl Fn(FileProgress) -> bool,
) -> Result<(), AppError> {
    let mut lines = std::pin::pin!(lines);
    while let Some(line) = lines.next().await {
        let line = line?;
        if let Some(message) = line["errorDetail"]["message"].as_str() {
            return Err(AppError::Said { message: message.to_owned() });
        }
        let Ok(CloneProgress { bytes }) = serde_json::from_value(line) else { return Ok(()) };
        if !sink(FileProgress { bytes, total: None }) {
            return Err(AppError::TransferCancelled);
        }
    }
    Err(broken_off(io::ErrorKind::UnexpectedEof.into()))
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use futures::stream;
    use serde_json::json;

    use super::*;

    async fn followed(lines: &[Value]) -> (Result<(), AppError>, Vec<u64>) {
        let told = Mutex::new(Vec::new());
        let lines = stream::iter(lines.to_vec()).map(Ok);
        let sink = |progress: FileProgress| {
            told.lock().unwrap().push(progress.bytes);
            true
        };
        let followed = follow(lines, sink).await;
        (followed, told.into_inner().unwrap())
    }

    #[tokio::test]
    async fn a_clone_is_made_when_the_engine_names_it_and_not_before() {
        let (made, told) = followed(&[json!({ "bytes": 5 }), json!({ "name": "copy" })]).await;
        made.unwrap();
        assert_eq!(told, [5]);
        let failure = json!({ "errorDetail": { "message": "no room" } });
        let (failed, _) = followed(&[json!({ "bytes": 5 }), failure]).await;
        assert_eq!(failed.unwrap_err().to_string(), "no room");
        let (broken, _) = followed(&[json!({ "bytes": 5 })]).await;
        broken.expect_err("nothing said that it is made");
    }

    #[test]
    fn a_name_that_would_add_to_the_query_is_refused() {
        for name in ["a&replace=1", "a b", "../x", ""] {
            assert!(check_volume(name).is_err(), "{name:?}");
        }
    }
}
