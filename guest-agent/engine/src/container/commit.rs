//! A container becomes an image: what it has changed is a layer on those of its own image.

use std::fs;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use bollard_stubs::models::ContainerConfig;
use jiff::Timestamp;
use naru_image_store::{Digest, ImageError, ImageReference, MadeImage, MadeLayer};

use super::state::Status;
use super::{Container, health};
use crate::changes::apply_changes;
use crate::engine::Engine;
use crate::error::{EngineError, Result};
use crate::files::{Tree, pack_container};
use crate::image_document::{Base, ImageDocument};

/// Says in the run directory that a container is paused for no longer than a copy takes.
const PAUSED_FOR_COPY: &str = "paused-for-copy";

/// `POST /commit`.
#[derive(Clone, Debug, Default)]
pub(crate) struct CommitRequest {
    /// In place of the container's configuration, which fills in what it does not say.
    pub(crate) config: Option<ContainerConfig>,
    /// Instructions of a Dockerfile.
    pub(crate) changes: Vec<String>,
    pub(crate) pause: bool,
    pub(crate) author: String,
    pub(crate) comment: String,
    pub(crate) target: Option<ImageReference>,
}

impl Engine {
    /// Makes an image of a container, and gives its id. A client that goes away does not end it.
    pub(crate) async fn commit_container(
        &self,
        container: &Arc<Container>,
        request: CommitRequest,
    ) -> Result<Digest> {
        if container.removing.load(Ordering::Acquire) {
            return Err(EngineError::Conflict(format!(
                "You cannot commit container {} which is being removed",
                container.id
            )));
        }
        let (engine, container) = (self.clone(), Arc::clone(container));
        self.run_to_end(Box::pin(async move {
            // Its files stay until they are copied.
            let _stays = container.lifecycle.lock().await;
            if container.removed.is_cancelled() {
                return Err(EngineError::NoSuchContainer(container.id.clone()));
            }
            let paused = request.pause && engine.pause_for_copy(&container).await;
            let committed = engine.commit_locked(&container, request).await;
            if paused {
                engine.end_pause_for_copy(&container).await;
            }
            committed
        }))
        .await
    }

    async fn commit_locked(
        &self,
        container: &Arc<Container>,
        request: CommitRequest,
    ) -> Result<Digest> {
        let record = container.record();
        let image_id: Digest = record.image_id.parse().map_err(|error| {
            EngineError::Invalid(format!("image id {}: {error}", record.image_id))
        })?;
        let no_image = || ImageError::NotFound { name: record.image_id.clone() };
        let image = self.images().image(&image_id)?.ok_or_else(no_image)?;
        let config = request.config.unwrap_or_else(|| record.config.clone());
        let mut config = apply_changes(config, &request.changes)?;
        merge(&mut config, &record.config);

        let (engine, looked_at) = (self.clone(), record.clone());
        let (upper, below) = self
            .run_blocking(move || {
                let upper = engine.paths().container(&looked_at.id).join("upper");
                let below = engine.image_files(&looked_at)?;
                Ok((Tree::at(&upper).map_err(EngineError::io("opening", upper))?, below))
            })
            .await?;
        let pack = move |out: &mut dyn io::Write| pack_container(out, &upper, &below);
        let layer = self.images().make_layer(pack).await?;
        let document = ImageDocument {
            base: Base::Image(&image),
            config: &config,
            container: Some((&record.id, &record.config)),
            author: &request.author,
            comment: &request.comment,
            layer: layer.as_ref().map(MadeLayer::diff_id),
        };
        let config = document.write(Timestamp::now())?;
        let tag = request.target.clone();
        let made = MadeImage { base: Some(&image), layer, config, tag };
        let id = self.images().add_image(made).await?.id;

        let reference = request.target.map(|target| target.familiar());
        if let Some(name) = &reference {
            self.image_event("tag", &id.to_string(), name);
        }
        let extra = [
            ("comment", request.comment),
            ("imageID", id.to_string()),
            ("imageRef", reference.unwrap_or_default()),
        ];
        self.container_event(container, "commit", extra);
        Ok(id)
    }

    /// Whether it was running and stands still now. As with Docker, what cannot be paused is
    /// copied as it runs.
    async fn pause_for_copy(&self, container: &Arc<Container>) -> bool {
        if container.record.borrow().state.status != Status::Running {
            return false;
        }
        let mark = mark(container);
        let paused = match fs::write(&mark, "").map_err(EngineError::io("writing", mark)) {
            Ok(()) => self.pause_container(container).await,
            Err(error) => Err(error),
        };
        let Err(error) = paused else { return true };
        tracing::info!(container_id = container.id, %error, "copied without a pause");
        remove_mark(container);
        false
    }

