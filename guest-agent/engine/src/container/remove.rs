//! Removing a container with all that is its own.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::lifecycle::Asker;
use super::state::Status;
use super::{Container, Record, release_shm};
use crate::engine::Engine;
use crate::error::{EngineError, Result};
use crate::files::remove_all;

impl Engine {
    /// Removes a container with all that is its own; a running one only by `force`. Its `volumes`
    /// are those that nobody has named.
    pub(crate) async fn remove_container(
        &self,
        container: &Arc<Container>,
        force: bool,
        volumes: bool,
    ) -> Result<()> {
        if container.removing.swap(true, Ordering::AcqRel) {
            return Err(EngineError::RemovalInProgress(container.id.clone()));
        }
        let (engine, container) = (self.clone(), Arc::clone(container));
        self.run_to_end(async move {
            let removed = engine.remove_locked(&container, force, volumes).await;
            if removed.is_err() {
                container.removing.store(false, Ordering::Release);
            }
            removed
        })
        .await
    }

    #[tracing::instrument(
        name = "remove",
        level = "debug",
        skip_all,
        fields(container_id = container.id)
    )]
    async fn remove_locked(
        &self,
        container: &Arc<Container>,
        force: bool,
        volumes: bool,
    ) -> Result<()> {
        let _one_at_a_time = container.lifecycle.lock().await;
        let record = container.record();
        if record.counts_as_running() && !force {
            return Err(still_running(record));
        }
        // What waits for its restart does so in vain: its start waits for our lock.
        if record.running() {
            self.kill_and_wait(container, Asker::User).await?;
        }
        // The record goes first: a crash after it leaves files that the next start
        // sweeps, a crash before it a container that can be removed again.
        let _no_more_changes = container.changing.lock().await;
        self.forget_container(&container.record(), volumes).await?;
        self.execs().forget_container(&container.id);
        let directory = self.paths().container(&container.id);
        let run_directory = container.shim.directory().to_owned();
        let files = self.run_blocking(move || {
            release_shm(&directory);
            remove_directory(&directory);
            remove_directory(&run_directory);
            Ok(())
        });
        if let Err(error) = files.await {
            tracing::error!(container_id = container.id, %error, "files were left behind");
        }
        self.trim_soon();
        self.containers().remove(container);
        self.container_event(container, "destroy", []);
        container.removed.cancel();
        Ok(())
    }

    /// For `--rm`: nobody waits for the answer.
    pub(super) fn remove_in_background(&self, container: &Arc<Container>) {
        let (engine, container) = (self.clone(), Arc::clone(container));
        self.tasks().spawn(async move {
            match engine.remove_container(&container, false, true).await {
                Ok(()) | Err(EngineError::RemovalInProgress(_)) => {}
                Err(error) => {
                    tracing::error!(container_id = container.id, %error, "removal failed");
                }
            }
        });
    }
}

/// Why a container cannot be removed that is not stopped, in Docker's words.
fn still_running(record: Record) -> EngineError {
    let what = match record.state.status {
        Status::Paused => "is paused and must be unpaused first",
        Status::Restarting => "is restarting: stop the container before removing or force remove",
        Status::Created | Status::Running | Status::Exited => {
            "is running: stop the container before removing or force remove"
        }
    };
    EngineError::StillRunning { name: record.name, what }
}

#[tracing::instrument(level = "debug", skip_all)]
pub(super) fn remove_directory(path: &std::path::Path) {
    match remove_all(path) {
        Ok(()) => {}
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
        // Swept at the next start; the container itself is gone.
        Err(error) => tracing::warn!(path = %path.display(), %error, "left behind"),
    }
}
