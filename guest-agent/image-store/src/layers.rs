//! The unpacked layers on disk.
//!
//! ```text
//! ingest/<n> ── unpack ──► rename ──► records/<name>, layers/<name> ──► sync ──► row in the index
//! row taken away ──► rename ──► ingest/<n> ──► deleted
//! ```

mod ingest;
mod space;
mod sync;

use std::collections::HashMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use crate::digest::Digest;
use crate::error::ImageError;
use crate::index::{Index, LayerRow};
use crate::record::LayerArchive;

pub(crate) use ingest::Ingest;
use ingest::{FILES, RECORD, delete, entries, place};
use sync::Syncs;

const LAYERS: &str = "layers";
const RECORDS: &str = "records";
const INGEST: &str = "ingest";
const BASE: u64 = 36;

/// The directories `layers/`, `records/` and `ingest/`.
#[derive(Debug)]
pub(crate) struct Layers {
    ready: PathBuf,
    records: PathBuf,
    ingest: PathBuf,
    last_name: AtomicU64,
    last_ingest: AtomicU64,
    /// Layers that a pull counts on before its image is in the index.
    pins: Mutex<HashMap<Digest, usize>>,
    /// One lock for each layer being fetched, so that it is fetched once.
    fetches: Mutex<HashMap<Digest, Weak<tokio::sync::Mutex<()>>>>,
    syncs: Syncs,
}

impl Layers {
    /// Opens the directories under `root` and sweeps what has no row in the index.
    pub(crate) fn open(root: &Path, index: &Index) -> Result<Self, ImageError> {
        let [ready, records, ingest] = [LAYERS, RECORDS, INGEST].map(|name| root.join(name));
        for directory in [&ready, &records, &ingest] {
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
        for name in entries(&records)?.iter().filter(|name| !known.contains(name)) {
            delete(&records.join(name))?;
        }
        for name in entries(&ingest)? {
            delete(&ingest.join(name))?;
        }
        Ok(Self {
            ready,
            records,
            ingest,
            last_name: AtomicU64::new(last_name),
            last_ingest: AtomicU64::new(0),
            pins: Mutex::default(),
            fetches: Mutex::default(),
            syncs: Syncs::default(),
        })
    }

    /// The layer's directory.
    pub(crate) fn path(&self, row: &LayerRow) -> PathBuf {
        self.ready.join(directory_name(row.name))
    }

    /// Opens the layer's archive, to be written out again.
    pub(crate) fn archive(
        self: &Arc<Self>,
        diff_id: &Digest,
        index: &Index,
    ) -> Result<LayerArchive, ImageError> {
        // Before its row is looked for, so that it cannot go in between.
        let pin = self.pin(diff_id);
        let row = index.layer(diff_id)?;
        let row = row.ok_or_else(|| ImageError::NotFound { name: diff_id.to_string() })?;
        let record = self.record(&row);
        LayerArchive::open(&self.path(&row), &record, diff_id, pin)
            .map_err(ImageError::io("open", &record))?
            .ok_or_else(|| ImageError::NoRecord { layer: diff_id.short().to_owned() })
    }

    /// Whether all there is to have of a layer is there.
    pub(crate) fn has(&self, diff_id: &Digest, index: &Index) -> Result<bool, ImageError> {
        Ok(index.layer(diff_id)?.is_some_and(|row| self.record(&row).exists()))
    }

    fn record(&self, row: &LayerRow) -> PathBuf {
        self.records.join(directory_name(row.name))
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
        ingest: &Ingest,
        diff_id: Digest,
        size: u64,
        index: &Index,
    ) -> Result<(), ImageError> {
        let (files, record) = (ingest.path.join(FILES), ingest.path.join(RECORD));
        if let Some(row) = index.layer(&diff_id)? {
            // Its files are there, and may be in use. Only the record was not kept in old times.
            if !self.record(&row).exists() {
                // It counts as soon as it is in its place.
                self.sync()?;
                place(&record, &self.record(&row))?;
                self.sync()?;
            }
            return Ok(());
        }
        let name = self.last_name.fetch_add(1, Ordering::Relaxed) + 1;
        let row = LayerRow { name, diff_id, size };
        // Whatever fails from here on, the directories go the way of half-done work.
        let placed = [(record, self.record(&row)), (files, self.path(&row))]
            .map(|(from, to)| place(&from, &to).map(|()| Ingest { path: to }));
        let [record, files] = placed;
        let (record, files) = (record?, files?);
        // Their content and their places in one.
        self.sync()?;
        index.add_layer(&row)?;
        record.keep();
        files.keep();
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
            let doomed = self.ingest()?;
            for (path, name) in [(self.path(&row), FILES), (self.record(&row), RECORD)] {
                match fs::rename(&path, doomed.path.join(name)) {
                    Err(error) if error.kind() != io::ErrorKind::NotFound => {
                        return Err(ImageError::io("rename", &path)(error));
                    }
                    _ => {}
                }
            }
            collected.push(row);
        }
        Ok(collected)
    }

    /// Keeps `diff_id` from being collected while the pin lives.
    pub(crate) fn pin(self: &Arc<Self>, diff_id: &Digest) -> Pin {
        let mut pins = self.pins.lock().unwrap_or_else(PoisonError::into_inner);
        *pins.entry(diff_id.clone()).or_default() += 1;
        Pin { layers: Arc::clone(self), diff_id: diff_id.clone() }
    }

    /// Whether something counts on the layer.
    pub(crate) fn is_pinned(&self, diff_id: &Digest) -> bool {
        self.pins.lock().unwrap_or_else(PoisonError::into_inner).contains_key(diff_id)
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
