//! A volume's whole content from elsewhere: out of a backup, or of another volume.
//!
//! It is made out of sight and comes to its place when it is whole, so that neither a broken
//! archive nor a crash leaves a part of it, or takes what was there.

use std::io::Read;
use std::path::Path;

use rustix::fs::syncfs;

use super::directory::VolumeDirectories;
use super::make::VolumeRequest;
use super::record::{VolumeRecord, check_name};
use crate::engine::Engine;
use crate::error::{EngineError, Result};
use crate::files::{Tree, UnpackOptions, copy_content_while, unpack};
use crate::written::on_own_thread;

impl Engine {
    /// Unpacks `archive`, compressed or not, as all that is in the volume `name`, which is made
    /// if there is none. What is in it already only goes with `replace`, and not while a container
    /// runs with it.
    pub(crate) async fn restore_volume(
        &self,
        name: String,
        replace: bool,
        archive: impl Read + Send + 'static,
    ) -> Result<()> {
        check_name(&name)?;
        let engine = self.clone();
        // As a whole: who has it made holds the volume until it is whole or gone.
        self.run_to_end(async move {
            let request = VolumeRequest { name: name.clone(), ..VolumeRequest::default() };
            let prepared = engine.prepare_volumes([request]).await?;
            if let Some(data) = prepared.fresh_data(&name) {
                on_own_thread(move || unpack_whole(&data, archive)).await?;
                return prepared.keep(&engine, None).await;
            }
            let volume = engine.volumes().find(&name)?;
            if volume.record().is_some_and(|record| record.is_mounted_when_used()) {
                return Err(EngineError::Unsupported(format!(
                    "volume {name} has its files on a device of its own: restoring them is not \
                     supported"
                )));
            }
            if volume.is_mounted() {
                return Err(EngineError::Conflict(format!(
                    "volume {name} is in use by a running container: stop that first"
                )));
            }
            let directories = engine.volumes().directories().clone();
            on_own_thread(move || restore_beside(&directories, &name, replace, archive)).await?;
            engine.trim_soon();
            drop(prepared);
            Ok(())
        })
        .await
    }

    /// Makes the volume `name` with the files of the volume `from`, for as long as `go_on` says
    /// so, which is told how many bytes more there are.
    pub(crate) async fn clone_volume(
        &self,
        from: String,
        name: String,
        mut go_on: impl FnMut(u64) -> bool + Send + 'static,
    ) -> Result<VolumeRecord> {
        check_name(&name)?;
        let engine = self.clone();
        self.run_to_end(async move {
            let files = engine.volume_files(&from).await?;
            let request = VolumeRequest { name: name.clone(), ..VolumeRequest::default() };
            let prepared = engine.prepare_volumes([request]).await?;
            let Some(data) = prepared.fresh_data(&name) else {
                return Err(EngineError::Conflict(format!("volume {name} is there already")));
            };
            engine
                .run_blocking(move || {
                    let failed = || EngineError::io("copying the volume to", &data);
                    let to = Tree::at(&data).map_err(failed())?;
                    let root = files.tree.root().map_err(failed())?;
                    copy_content_while(&root, &to, &mut go_on).map_err(failed())?;
                    files.still_there().map_err(failed())?;
                    synced(&to, &data)
                })
                .await?;
            prepared.keep(&engine, None).await?;
            let made = engine.volumes().find(&name)?.record();
            made.ok_or(EngineError::NoSuchVolume(name))
        })
        .await
    }
}

/// Makes a volume's content anew beside it, and exchanges it for what is there. Blocks.
fn restore_beside(
    directories: &VolumeDirectories,
    name: &str,
    replace: bool,
    archive: impl Read,
) -> Result<()> {
    let refuse_full = || {
        let data = directories.data(name);
        let is_empty = Tree::at(&data).and_then(|tree| tree.is_empty());
        if replace || is_empty.map_err(EngineError::io("looking into", data))? {
            return Ok(());
        }
        Err(EngineError::Conflict(format!("volume {name} is not empty")))
    };
    refuse_full()?;
    let failed = || EngineError::io("restoring the volume", name);
    directories.begin(name).map_err(failed())?;
    let restored = unpack_whole(&directories.new_data(name), archive)
        .and_then(|()| refuse_full())
        .and_then(|()| directories.exchange(name).map_err(failed()));
    // What was there, or what did not become whole.
    if let Err(error) = directories.abandon(name) {
        tracing::warn!(volume = name, %error, "left behind until the next start");
    }
    restored
}

fn unpack_whole(data: &Path, archive: impl Read) -> Result<()> {
    let tree = Tree::at(data).map_err(EngineError::io("opening", data))?;
    let options = UnpackOptions { whole: true, ..UnpackOptions::default() };
    unpack(&tree, b"/", options, archive)?;
    synced(&tree, data)
}

/// Half of it must not be all that is there after the power went.
fn synced(tree: &Tree, data: &Path) -> Result<()> {
    let synced = tree.root().and_then(|root| Ok(syncfs(root.open_directory()?)?));
    synced.map_err(EngineError::io("writing", data))
}
