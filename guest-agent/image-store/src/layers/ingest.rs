//! Directories on their way into the store and out of it.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::error::ImageError;

/// Where in a directory of half-done work a layer's files are.
pub(super) const FILES: &str = "files";
/// Where in it the layer's record is.
pub(super) const RECORD: &str = "record";

/// A directory of half-done work, deleted unless it is kept or renamed away.
#[derive(Debug)]
pub(crate) struct Ingest {
    pub(super) path: PathBuf,
}

impl Ingest {
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Makes the two directories of which a layer is made: for its files, and for its record.
    pub(crate) fn layer(&self) -> Result<(PathBuf, PathBuf), ImageError> {
        let (files, record) = (self.path.join(FILES), self.path.join(RECORD));
        for directory in [&files, &record] {
            fs::create_dir(directory).map_err(ImageError::io("create", directory))?;
        }
        Ok((files, record))
    }

    /// Takes a directory of the same file system for the layer's files.
    pub(crate) fn adopt(&self, files: &Path) -> Result<(), ImageError> {
        // It takes the place of the empty one.
        place(files, &self.path.join(FILES))
    }

    pub(super) fn keep(mut self) {
        self.path.clear();
    }
}

impl Drop for Ingest {
    fn drop(&mut self) {
        if self.path.as_os_str().is_empty() {
            return;
        }
        match fs::remove_dir_all(&self.path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                tracing::warn!(path = %self.path.display(), %error, "half-done work is left behind");
            }
            _ => {}
        }
    }
}

pub(super) fn place(from: &Path, to: &Path) -> Result<(), ImageError> {
    fs::rename(from, to).map_err(ImageError::io("rename", from))
}

pub(super) fn entries(directory: &Path) -> Result<Vec<String>, ImageError> {
    let read = || -> io::Result<Vec<String>> {
        fs::read_dir(directory)?
            .map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()))
            .collect()
    };
    read().map_err(ImageError::io("list", directory))
}

pub(super) fn delete(path: &Path) -> Result<(), ImageError> {
    let deleted = match fs::symlink_metadata(path) {
        Ok(metadata) if metadata.is_dir() => fs::remove_dir_all(path),
        Ok(_) => fs::remove_file(path),
        Err(error) => Err(error),
    };
    deleted.map_err(ImageError::io("delete", path))
}
