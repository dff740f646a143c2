//! `project.*`: what the computer's own compose does over the engine.

use std::path::Path;

use naru_ipc::{ComposeFound, IpcError, OutputChunk, ProjectDown, ProjectRef, ProjectUp};
use serde_json::Value;

use super::check_name;
use crate::compose::Compose;
use crate::output::chunk;
use crate::{App, AppError};

impl App {
    /// `project.compose`.
    pub async fn project_compose(&self, (): ()) -> Result<ComposeFound, IpcError> {
        let found = Compose::find(&self.inner.directories).await;
        let none = ComposeFound { program: None, version: String::new() };
        Ok(found.map_or(none, Compose::found))
    }

    /// `project.up`: images are pulled and built as the file says.
    pub async fn project_up(
        &self,
        request: ProjectUp,
        sink: impl Fn(OutputChunk) -> bool + Send + Sync + 'static,
    ) -> Result<ProjectRef, IpcError> {
        let stream = self.inner.streams.open(&request.stream_id, None)?;
        let up = tokio::select! {
            () = stream.closed() => Err(AppError::TransferCancelled),
            up = self.up(&request.file, &sink) => up,
        };
        Ok(up?)
    }

    async fn up(
        &self,
        file: &str,
        sink: &(impl Fn(OutputChunk) -> bool + Send + Sync),
    ) -> Result<ProjectRef, AppError> {
        let path = Path::new(file);
        let Some(folder) = path.parent().filter(|_| path.is_absolute()) else {
            let name = file.to_owned();
            return Err(AppError::InvalidName { what: "path of a file from the root", name });
        };
        if !path.is_file() {
            return Err(AppError::NoFile { path: path.to_owned() });
        }
        let compose = self.working_compose().await?;
        // It says what is wrong with the file before anything is made of it, and what the
        // project is called. What else is in it, such as passwords, is nobody's business.
        let look = ["--ansi", "never", "-f", file, "config", "--format", "json"];
        let read = compose.ask(folder, &look, |source, bytes| sink(chunk(source, bytes))).await?;
        let read: Value = serde_json::from_slice(&read).map_err(|source| AppError::Garbled {
            what: "what compose says of the file",
            source,
        })?;
        let name = read["name"].as_str().unwrap_or_default().to_owned();
        let up = ["--ansi", "never", "-f", file, "up", "-d"];
        compose.run(folder, &up, |source, bytes| sink(chunk(source, bytes))).await?;
        Ok(ProjectRef { name })
    }

    /// `project.down`: by its name, which is all that compose needs.
    pub async fn project_down(
        &self,
        request: ProjectDown,
        sink: impl Fn(OutputChunk) -> bool + Send + Sync + 'static,
    ) -> Result<(), IpcError> {
        let stream = self.inner.streams.open(&request.stream_id, None)?;
        let down = tokio::select! {
            () = stream.closed() => Err(AppError::TransferCancelled),
            down = self.down(&request, &sink) => down,
        };
        Ok(down?)
    }

    async fn down(
        &self,
        request: &ProjectDown,
        sink: &(impl Fn(OutputChunk) -> bool + Send + Sync),
    ) -> Result<(), AppError> {
        check_name("project name", &request.name)?;
        let compose = self.working_compose().await?;
        let mut down = vec!["--ansi", "never", "-p", request.name.as_str(), "down"];
        if request.volumes {
            down.push("--volumes");
        }
        compose.run(compose.nowhere(), &down, |source, bytes| sink(chunk(source, bytes))).await
    }

    /// The computer's compose, with a machine to work on.
    async fn working_compose(&self) -> Result<Compose, AppError> {
        self.inner.docker()?;
        Compose::find(&self.inner.directories).await.ok_or(AppError::NoCompose)
    }
}
