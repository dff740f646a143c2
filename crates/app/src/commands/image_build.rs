//! `image.build` and the look at what it would build.

mod context;
mod folder;
mod told;

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use bollard::auth::DockerCredentials;
use bollard::body_try_stream;
use bollard::models::BuildInfo;
use bollard::query_parameters::{BuildImageOptions, BuildImageOptionsBuilder};
use futures::{StreamExt, TryStreamExt, stream};
use naru_ipc::{
    BuildEvent, BuildFolder, ImageBuild, ImageBuildFolder, ImageBuilt, IpcError, PullProgress,
};
use tokio::sync::oneshot;
use tokio::task::spawn_blocking;
use tokio_util::io::{ReaderStream, SyncIoBridge};

use super::check_image;
use super::files::{PIPE, blocking, packing_failed};
use crate::{App, AppError, credentials};
use folder::Known;
use told::Told;

/// How long a build may take: as long as the person waits.
const BUILD_TIMEOUT: Duration = Duration::from_hours(24);

impl App {
    /// `image.build_folder`.
    pub async fn image_build_folder(
        &self,
        request: ImageBuildFolder,
    ) -> Result<BuildFolder, IpcError> {
        let ImageBuildFolder { folder, dockerfile } = request;
        Ok(blocking(move || folder::look(Path::new(&folder), &dockerfile)).await?)
    }

    /// `image.build`: a build that is given up leaves nothing but the cache of its steps.
    pub async fn image_build(
        &self,
        request: ImageBuild,
        sink: impl Fn(BuildEvent) -> bool + Send + Sync + 'static,
    ) -> Result<ImageBuilt, IpcError> {
        check_image(&request.name)?;
        let stream = self.inner.streams.open(&request.stream_id, None)?;
        let built = tokio::select! {
            () = stream.closed() => Err(AppError::TransferCancelled),
            built = self.build(&request, sink) => built,
        };
        Ok(built?)
    }

    async fn build(
        &self,
        request: &ImageBuild,
        sink: impl Fn(BuildEvent) -> bool + Send + Sync + 'static,
    ) -> Result<ImageBuilt, AppError> {
        let docker = self.inner.docker()?.with_timeout(BUILD_TIMEOUT);
        let (folder, dockerfile) = (PathBuf::from(&request.folder), request.dockerfile.clone());
        let (ignore, known) = blocking(move || {
            let text = folder::text(&folder, &dockerfile)?;
            let known = Known::of(&text.unwrap_or_default());
            Ok((context::ignored(&folder, &dockerfile)?, known))
        })
        .await?;
        let proven = self.proven_to(&known.images).await;

        let (write, read) = tokio::io::duplex(PIPE);
        let folder = PathBuf::from(&request.folder);
        let packing =
            spawn_blocking(move || context::pack(SyncIoBridge::new(write), &folder, &ignore));
        let sink = Arc::new(sink);
        let (counting, mut bytes) = (Arc::clone(&sink), 0);
        let pieces = ReaderStream::with_capacity(read, PIPE).inspect_ok(move |piece| {
            bytes += piece.len() as u64;
            // A window that is gone ends the build by its stream, not here.
            let _taken = counting(BuildEvent::Sent { bytes });
        });
        // What is not whole must not be built: the body then breaks off instead of ending.
        let (failed, mut packing_error) = oneshot::channel();
        let end = stream::once(async move {
            let packed = packing.await.unwrap_or_else(|error| Err(packing_failed(error.into())));
            packed.map_err(|error| {
                drop(failed.send(error));
                std::io::Error::other("the folder could not be read whole")
            })
        });
        let end = end.filter_map(async |end| end.err().map(Err));
        let body = body_try_stream(pieces.chain(Box::pin(end)));

        let mut told = Told::new(&request.dockerfile, known.instructions.clone());
        let mut is_made = false;
        let mut lines = Box::pin(docker.build_image(options(request), Some(proven), Some(body)));
        while let Some(line) = lines.next().await {
            let line = match line {
                Ok(line) => line,
                Err(error) => {
                    if let Some(event) = told.failed(&known.instructions) {
                        sink(event);
                    }
                    return Err(packing_error.try_recv().unwrap_or_else(|_| cause(error, &told)));
                }
            };
            let (events, made) = events_of(line, &mut told);
            is_made |= made;
            if !events.into_iter().all(|event| sink(event)) {
                return Err(AppError::TransferCancelled);
            }
        }
        let built = if is_made { docker.inspect_image(&request.name).await?.id } else { None };
        let message = "the engine's answer broke off".to_owned();
        built.map(|id| ImageBuilt { id }).ok_or(AppError::BuildFailed { message })
    }

    /// Who the person is to the registries that these images are in.
    async fn proven_to(&self, images: &[String]) -> HashMap<String, DockerCredentials> {
        let mut proven = HashMap::new();
        for image in images {
            let registry = credentials::registry_of(image);
            let server = credentials::server_of(registry);
            if proven.contains_key(server) {
                continue;
            }
            let found = credentials::find(&self.inner.directories.docker_config, registry).await;
            if let Some(found) = found {
                proven.insert(server.to_owned(), found.for_bollard(registry));
            }
        }
        proven
    }
}

fn options(request: &ImageBuild) -> BuildImageOptions {
    let arguments: HashMap<String, String> = request.arguments.clone().into_iter().collect();
    BuildImageOptionsBuilder::new()
        .dockerfile(&request.dockerfile)
        .t(&request.name)
        .buildargs(&arguments)
        .target(&request.target)
        .nocache(request.no_cache)
        .rm(true)
        .build()
}

/// What a line of the answer says, and whether it is that the image is there.
fn events_of(line: BuildInfo, told: &mut Told) -> (Vec<BuildEvent>, bool) {
    let mut events = Vec::new();
    if let Some(status) = line.status {
        let detail = line.progress_detail.unwrap_or_default();
        let count = |count: Option<i64>| count.and_then(|count| u64::try_from(count).ok());
        let progress = PullProgress {
            layer: line.id.filter(|id| !id.is_empty()),
            status,
            current: count(detail.current),
            total: count(detail.total),
        };
        events.push(BuildEvent::Pulling { progress });
    }
    if let Some(said) = line.stream {
        events.extend(told.take(&said));
    }
    // Only of an image that is made. What it says depends on bollard's features, which another crate
    // may have turned on.
    (events, line.aux.is_some())
}

/// Before the first step there is nothing but images that have to come.
fn cause(error: bollard::errors::Error, told: &Told) -> AppError {
    match error {
        bollard::errors::Error::DockerStreamError { error: message } if told.has_begun() => {
            AppError::BuildFailed { message }
        }
        error => AppError::from(error).at_registry(),
    }
}
