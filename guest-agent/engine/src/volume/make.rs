//! Making volumes: out of sight, then written down, then in their place.

use std::collections::BTreeMap;
use std::path::PathBuf;

use jiff::Timestamp;

use super::directory::VolumeDirectories;
use super::options;
use super::record::{ANONYMOUS_LABEL, LOCAL, VolumeRecord, check_name};
use super::registry::Held;
use crate::container::{Record, random_id};
use crate::engine::Engine;
use crate::error::{EngineError, Result};

/// A volume as it is asked for, whether there is one of its name or not.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct VolumeRequest {
    pub(crate) name: String,
    /// The local one if it is empty.
    pub(crate) driver: String,
    pub(crate) options: Option<BTreeMap<String, String>>,
    pub(crate) labels: Option<BTreeMap<String, String>>,
    /// It is another container's, so that it is not made if it has just gone.
    pub(crate) is_anothers: bool,
}

impl VolumeRequest {
    /// Gives it a name if it has none.
    pub(crate) fn named(mut self) -> Self {
        if self.name.is_empty() {
            self.name = random_id();
            self.labels.get_or_insert_default().insert(ANONYMOUS_LABEL.to_owned(), String::new());
        }
        self
    }

    /// Refuses what there is nothing of, in Docker's words.
    pub(crate) fn check(&self) -> Result<()> {
        let Self { name, driver, .. } = self;
        if !matches!(driver.as_str(), "" | LOCAL) {
            let (name, driver) = (name.clone(), driver.clone());
            return Err(EngineError::NoSuchVolumeDriver { name, driver });
        }
        check_name(name)
    }

    /// What is wrong with the options shows only where they are to be used.
    fn into_record(self) -> Result<VolumeRecord> {
        let options = self.options.filter(|options| !options.is_empty());
        let Self { name, labels, .. } = self;
        options.as_ref().map_or(Ok(()), |given| options::check(&name, given))?;
        Ok(VolumeRecord { name, created: Timestamp::now(), labels, options })
    }
}

/// Volumes that are held, those there were none of made. Dropped instead of kept, the new ones
/// have never been.
#[derive(Debug)]
pub(crate) struct PreparedVolumes(Vec<PreparedVolume>);

#[derive(Debug)]
pub(super) struct PreparedVolume {
    pub(super) held: Held,
    pub(super) directories: VolumeDirectories,
    /// None of one that was there before, or is kept by now.
    pub(super) fresh: Option<VolumeRecord>,
}

impl PreparedVolume {
    fn name(&self) -> &str {
        &self.held.volume.name
    }

    /// Where its content is now.
    pub(super) fn data(&self) -> PathBuf {
        match self.fresh {
            Some(_) => self.directories.new_data(self.name()),
            None => self.directories.data(self.name()),
        }
    }

    pub(super) fn record(&self) -> Option<VolumeRecord> {
        self.fresh.clone().or_else(|| self.held.volume.record())
    }
}

impl Drop for PreparedVolume {
    fn drop(&mut self) {
        if self.fresh.is_some()
            && let Err(error) = self.directories.abandon(self.name())
        {
            // Swept at the next start.
            tracing::warn!(volume = self.name(), %error, "left behind");
        }
    }
}

impl PreparedVolumes {
    /// Where the content of `name` is being made, if there was no volume of that name.
    pub(super) fn fresh_data(&self, name: &str) -> Option<PathBuf> {
        let volume = self.find(name)?;
        volume.fresh.is_some().then(|| volume.data())
    }

    pub(super) fn find(&self, name: &str) -> Option<&PreparedVolume> {
        self.0.iter().find(|volume| volume.name() == name)
    }

    /// Writes the new ones down, with the container that all of them are for, if they are for
    /// one; then they are there.
    pub(crate) async fn keep(mut self, engine: &Engine, container: Option<&Record>) -> Result<()> {
        let fresh: Vec<VolumeRecord> =
            self.0.iter().filter_map(|volume| volume.fresh.clone()).collect();
        engine.database().put_volumes(&fresh, container).await?;
        for volume in &mut self.0 {
            if let Some(record) = &volume.fresh {
                let name = &record.name;
                let placed = volume.directories.finish(name);
                placed.map_err(EngineError::io("placing the volume", name))?;
                engine.volume_event(name, "create", []);
                volume.held.keep(record.clone());
                volume.fresh = None;
            }
            if let Some(container) = container {
                volume.held.volume.claim(&container.id);
            }
        }
        Ok(())
    }
}

impl Engine {
    /// Makes a volume; one that is there already is left as it is.
    pub(crate) async fn create_volume(&self, request: VolumeRequest) -> Result<VolumeRecord> {
        let request = request.named();
        let (engine, name) = (self.clone(), request.name.clone());
        // As a whole: a client that goes away must not leave it half made.
        self.run_to_end(async move {
            engine.prepare_volumes([request]).await?.keep(&engine, None).await
        })
        .await?;
        let made = self.volumes().find(&name)?.record();
        made.ok_or(EngineError::NoSuchVolume(name))
    }

    /// Holds the volumes that are asked for, and makes those that there are none of where nobody
    /// sees them yet. The first of several requests of one name says what it is.
    pub(crate) async fn prepare_volumes(
        &self,
        requests: impl IntoIterator<Item = VolumeRequest>,
    ) -> Result<PreparedVolumes> {
        let mut by_name = BTreeMap::new();
        for request in requests {
            request.check()?;
            by_name.entry(request.name.clone()).or_insert(request);
        }
        let directories = self.volumes().directories();
        let mut prepared = Vec::new();
        for (name, request) in by_name {
            let held = self.volumes().hold(&name).await;
            let is_new = held.volume.record().is_none();
            if is_new && request.is_anothers {
                return Err(EngineError::NoSuchVolume(name));
            }
            let fresh = if is_new { Some(request.into_record()?) } else { None };
            prepared.push(PreparedVolume { held, directories: directories.clone(), fresh });
            if is_new {
                directories.begin(&name).map_err(EngineError::io("making the volume", &name))?;
            }
        }
        Ok(PreparedVolumes(prepared))
    }

    /// Tells everyone what happened to a volume.
    pub(super) fn volume_event<const N: usize>(
        &self,
        name: &str,
        action: &str,
        extra: [(&str, &str); N],
    ) {
        let all = [("driver", LOCAL)].into_iter().chain(extra);
        let all = all.map(|(key, value)| (key.to_owned(), value.to_owned())).collect();
        self.events().publish("volume", action, name, all);
    }
}
