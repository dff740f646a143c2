//! The unpacked layers on disk.
//!
//! ```text
//! ingest/<n> ── unpack ──► sync ──► rename ──► layers/<name> ──► row in the index: it exists
//! row taken away ──► rename ──► ingest/<n> ──► deleted
//! ```

use std::collections::HashMap;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use rustix::fs::syncfs;

use crate::digest::Digest;
use crate::error::ImageError;
use crate::index::{Index, LayerRow};

const LAYERS: &str = "layers";
const INGEST: &str = "ingest";
const BASE: u64 = 36;

/// The directories `layers/` and `ingest/`.
#[derive(Debug)]
pub(crate) struct Layers {
    ready: PathBuf,
    ingest: PathBuf,
    last_name: AtomicU64,
    last_ingest: AtomicU64,
    /// Layers that a pull counts on before its image is in the index.
    pins: Mutex<HashMap<Digest, usize>>,
    /// One lock for each layer being fetched, so that it is fetched once.
    fetches: Mutex<HashMap<Digest, Weak<tokio::sync::Mutex<()>>>>,
}

impl Layers {
    /// Opens the directories under `root` and sweeps what has no row in the index.
    pub(crate) fn open(root: &Path, index: &Index) -> Result<Self, ImageError> {
        let (ready, ingest) = (root.join(LAYERS), root.join(INGEST));
        for directory in [&ready, &ingest] {
            fs::create_dir_all(directory).map_err(ImageError::io("create", directory))?;
        }
        let mut last_name = index.last_layer_name()?;
        let known: Vec<String> =
            index.all_layers()?.iter().map(|row| directory_name(row.name)).collect();
        for name in entries(&ready)? {
            last_name = last_name.max(u64::from_str_radix(&name, 36).unwrap_or(0));
            if !known.contains(&name) {
                delete(&ready.join(name))?;
            }
        }
        for name in entries(&ingest)? {
            delete(&ingest.join(name))?;
        }
        Ok(Self {
            ready,
            ingest,
            last_name: AtomicU64::new(last_name),
            last_ingest: AtomicU64::new(0),
            pins: Mutex::default(),
            fetches: Mutex::default(),
        })
    }

    /// The layer's directory.
    pub(crate) fn path(&self, row: &LayerRow) -> PathBuf {
        self.ready.join(directory_name(row.name))
    }

    /// A new, empty directory for half-done work.
    pub(crate) fn ingest(&self) -> Result<Ingest, ImageError> {
        let number = self.last_ingest.fetch_add(1, Ordering::Relaxed) + 1;
        let path = self.ingest.join(directory_name(number));
        fs::create_dir(&path).map_err(ImageError::io("create", &path))?;
        Ok(Ingest { path })
    }

    /// Makes the unpacked layer in `ingest` part of the store: the commit point is the row.
    pub(crate) fn commit(
        &self,
        ingest: Ingest,
        diff_id: Digest,
        size: u64,
        index: &Index,
    ) -> Result<(), ImageError> {
        let unpacked = File::open(&ingest.path).map_err(ImageError::io("open", &ingest.path))?;
        // One sync of the file system instead of one per file.
        syncfs(&unpacked).map_err(|errno| ImageError::io("sync", &ingest.path)(errno.into()))?;
        let name = self.last_name.fetch_add(1, Ordering::Relaxed) + 1;
        let row = LayerRow { name, diff_id, size };
        let path = self.path(&row);
        fs::rename(&ingest.path, &path).map_err(ImageError::io("rename", &ingest.path))?;
        ingest.keep();
        // Whatever fails from here on, the directory goes the way of half-done work.
        let placed = Ingest { path };
        sync_directory(&self.ready)?;
        index.add_layer(&row)?;
        placed.keep();
        Ok(())
    }