    async fn end_pause_for_copy(&self, container: &Arc<Container>) {
        match self.unpause_container(container).await {
            // Its user did it, or it has ended.
            Ok(()) | Err(EngineError::NotPaused(_) | EngineError::NotRunning(_)) => {}
            Err(error) => {
                tracing::error!(container_id = container.id, %error, "it is still paused");
            }
        }
        remove_mark(container);
    }
}

impl Container {
    /// Whether an engine was killed while it had the container paused for a copy; said once.
    pub(super) fn was_paused_for_copy(&self) -> bool {
        fs::remove_file(mark(self)).is_ok()
    }
}

/// In the run directory, so that it is gone when the processes are.
fn mark(container: &Container) -> PathBuf {
    container.shim.directory().join(PAUSED_FOR_COPY)
}

fn remove_mark(container: &Container) {
    match fs::remove_file(mark(container)) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            tracing::warn!(container_id = container.id, %error, "a mark is left behind");
        }
        _ => {}
    }
}

/// Fills in from the container's configuration what `config` does not say, as Docker does.
fn merge(config: &mut ContainerConfig, container: &ContainerConfig) {
    fn unless_said(said: &mut Option<String>, other: Option<&String>) {
        if said.as_ref().is_none_or(String::is_empty) {
            *said = other.cloned();
        }
    }
    fn all(said: &mut Option<Vec<String>>, other: Option<&Vec<String>>) {
        if let Some(other) = other {
            let all = said.get_or_insert_default();
            all.extend(other.iter().cloned());
            all.sort();
            all.dedup();
        }
    }
    unless_said(&mut config.user, container.user.as_ref());
    unless_said(&mut config.working_dir, container.working_dir.as_ref());
    unless_said(&mut config.stop_signal, container.stop_signal.as_ref());
    all(&mut config.exposed_ports, container.exposed_ports.as_ref());
    all(&mut config.volumes, container.volumes.as_ref());
    let name = |variable: &str| variable.split('=').next().unwrap_or_default().to_owned();
    for variable in container.env.iter().flatten() {
        let env = config.env.get_or_insert_default();
        if !env.iter().any(|said| name(said) == name(variable)) {
            env.push(variable.clone());
        }
    }
    let labels = config.labels.get_or_insert_default();
    for (key, value) in container.labels.iter().flatten() {
        labels.entry(key.clone()).or_insert_with(|| value.clone());
    }
    if config.entrypoint.as_ref().is_none_or(Vec::is_empty) {
        if config.cmd.as_ref().is_none_or(Vec::is_empty) {
            config.cmd.clone_from(&container.cmd);
        }
        if config.entrypoint.is_none() {
            config.entrypoint.clone_from(&container.entrypoint);
        }
    }
    config.healthcheck = health::merge(config.healthcheck.take(), container.healthcheck.clone());
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<String> {
        text.split_whitespace().map(str::to_owned).collect()
    }

    #[test]
    fn the_container_fills_in_what_was_not_said() {
        let container = ContainerConfig {
            cmd: Some(words("old")),
            entrypoint: Some(words("entry")),
            env: Some(words("A=1 B=2")),
            exposed_ports: Some(words("80/tcp")),
            user: Some("me".to_owned()),
            labels: Some([("a".to_owned(), "1".to_owned())].into()),
            ..ContainerConfig::default()
        };
        let mut config = ContainerConfig {
            cmd: Some(words("new")),
            env: Some(words("B=3")),
            exposed_ports: Some(words("443/tcp")),
            ..ContainerConfig::default()
        };
        merge(&mut config, &container);
        assert_eq!((&config.cmd, &config.entrypoint), (&Some(words("new")), &Some(words("entry"))));
        assert_eq!(config.env, Some(words("B=3 A=1")));
        assert_eq!(config.exposed_ports, Some(words("443/tcp 80/tcp")));
        assert_eq!(config.user.as_deref(), Some("me"));
        assert_eq!(config.labels, container.labels);

        let mut entry =
            ContainerConfig { entrypoint: Some(words("e")), ..ContainerConfig::default() };
        merge(&mut entry, &container);
        assert_eq!(entry.cmd, None, "another entry point's command is not the container's");
    }
}
