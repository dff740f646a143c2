//! Where volumes lie on the disk, and how they come there and go whole.

use std::collections::HashSet;
use std::fs::{self, DirBuilder, File, Permissions};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, RenameFlags, renameat_with};

use crate::files::remove_all;

const NEW: &str = ".new.";
const GONE: &str = ".gone.";
const DATA: &str = "_data";

/// The directory that all volumes are in.
#[derive(Clone, Debug)]
pub(crate) struct VolumeDirectories(PathBuf);

impl VolumeDirectories {
    pub(crate) fn new(root: &Path) -> Self {
        Self(root.join("volumes"))
    }

    /// Makes it.
    pub(crate) fn prepare(&self) -> io::Result<()> {
        DirBuilder::new().recursive(true).mode(0o711).create(&self.0)
    }

    /// What a container sees of the volume.
    pub(crate) fn data(&self, name: &str) -> PathBuf {
        self.0.join(name).join(DATA)
    }

    /// The same while the volume is in the making.
    pub(super) fn new_data(&self, name: &str) -> PathBuf {
        self.at(NEW, name).join(DATA)
    }

    fn at(&self, prefix: &str, name: &str) -> PathBuf {
        self.0.join(format!("{prefix}{name}"))
    }

    /// Makes an empty volume where nobody sees it yet.
    pub(super) fn begin(&self, name: &str) -> io::Result<()> {
        let new = self.at(NEW, name);
        gone(remove_all(&new))?;
        DirBuilder::new().mode(0o711).create(&new)?;
        let data = new.join(DATA);
        DirBuilder::new().create(&data)?;
        // Whatever the engine's umask is.
        fs::set_permissions(data, Permissions::from_mode(0o755))
    }

    /// Takes back what [`Self::begin`] has made.
    pub(super) fn abandon(&self, name: &str) -> io::Result<()> {
        gone(remove_all(&self.at(NEW, name)))
    }

    /// Puts a new volume in its place. One that its row was lost of is taken on as it is.
    pub(super) fn finish(&self, name: &str) -> io::Result<()> {
        match fs::rename(self.at(NEW, name), self.0.join(name)) {
            Err(error) if error.kind() == ErrorKind::DirectoryNotEmpty => self.abandon(name),
            moved => moved,
        }
    }

    /// Puts what was made anew in the place of a volume's data, which must be empty: the kernel
    /// sees to that.
    pub(super) fn replace_empty(&self, name: &str) -> io::Result<()> {
        let replaced = fs::rename(self.new_data(name), self.data(name));
        self.abandon(name)?;
        match replaced {
            // Somebody has written to it meanwhile.
            Err(error) if error.kind() == ErrorKind::DirectoryNotEmpty => Ok(()),
            replaced => replaced,
        }
    }

    /// Puts what was made anew in the place of a volume's data, at once; what was there is where
    /// the new was.
    pub(super) fn exchange(&self, name: &str) -> io::Result<()> {
        let (new, data) = (self.new_data(name), self.data(name));
        renameat_with(CWD, &new, CWD, &data, RenameFlags::EXCHANGE)?;
        // It must not come back after the power went.
        File::open(self.0.join(name))?.sync_all()
    }

    /// Takes a volume from its place; it comes back with the next start unless its row goes.
    pub(super) fn take_away(&self, name: &str) -> io::Result<()> {
        let place = self.at(GONE, name);
        gone(remove_all(&place))?;
        gone(fs::rename(self.0.join(name), place))
    }

    /// Puts what was taken away in its place again.
    pub(super) fn put_back(&self, name: &str) -> io::Result<()> {
        gone(fs::rename(self.at(GONE, name), self.0.join(name)))
    }

    /// Deletes what was taken away.
    pub(super) fn delete(&self, name: &str) -> io::Result<()> {
        gone(remove_all(&self.at(GONE, name)))
    }

