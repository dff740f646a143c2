//! All volumes, by name, and who uses them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{Mutex as AsyncMutex, OwnedMutexGuard};

use super::directory::VolumeDirectories;
use super::record::VolumeRecord;
use crate::error::{EngineError, Result};

/// All volumes the engine knows.
#[derive(Debug)]
pub(crate) struct Volumes {
    directories: VolumeDirectories,
    by_name: Arc<Mutex<ByName>>,
}

type ByName = BTreeMap<String, Arc<Volume>>;

/// A volume, or a name that one is about to have.
#[derive(Debug)]
pub(crate) struct Volume {
    pub(crate) name: String,
    /// Held by whoever makes, fills, mounts or removes it. An async lock: all of them wait for
    /// the database or the disk in between.
    gate: Arc<AsyncMutex<()>>,
    state: Mutex<State>,
    /// Who has it mounted: ids of containers that run, and what works on a container's files.
    /// Held over the mounting, so only where blocking is in order.
    pub(super) mounted_by: Mutex<BTreeSet<String>>,
}

#[derive(Debug, Default)]
struct State {
    /// None until it is written down.
    record: Option<VolumeRecord>,
    /// Whoever waited for it must look again.
    gone: bool,
    /// The containers that it belongs to.
    users: BTreeSet<String>,
}

impl Volumes {
    pub(crate) fn new(directories: VolumeDirectories, records: Vec<VolumeRecord>) -> Self {
        let volumes = records.into_iter().map(|record| {
            let volume = Volume::new(&record.name);
            let name = record.name.clone();
            volume.state().record = Some(record);
            (name, Arc::new(volume))
        });
        Self { directories, by_name: Arc::new(Mutex::new(volumes.collect())) }
    }

    pub(crate) fn directories(&self) -> &VolumeDirectories {
        &self.directories
    }

    /// The volume that is called so.
    pub(crate) fn find(&self, name: &str) -> Result<Arc<Volume>> {
        let found = lock(&self.by_name).get(name).cloned();
        let found = found.filter(|volume| volume.record().is_some());
        found.ok_or_else(|| EngineError::NoSuchVolume(name.to_owned()))
    }

    /// All of them with their records, by name.
    pub(crate) fn all(&self) -> Vec<(Arc<Volume>, VolumeRecord)> {
        let all: Vec<_> = lock(&self.by_name).values().cloned().collect();
        let kept = all.into_iter().filter_map(|volume| {
            let record = volume.record()?;
            Some((volume, record))
        });
        kept.collect()
    }

    /// Waits for its turn to work on the volume `name`, which need not exist yet. Who needs
    /// several holds them in the order of their names. Cancel safe.
    pub(super) async fn hold(&self, name: &str) -> Held {
        loop {
            let volume = {
                let mut by_name = lock(&self.by_name);
                let made = || Arc::new(Volume::new(name));
                Arc::clone(by_name.entry(name.to_owned()).or_insert_with(made))
            };
            let gate = Arc::clone(&volume.gate).lock_owned().await;
            let by_name = Arc::clone(&self.by_name);
            if !volume.state().gone {
                return Held { volume, by_name, _gate: gate };
            }
        }
    }
}

/// A volume that nobody else works on meanwhile.
#[derive(Debug)]
pub(super) struct Held {
    pub(super) volume: Arc<Volume>,
    by_name: Arc<Mutex<ByName>>,
    _gate: OwnedMutexGuard<()>,
}

impl Held {
    /// Lets all see it.
    pub(super) fn keep(&self, record: VolumeRecord) {
        self.volume.state().record = Some(record);
    }

    /// Lets nobody see it any more.
    pub(super) fn forget(&self) {
        self.volume.state().record = None;
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        if self.volume.record().is_none() {
            self.volume.state().gone = true;
            lock(&self.by_name).remove(&self.volume.name);
        }
    }
}

impl Volume {
    fn new(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            gate: Arc::default(),
            state: Mutex::default(),
            mounted_by: Mutex::default(),
        }
    }

    /// None of one that is in the making or on its way out.
    pub(crate) fn record(&self) -> Option<VolumeRecord> {
        self.state().record.clone()
    }

    /// The containers that it belongs to.
    pub(crate) fn users(&self) -> Vec<String> {
        self.state().users.iter().cloned().collect()
    }

    /// It belongs to this container from now on.
    pub(crate) fn claim(&self, container_id: &str) {
        self.state().users.insert(container_id.to_owned());
    }

    /// It does not any more.
    pub(crate) fn disclaim(&self, container_id: &str) {
        self.state().users.remove(container_id);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }
}

pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use jiff::Timestamp;

    use super::*;

    fn record(name: &str) -> VolumeRecord {
        let created = Timestamp::UNIX_EPOCH;
        VolumeRecord { name: name.to_owned(), created, labels: None, options: None }
    }

    #[tokio::test]
    async fn a_name_is_free_again_when_its_volume_was_not_kept() {
        let volumes = Volumes::new(VolumeDirectories::new(Path::new("/nowhere")), Vec::new());
        drop(volumes.hold("data").await);
        assert!(volumes.find("data").is_err() && lock(&volumes.by_name).is_empty());
        let held = volumes.hold("data").await;
        assert!(volumes.find("data").is_err(), "it is not there before it is kept");
        held.keep(record("data"));
        drop(held);
        assert_eq!(volumes.all().len(), 1);
        let held = volumes.hold("data").await;
        held.forget();
        drop(held);
        assert!(volumes.all().is_empty() && lock(&volumes.by_name).is_empty());
    }

    #[tokio::test]
    async fn who_waited_for_a_volume_that_went_gets_a_new_one() {
        let directories = VolumeDirectories::new(Path::new("/nowhere"));
        let volumes = Volumes::new(directories, vec![record("data")]);
        let held = volumes.hold("data").await;
        let former = Arc::clone(&held.volume);
        let remove = async {
            held.forget();
            drop(held);
        };
        let (again, ()) = tokio::join!(volumes.hold("data"), remove);
        assert!(!Arc::ptr_eq(&again.volume, &former) && again.volume.record().is_none());
    }
}
