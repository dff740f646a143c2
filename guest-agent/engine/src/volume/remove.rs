//! Volumes that go: one by one, with their container, or all that nobody uses.

use super::record::VolumeRecord;
use super::registry::Held;
use crate::container::Record;
use crate::engine::Engine;
use crate::error::{EngineError, Result};
use crate::files::size;

/// What a prune has removed.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct PrunedVolumes {
    pub(crate) names: Vec<String>,
    /// Bytes of their files.
    pub(crate) reclaimed: u64,
}

impl Engine {
    /// Removes a volume that belongs to no container. By `force` it may be gone already.
    pub(crate) async fn remove_volume(&self, name: &str, force: bool) -> Result<()> {
        match self.volumes().find(name) {
            Err(EngineError::NoSuchVolume(_)) if force => return Ok(()),
            found => drop(found?),
        }
        let (engine, name) = (self.clone(), name.to_owned());
        self.run_to_end(async move {
            let held = engine.volumes().hold(&name).await;
            if held.volume.record().is_none() {
                return if force { Ok(()) } else { Err(EngineError::NoSuchVolume(name)) };
            }
            let users = held.volume.users();
            if !users.is_empty() {
                return Err(EngineError::VolumeInUse { name, users });
            }
            let deleted = engine.delete_volumes(vec![held], None).await;
            engine.trim_soon();
            deleted
        })
        .await
    }

    /// Removes every volume that belongs to no container and is `wanted` gone.
    pub(crate) async fn prune_volumes(
        &self,
        wanted: impl Fn(&VolumeRecord) -> bool + Send,
    ) -> Result<PrunedVolumes> {
        let Ok(_alone) = self.pruning().try_lock() else {
            return Err(EngineError::Conflict("a prune operation is already running".to_owned()));
        };
        let mut pruned = PrunedVolumes::default();
        for (volume, record) in self.volumes().all() {
            if !wanted(&record) || !volume.users().is_empty() {
                continue;
            }
            let bytes = self.volume_size(&record.name).await.unwrap_or_default();
            match self.remove_volume(&record.name, false).await {
                Ok(()) => {
                    pruned.reclaimed = pruned.reclaimed.saturating_add(bytes);
                    pruned.names.push(record.name);
                }
                // Somebody has begun to use it, or removes it too.
                Err(error) => tracing::info!(volume = record.name, %error, "not pruned"),
            }
        }
        let attributes = [("reclaimed".to_owned(), pruned.reclaimed.to_string())];
        self.events().publish("volume", "prune", "", attributes.into());
        Ok(pruned)
    }

    /// How much a volume takes.
    pub(crate) async fn volume_size(&self, name: &str) -> Result<u64> {
        let data = self.volumes().directories().data(name);
        self.run_blocking(move || size(&data).map_err(EngineError::io("measuring", data))).await
    }

    /// Forgets a container, and with it those of its volumes that nobody has named, if they are
    /// no other's and wanted gone. All or nothing.
    pub(crate) async fn forget_container(&self, record: &Record, volumes: bool) -> Result<()> {
        let mut held = Vec::new();
        if volumes {
            let anonymous = record.volumes().filter(|(_, mounted)| mounted.anonymous);
            let mut names: Vec<&str> =
                anonymous.map(|(_, mounted)| mounted.name.as_str()).collect();
            names.sort_unstable();
            names.dedup();
            for name in names {
                let volume = self.volumes().hold(name).await;
                let users = volume.volume.users();
                if volume.volume.record().is_some() && users.iter().all(|user| *user == record.id) {
                    held.push(volume);
                }
            }
        }
        self.delete_volumes(held, Some(&record.id)).await?;
        for (_, mounted) in record.volumes() {
            if let Ok(volume) = self.volumes().find(&mounted.name) {
                volume.disclaim(&record.id);
            }
        }
        Ok(())
    }

    /// Forgets volumes, and a container that they were of.
    async fn delete_volumes(&self, held: Vec<Held>, container_id: Option<&str>) -> Result<()> {
        let directories = self.volumes().directories().clone();
        let names: Vec<String> = held.iter().map(|held| held.volume.name.clone()).collect();
        let mut taken = Ok(());
        for name in &names {
            taken = directories.take_away(name).map_err(EngineError::io("taking away", name));
            if taken.is_err() {
                break;
            }
        }
        let forgotten = match taken {
            Ok(()) => self.database().delete_volumes(&names, container_id).await,
            error => error,
        };
        if let Err(error) = forgotten {
            for name in &names {
                if let Err(error) = directories.put_back(name) {
                    tracing::error!(volume = name, %error, "a volume comes back at the next start");
                }
            }
            return Err(error);
        }
        for held in &held {
            held.forget();
            self.volume_event(&held.volume.name, "destroy", []);
        }
        if names.is_empty() {
            return Ok(());
        }
        self.run_blocking(move || {
            // Until its files are gone nobody makes another of this name.
            let _held = held;
            for name in &names {
                // It is gone for all; its files are swept at the next start.
                if let Err(error) = directories.delete(name) {
                    tracing::warn!(volume = name, %error, "left behind");
                }
            }
            Ok(())
        })
        .await
    }
}
