//! Images into files and registries, and out of files.

use std::path::{Path, PathBuf};
use std::time::Duration;

use bollard::query_parameters::ImportImageOptionsBuilder;
use futures::{StreamExt, TryStreamExt};
use hyper::Method;
use naru_ipc::{
    FileProgress, ImageLoad, ImagePush, ImageSave, ImagesLoaded, IpcError, PullProgress,
};
use serde_json::Value;
use tokio::fs::{self, File};
use tokio::io::AsyncWriteExt;
use tokio_util::io::ReaderStream;

use super::image::name_and_tag;
use super::{check_image, find};
use crate::private_file::beside;
use crate::{App, AppError, ask, credentials};

/// How long the engine may take to read a file whole: as long as the person waits.
const LOAD_TIMEOUT: Duration = Duration::from_hours(24);
/// Bytes read from a file at a time.
const PIECE: usize = 256 << 10;
/// What the engine says of each image that it has loaded, before its name or id.
const LOADED: [&str; 2] = ["Loaded image: ", "Loaded image ID: "];

impl App {
    /// `image.save`: what is not whole is not left behind.
    pub async fn image_save(
        &self,
        request: ImageSave,
        sink: impl Fn(FileProgress) -> bool + Send + Sync + 'static,
    ) -> Result<(), IpcError> {
        for image in &request.images {
            check_image(image)?;
        }
        let stream = self.inner.streams.open(&request.stream_id, None)?;
        let path = PathBuf::from(&request.path);
        let part = beside(&path, &format!("{}.part", std::process::id()));
        let saved = tokio::select! {
            () = stream.closed() => Err(AppError::TransferCancelled),
            saved = self.save(&request.images, &part, &sink) => saved,
        };
        let saved = match saved {
            Ok(()) => fs::rename(&part, &path).await.map_err(|source| file("write", &path, source)),
            Err(error) => Err(error),
        };
        if saved.is_err() {
            // Nothing is lost when this fails too: it says in its name what it is.
            drop(fs::remove_file(&part).await);
        }
        Ok(saved?)
    }

    async fn save(
        &self,
        images: &[String],
        part: &Path,
        sink: &(impl Fn(FileProgress) -> bool + Send + Sync),
    ) -> Result<(), AppError> {
        let docker = self.inner.docker()?;
        let names: Vec<&str> = images.iter().map(String::as_str).collect();
        let mut archive = Box::pin(docker.export_images(&names));
        let mut first = archive.try_next().await?;
        let mut out = File::create(part).await.map_err(|source| file("create", part, source))?;
        let mut bytes = 0;
        while let Some(piece) = first.take() {
            out.write_all(&piece).await.map_err(|source| file("write", part, source))?;
            bytes += piece.len() as u64;
            if !sink(FileProgress { bytes, total: None }) {
                return Err(AppError::TransferCancelled);
            }
            first = archive.try_next().await?;
        }
        out.flush().await.map_err(|source| file("write", part, source))?;
        out.sync_all().await.map_err(|source| file("write", part, source))
    }

    /// `image.load`.
    pub async fn image_load(
        &self,
        request: ImageLoad,
        sink: impl Fn(FileProgress) -> bool + Send + Sync + 'static,
    ) -> Result<ImagesLoaded, IpcError> {
        let stream = self.inner.streams.open(&request.stream_id, None)?;
        let loaded = tokio::select! {
            () = stream.closed() => Err(AppError::TransferCancelled),
            loaded = self.load(Path::new(&request.path), sink) => loaded,
        };
        Ok(loaded?)
    }

    async fn load(
        &self,
        path: &Path,
        sink: impl Fn(FileProgress) -> bool + Send + Sync + 'static,
    ) -> Result<ImagesLoaded, AppError> {
        let docker = self.inner.docker()?.with_timeout(LOAD_TIMEOUT);
        let archive = File::open(path).await.map_err(|source| file("read", path, source))?;
        let found = archive.metadata().await.map_err(|source| file("read", path, source))?;
        if !found.is_file() {
            return Err(AppError::NoFile { path: path.to_owned() });
        }
        let total = Some(found.len());
        let mut bytes = 0;
        let pieces = ReaderStream::with_capacity(archive, PIECE).inspect_ok(move |piece| {
            bytes += piece.len() as u64;
            // A window that is gone ends the load by its stream, not here.
            let _taken = sink(FileProgress { bytes, total });
        });
        let options = ImportImageOptionsBuilder::new().quiet(true).build();
        let mut lines = Box::pin(docker.import_image_stream(options, pieces, None));
        let mut images = Vec::new();
        while let Some(line) = lines.next().await {
            let said = line?.stream.unwrap_or_default();
            images.extend(
                LOADED
                    .iter()
                    .find_map(|prefix| said.trim().strip_prefix(prefix))
                    .map(str::to_owned),
            );
        }
        Ok(ImagesLoaded { images })
    }

    /// `image.push`.
    pub async fn image_push(
        &self,
        request: ImagePush,
        sink: impl Fn(PullProgress) -> bool + Send + Sync + 'static,
    ) -> Result<(), IpcError> {
        check_image(&request.reference)?;
        let stream = self.inner.streams.open(&request.stream_id, None)?;
        let pushed = tokio::select! {
            () = stream.closed() => Err(AppError::TransferCancelled),
            pushed = self.push(&request.reference, sink) => pushed,
        };
        Ok(pushed.map_err(AppError::at_registry)?)
    }

    async fn push(
        &self,
        reference: &str,
        sink: impl Fn(PullProgress) -> bool + Send + Sync,
    ) -> Result<(), AppError> {
        let (name, tag) = name_and_tag(reference);
        let path = format!("/v1.51/images/{name}/push?tag={}", find::encoded(tag));
        let registry = credentials::registry_of(reference);
        let request = self.with_credentials(Method::POST, &path, registry).await?;
        let mut lines = Box::pin(ask::lines(self.inner.ask(request).await?));
        while let Some(line) = lines.next().await {
            if !sink(progress(&line?)?) {
                return Err(AppError::TransferCancelled);
            }
        }
        Ok(())
    }
}

/// One line of a push.
fn progress(line: &Value) -> Result<PullProgress, AppError> {
    if let Some(message) = line["errorDetail"]["message"].as_str() {
        return Err(AppError::Said { message: message.to_owned() });
    }
    let text = |key: &str| line[key].as_str().filter(|text| !text.is_empty()).map(str::to_owned);
    Ok(PullProgress {
        layer: text("id"),
        status: text("status").unwrap_or_default(),
        current: line["progressDetail"]["current"].as_u64(),
        total: line["progressDetail"]["total"].as_u64(),
    })
}

fn file(action: &'static str, path: &Path, source: std::io::Error) -> AppError {
    AppError::File { action, path: path.to_owned(), source }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_line_of_a_push_is_a_layers_progress_or_its_end() {
        let line = json!({ "status": "Pushing", "id": "ab",
            "progressDetail": { "current": 1, "total": 2 } });
        let told = progress(&line).unwrap();
        assert_eq!(
            (told.layer.as_deref(), told.current, told.total),
            (Some("ab"), Some(1), Some(2))
        );
        let error = progress(&json!({ "error": "no", "errorDetail": { "message": "no" } }));
        assert_eq!(error.unwrap_err().to_string(), "no");
    }
}
