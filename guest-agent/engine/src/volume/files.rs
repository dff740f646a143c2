//! A volume's files, for as long as somebody looks at them.

use std::io;
use std::path::PathBuf;

use super::mounted::VolumeInUse;
use super::record::VolumeRecord;
use crate::engine::Engine;
use crate::error::{EngineError, Result};
use crate::files::Tree;

/// A volume's files. To drop it may block for a moment.
#[derive(Debug)]
pub(crate) struct VolumeFiles {
    pub(crate) tree: Tree,
    place: PathBuf,
    _mounted: Option<VolumeInUse>,
}

impl Engine {
    /// The files of the volume that is called so. Containers may go on with them.
    pub(crate) async fn volume_files(&self, name: &str) -> Result<VolumeFiles> {
        let volume = self.volumes().find(name)?;
        let engine = self.clone();
        self.run_blocking(move || {
            let record = volume.record();
            let mounted = match record.filter(VolumeRecord::is_mounted_when_used) {
                Some(record) => Some(volume.look_into(&engine, &record)?),
                None => None,
            };
            let place = engine.volumes().directories().data(&volume.name);
            let tree = Tree::at(&place).map_err(EngineError::io("opening", &place))?;
            Ok(VolumeFiles { tree, place, _mounted: mounted })
        })
        .await
    }
}

impl VolumeFiles {
    /// Fails if these are not the volume's files any more: what was read of them while they were
    /// being removed is not all of them. Blocks.
    pub(crate) fn still_there(&self) -> io::Result<()> {
        let now = Tree::at(&self.place).and_then(|tree| tree.root());
        match now {
            Ok(now) if now.identity() == self.tree.root()?.identity() => Ok(()),
            _ => Err(io::Error::other("the volume was removed or restored meanwhile")),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn files_that_are_another_volumes_by_now_are_not_taken_for_all() {
        let home = tempfile::tempdir().unwrap();
        let place = home.path().join("_data");
        fs::create_dir(&place).unwrap();
        let tree = Tree::at(&place).unwrap();
        let files = VolumeFiles { tree, place: place.clone(), _mounted: None };
        files.still_there().unwrap();
        fs::rename(&place, home.path().join("gone")).unwrap();
        files.still_there().unwrap_err();
        fs::create_dir(&place).unwrap();
        files.still_there().unwrap_err();
    }
}
