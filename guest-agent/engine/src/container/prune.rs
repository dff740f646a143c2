//! Removing all containers that are not in use.

use super::Record;
use crate::engine::Engine;
use crate::error::{EngineError, Result};

/// What a prune has removed.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Pruned {
    pub(crate) ids: Vec<String>,
    /// Bytes of the containers' own files.
    pub(crate) reclaimed: u64,
}

impl Engine {
    /// Removes every container that does not run and that is `wanted` gone, one after the
    /// other. A caller that goes away ends it between two.
    pub(crate) async fn prune_containers(
        &self,
        wanted: impl Fn(&Record) -> bool + Send,
    ) -> Result<Pruned> {
        let Ok(_alone) = self.pruning().try_lock() else {
            return Err(EngineError::Conflict("a prune operation is already running".to_owned()));
        };
        let mut pruned = Pruned::default();
        for container in self.containers().all() {
            let record = container.record();
            if record.counts_as_running() || !wanted(&record) {
                continue;
            }
            let bytes = match self.container_size(&record).await {
                Ok(size) => size.written,
                Err(error) => {
                    tracing::info!(container_id = container.id, %error, "not measured");
                    0
                }
            };
            match self.remove_container(&container, false, false).await {
                Ok(()) => {
                    pruned.reclaimed = pruned.reclaimed.saturating_add(bytes);
                    pruned.ids.push(container.id.clone());
                }
                // Someone has started it, or removes it too.
                Err(error) => {
                    tracing::info!(container_id = container.id, %error, "not pruned");
                }
            }
        }
        let attributes = [("reclaimed".to_owned(), pruned.reclaimed.to_string())];
        self.events().publish("container", "prune", "", attributes.into());
        Ok(pruned)
    }
}
