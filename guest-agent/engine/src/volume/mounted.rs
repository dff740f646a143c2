//! Volumes in use: what is to be mounted at one's directory is there from its first user to its
//! last.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use nix::mount::{MntFlags, umount2};

use super::directory::VolumeDirectories;
use super::options::DeviceMount;
use super::populate::part_of;
use super::record::VolumeRecord;
use super::registry::{Volume, lock};
use crate::container::{Record, random_id, refuse_unshared};
use crate::engine::Engine;
use crate::error::{EngineError, Result};
use crate::files::Tree;

impl Engine {
    /// Makes a container's volumes ready for its start.
    #[tracing::instrument(level = "debug", skip_all)]
    pub(crate) async fn mount_volumes(&self, record: &Record) -> Result<()> {
        for (point, mounted) in record.volumes() {
            let name = &mounted.name;
            let held = self.volumes().hold(name).await;
            let volume = Arc::clone(&held.volume);
            let kept = volume.record().ok_or_else(|| EngineError::NoSuchVolume(name.clone()))?;
            let (engine, id) = (self.clone(), record.id.clone());
            if kept.is_mounted_when_used() {
                self.run_blocking(move || volume.mount(&engine, &kept, id)).await?;
            } else {
                lock(&volume.mounted_by).insert(id);
            }
            if let Some(subpath) = &mounted.subpath {
                let data = self.volumes().directories().data(name);
                let tree = Tree::at(&data).map_err(EngineError::io("opening", &data))?;
                drop(part_of(&tree, &data.join(subpath), subpath)?);
            }
            self.volume_event(
                name,
                "mount",
                [
                    ("container", &record.id),
                    ("destination", &point.destination.to_string_lossy()),
                    ("propagation", ""),
                    ("read/write", if point.read_only { "false" } else { "true" }),
                ],
            );
        }
        Ok(())
    }

    /// A container does not use its volumes any more; nothing happens if it does not anyway.
    pub(crate) fn unmount_volumes(&self, record: &Record) {
        for (_, mounted) in record.volumes() {
            let Ok(volume) = self.volumes().find(&mounted.name) else { continue };
            if volume.unmount(self.volumes().directories(), &record.id) {
                self.volume_event(&volume.name, "unmount", [("container", &record.id)]);
            }
        }
    }

    /// Notes at the engine's start which volumes belong to a container, and which it uses.
    pub(crate) fn find_volumes_again(&self, record: &Record) {
        for (_, mounted) in record.volumes() {
            let Ok(volume) = self.volumes().find(&mounted.name) else {
                tracing::warn!(volume = mounted.name, container_id = record.id, "a volume is lost");
                continue;
            };
            volume.claim(&record.id);
            if record.running() {
                lock(&volume.mounted_by).insert(record.id.clone());
            }
        }
    }

    /// Unmounts what an engine that was killed has left mounted, and no container uses.
    pub(crate) fn unmount_unused_volumes(&self) {
        let directories = self.volumes().directories();
        for (volume, record) in self.volumes().all() {
            if record.is_mounted_when_used() && lock(&volume.mounted_by).is_empty() {
                take_off(&directories.data(&volume.name));
            }
        }
    }

    /// Mounts what a container's files need that are looked at from outside. Blocks.
    pub(crate) fn look_into_volumes(&self, record: &Record) -> Result<Vec<VolumeInUse>> {
        let mut all = Vec::new();
        for (_, mounted) in record.volumes() {
            let volume = self.volumes().find(&mounted.name)?;
            let Some(kept) = volume.record().filter(VolumeRecord::is_mounted_when_used) else {
                continue;
            };
            all.push(volume.look_into(self, &kept)?);
        }
        Ok(all)
    }
}

/// Keeps a volume mounted. To drop it blocks for a moment.
#[derive(Debug)]
pub(crate) struct VolumeInUse {
    volume: Arc<Volume>,
    directories: VolumeDirectories,
    user: String,
}

impl Drop for VolumeInUse {
    fn drop(&mut self) {
        self.volume.unmount(&self.directories, &self.user);
    }
}

impl Volume {
    /// Whether a container uses it just now, or something works on its files.
    pub(super) fn is_mounted(&self) -> bool {
        !lock(&self.mounted_by).is_empty()
    }

    /// Mounts it for who works on its files. Blocks.
    pub(super) fn look_into(
        self: &Arc<Self>,
        engine: &Engine,
        record: &VolumeRecord,
    ) -> Result<VolumeInUse> {
        let (user, directories) = (random_id(), engine.volumes().directories().clone());
        self.mount(engine, record, user.clone())?;
        Ok(VolumeInUse { volume: Arc::clone(self), directories, user })
    }

    /// Blocks.
    fn mount(&self, engine: &Engine, record: &VolumeRecord, user: String) -> Result<()> {
        let data = engine.volumes().directories().data(&self.name);
        let mut mounted_by = lock(&self.mounted_by);
        if mounted_by.is_empty() {
            // A former engine's, which was killed before it knew of a user.
            take_off(&data);
            mount_device(engine, record, &data)?;
        }
        mounted_by.insert(user);
        Ok(())
    }

    /// Whether it was in use by `user`.
    fn unmount(&self, directories: &VolumeDirectories, user: &str) -> bool {
        let mut mounted_by = lock(&self.mounted_by);
        let was_in_use = mounted_by.remove(user);
        let record = self.record();
        let is_mounted = record.is_some_and(|record| record.is_mounted_when_used());
        if was_in_use && is_mounted && mounted_by.is_empty() {
            take_off(&directories.data(&self.name));
        }
        was_in_use
    }
}

/// Mounts a volume's device. Blocks.
pub(super) fn mount_device(engine: &Engine, record: &VolumeRecord, data: &Path) -> Result<()> {
    let device = DeviceMount::of(&record.options.clone().unwrap_or_default());
    if let Some(bound) = device.bound() {
        refuse_unshared(engine.mode(), bound)?;
    }
    device.mount(data)
}

/// Unmounts all that is mounted there, if anything is.
pub(super) fn take_off(data: &Path) {
    // Nothing else of the host is to be looked at, a server that is away perhaps.
    let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    let shown = data.to_string_lossy().replace(' ', "\\040");
    let count = mounts.lines().filter(|line| line.split(' ').nth(4) == Some(&*shown)).count();
    for _ in 0..count {
        if let Err(error) = umount2(data, MntFlags::MNT_DETACH | MntFlags::UMOUNT_NOFOLLOW) {
            tracing::warn!(path = %data.display(), %error, "a volume stays mounted");
            return;
        }
    }
}