    /// Ends or undoes what a crash has interrupted; `known` are those that have a row.
    pub(crate) fn mend(&self, known: &HashSet<&str>) -> io::Result<()> {
        for entry in fs::read_dir(&self.0)? {
            let name = entry?.file_name();
            // A name that is no text is not of the engine's making.
            let Some(name) = name.to_str() else { continue };
            let is_missing = |name: &str| known.contains(name) && !self.0.join(name).exists();
            if let Some(name) = name.strip_prefix(GONE) {
                if is_missing(name) { self.put_back(name)? } else { self.delete(name)? }
            } else if let Some(name) = name.strip_prefix(NEW) {
                if is_missing(name) { self.finish(name)? } else { self.abandon(name)? }
            } else if !known.contains(name) {
                // Its content may be all that is left of a lost database, so it is not touched.
                tracing::warn!(volume = name, "there is a directory of a volume that is not known");
            }
        }
        for name in known {
            if !self.data(name).exists() {
                tracing::warn!(volume = name, "the directory of a volume was lost");
                self.begin(name)?;
                self.finish(name)?;
            }
        }
        Ok(())
    }
}

/// What is not there need not go.
fn gone(removed: io::Result<()>) -> io::Result<()> {
    match removed {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        removed => removed,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn directories() -> (tempfile::TempDir, VolumeDirectories) {
        let directory = tempfile::tempdir().unwrap();
        let volumes = VolumeDirectories::new(directory.path());
        volumes.prepare().unwrap();
        (directory, volumes)
    }

    fn made(volumes: &VolumeDirectories, name: &str, text: &str) {
        volumes.begin(name).unwrap();
        fs::write(volumes.new_data(name).join("file"), text).unwrap();
    }

    #[test]
    fn a_crash_leaves_a_volume_whole_or_not_there() {
        let (_directory, volumes) = directories();
        // Killed after the row was written, and before.
        made(&volumes, "written", "x");
        made(&volumes, "unwritten", "x");
        // Killed before the row was deleted, and after.
        for name in ["kept", "left"] {
            made(&volumes, name, "x");
            volumes.finish(name).unwrap();
            volumes.take_away(name).unwrap();
        }
        volumes.mend(&HashSet::from(["written", "kept", "lost"])).unwrap();
        for name in ["written", "kept"] {
            assert_eq!(fs::read_to_string(volumes.data(name).join("file")).unwrap(), "x");
        }
        assert_eq!(fs::read_dir(volumes.data("lost")).unwrap().count(), 0);
        assert_eq!(fs::read_dir(&volumes.0).unwrap().count(), 3);
    }

    #[test]
    fn only_an_empty_volume_is_filled() {
        let (_directory, volumes) = directories();
        for (name, before, after) in [("empty", "", "new"), ("full", "old", "old")] {
            volumes.begin(name).unwrap();
            volumes.finish(name).unwrap();
            let file = volumes.data(name).join("file");
            if !before.is_empty() {
                fs::write(&file, before).unwrap();
            }
            made(&volumes, name, "new");
            volumes.replace_empty(name).unwrap();
            assert_eq!(fs::read_to_string(file).unwrap(), after);
        }
    }

    #[test]
    fn what_was_made_anew_is_exchanged_for_what_was_there() {
        let (_directory, volumes) = directories();
        made(&volumes, "full", "old");
        volumes.finish("full").unwrap();
        made(&volumes, "full", "new");
        volumes.exchange("full").unwrap();
        let text = |data: PathBuf| fs::read_to_string(data.join("file")).unwrap();
        assert_eq!(
            (text(volumes.data("full")), text(volumes.new_data("full"))),
            ("new".to_owned(), "old".to_owned())
        );
        // Killed before the old one was deleted.
        volumes.mend(&HashSet::from(["full"])).unwrap();
        assert_eq!(text(volumes.data("full")), "new");
        assert_eq!(fs::read_dir(&volumes.0).unwrap().count(), 1);
    }

    #[test]
    fn what_no_row_speaks_of_is_not_touched() {
        let (_directory, volumes) = directories();
        made(&volumes, "unknown", "x");
        volumes.finish("unknown").unwrap();
        volumes.mend(&HashSet::new()).unwrap();
        assert!(volumes.data("unknown").join("file").exists());
    }
}