    /// Deletes layers that neither an image nor a pull needs; gives their rows.
    pub(crate) fn collect(&self, index: &Index) -> Result<Vec<LayerRow>, ImageError> {
        let mut collected = Vec::new();
        for row in index.unneeded_layers()? {
            {
                // Held over the row's removal, so that no pull can pin it in between.
                let pins = self.pins.lock().unwrap_or_else(PoisonError::into_inner);
                if pins.contains_key(&row.diff_id) || !index.forget_layer(&row)? {
                    continue;
                }
            }
            let number = self.last_ingest.fetch_add(1, Ordering::Relaxed) + 1;
            let doomed = Ingest { path: self.ingest.join(directory_name(number)) };
            let path = self.path(&row);
            match fs::rename(&path, &doomed.path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    return Err(ImageError::io("rename", &path)(error));
                }
                _ => collected.push(row),
            }
        }
        Ok(collected)
    }

    /// Keeps `diff_id` from being collected while the pin lives.
    pub(crate) fn pin(self: &Arc<Self>, diff_id: &Digest) -> Pin {
        let mut pins = self.pins.lock().unwrap_or_else(PoisonError::into_inner);
        *pins.entry(diff_id.clone()).or_default() += 1;
        Pin { layers: Arc::clone(self), diff_id: diff_id.clone() }
    }

    /// The lock whose holder fetches `diff_id`. A holder that gives up lets the next one try.
    pub(crate) fn fetch_lock(&self, diff_id: &Digest) -> Arc<tokio::sync::Mutex<()>> {
        let mut fetches = self.fetches.lock().unwrap_or_else(PoisonError::into_inner);
        fetches.retain(|_, lock| lock.strong_count() > 0);
        if let Some(lock) = fetches.get(diff_id).and_then(Weak::upgrade) {
            return lock;
        }
        let lock = Arc::default();
        fetches.insert(diff_id.clone(), Arc::downgrade(&lock));
        lock
    }
}

/// A layer that a pull counts on.
#[derive(Debug)]
pub(crate) struct Pin {
    layers: Arc<Layers>,
    diff_id: Digest,
}

impl Drop for Pin {
    fn drop(&mut self) {
        let mut pins = self.layers.pins.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = pins.get_mut(&self.diff_id) {
            *count -= 1;
            if *count == 0 {
                pins.remove(&self.diff_id);
            }
        }
    }
}

/// A directory of half-done work, deleted unless it is kept or renamed away.
#[derive(Debug)]
pub(crate) struct Ingest {
    path: PathBuf,
}

impl Ingest {
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    fn keep(mut self) {
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

/// Base 36: the names stand in overlay's mount options, which are one page in all.
fn directory_name(mut number: u64) -> String {
    let mut digits = Vec::new();
    loop {
        let digit = u32::try_from(number % BASE).unwrap_or_default();
        digits.push(char::from_digit(digit, 36).unwrap_or('0'));
        number /= BASE;
        if number == 0 {
            return digits.iter().rev().collect();
        }
    }
}

fn entries(directory: &Path) -> Result<Vec<String>, ImageError> {
    let read = || -> io::Result<Vec<String>> {
        fs::read_dir(directory)?
            .map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()))
            .collect()
    };
    read().map_err(ImageError::io("list", directory))
}

fn delete(path: &Path) -> Result<(), ImageError> {
    let deleted = match fs::symlink_metadata(path) {
        Ok(metadata) if metadata.is_dir() => fs::remove_dir_all(path),
        Ok(_) => fs::remove_file(path),
        Err(error) => Err(error),
    };
    deleted.map_err(ImageError::io("delete", path))
}

fn sync_directory(path: &Path) -> Result<(), ImageError> {
    File::open(path)
        .and_then(|directory| directory.sync_all())
        .map_err(ImageError::io("sync", path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn directory_names_are_short() {
        assert_eq!(directory_name(0), "0");
        assert_eq!(directory_name(35), "z");
        assert_eq!(directory_name(36 * 36), "100");
    }
}
