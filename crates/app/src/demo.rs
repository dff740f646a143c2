//! The bundled image: a first container without any network.

use bollard::Docker;
use bollard::container::LogOutput;
use bollard::errors::Error as DockerError;
use bollard::models::ContainerCreateBody;
use bollard::query_parameters::{
    AttachContainerOptionsBuilder, CreateContainerOptions, ImportImageOptions,
    RemoveContainerOptionsBuilder, StartContainerOptions, WaitContainerOptions,
};
use futures::{StreamExt, TryStreamExt};
use serde::Deserialize;
use tokio::fs::{self, File};
use tokio_util::io::ReaderStream;

use crate::app::docker_at;
use crate::{AppError, Directories};

/// The VM image's `manifest.json`, as far as it is ours to know.
#[derive(Deserialize)]
struct Manifest {
    demo_image: String,
}

/// The bundled image's name, which the VM image says.
pub(crate) async fn image(directories: &Directories) -> Result<String, AppError> {
    let path = directories.manifest()?;
    let text =
        fs::read(&path).await.map_err(|source| AppError::File { action: "read", path, source })?;
    let manifest: Manifest = serde_json::from_slice(&text)
        .map_err(|source| AppError::Garbled { what: "the VM image's manifest", source })?;
    Ok(manifest.demo_image)
}

/// A piece of the demo's output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Output<'a> {
    /// For standard output.
    Stdout(&'a [u8]),
    /// For standard error.
    Stderr(&'a [u8]),
}

/// Runs the bundled image once and gives its exit status.
///
/// The image is loaded when it is not there, the container is removed afterwards.
pub async fn run(
    directories: &Directories,
    print: impl FnMut(Output<'_>),
) -> Result<i64, AppError> {
    let docker = docker_at(directories)?;
    let image = image(directories).await?;
    ensure_loaded(&docker, directories, &image).await?;
    let body = ContainerCreateBody {
        image: Some(image),
        attach_stdout: Some(true),
        attach_stderr: Some(true),
        ..ContainerCreateBody::default()
    };
    let created = docker.create_container(None::<CreateContainerOptions>, body).await?;
    let status = attach_and_start(&docker, &created.id, print).await;
    let options = RemoveContainerOptionsBuilder::new().force(true).v(true).build();
    let removed = docker.remove_container(&created.id, Some(options)).await;
    let status = status?;
    removed?;
    Ok(status)
}

/// Loads the bundled image unless the engine has it.
pub(crate) async fn ensure_loaded(
    docker: &Docker,
    directories: &Directories,
    image: &str,
) -> Result<(), AppError> {
    match docker.inspect_image(image).await {
        Ok(_) => return Ok(()),
        Err(DockerError::DockerResponseServerError { status_code: 404, .. }) => {}
        Err(error) => return Err(error.into()),
    }
    let path = directories.demo_image()?;
    let file = File::open(&path).await.map_err(|source| AppError::File {
        action: "open",
        path,
        source,
    })?;
    let options = ImportImageOptions { quiet: true, ..ImportImageOptions::default() };
    let mut lines = Box::pin(docker.import_image_stream(options, ReaderStream::new(file), None));
    while let Some(line) = lines.try_next().await? {
        if let Some(message) = line.error_detail.and_then(|detail| detail.message) {
            return Err(DockerError::DockerStreamError { error: message }.into());
        }
    }
    Ok(())
}

async fn attach_and_start(
    docker: &Docker,
    id: &str,
    mut print: impl FnMut(Output<'_>),
) -> Result<i64, AppError> {
    let options = AttachContainerOptionsBuilder::new().stream(true).stdout(true).stderr(true);
    // Attached before it starts, so that its first line is not missed.
    let mut attached = docker.attach_container(id, Some(options.build())).await?;
    docker.start_container(id, None::<StartContainerOptions>).await?;
    while let Some(output) = attached.output.try_next().await? {
        match &output {
            LogOutput::StdErr { message } => print(Output::Stderr(message)),
            LogOutput::StdOut { message } | LogOutput::Console { message } => {
                print(Output::Stdout(message));
            }
            LogOutput::StdIn { .. } => {}
        }
    }
    let mut waits = Box::pin(docker.wait_container(id, None::<WaitContainerOptions>));
    match waits.next().await {
        Some(Ok(ended)) => Ok(ended.status_code),
        // So bollard says that the status is not 0.
        Some(Err(DockerError::DockerContainerWaitError { code, .. })) => Ok(code),
        Some(Err(error)) => Err(error.into()),
        None => Err(AppError::Deadline { what: "the demo's exit status" }),
    }
}
