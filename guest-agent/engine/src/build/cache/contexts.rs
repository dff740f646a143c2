//! The directories of clients, kept between builds so that only what has changed comes again.
//!
//! ```text
//! kept/boot           the machine's present life
//! kept/<key>/files    a directory as it last came; the key is the client's word for it
//! kept/<key>/incoming contents that are not whole yet
//! kept/<key>/stamp    an id that goes when something in it changes
//! ```
//!
//! A directory is one build's alone while that lasts; another build that wants it meanwhile gets
//! one that is thrown away. What was written before the machine went down may not be on the disk,
//! although its name, length and time are: so all goes when the machine has started anew.

use std::collections::HashMap;
use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use naru_dockerfile::Fingerprint;
use naru_image_store::Digest;
use tokio::sync::{Mutex as AsyncMutex, OwnedMutexGuard};

use crate::container::random_id;
use crate::files::{remove_all, size};

const BOOT_ID: &str = "/proc/sys/kernel/random/boot_id";
/// So many are kept; of more the one that was not used for the longest time goes.
const KEPT: usize = 16;

/// All that is kept. Clones are the same.
#[derive(Clone, Debug)]
pub(crate) struct Contexts(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    root: PathBuf,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    is_ready: bool,
    /// Of those that were used in this engine's life.
    locks: HashMap<String, Arc<AsyncMutex<()>>>,
}

/// A directory that is a build's alone.
#[derive(Debug)]
pub(crate) struct Kept {
    directory: PathBuf,
    _alone: OwnedMutexGuard<()>,
}

/// What a kept directory takes.
#[derive(Debug)]
pub(super) struct Usage {
    pub(super) key: String,
    pub(super) bytes: u64,
    pub(super) made: SystemTime,
    pub(super) used: SystemTime,
    pub(super) is_in_use: bool,
}

impl Kept {
    pub(crate) fn files(&self) -> PathBuf {
        self.directory.join("files")
    }

    /// The file that says what the directory is.
    pub(crate) fn stamp(&self) -> PathBuf {
        self.directory.join("stamp")
    }

    /// What the directory is: the same for as long as nothing in it changes. Blocks.
    pub(crate) fn identity(&self) -> io::Result<Fingerprint> {
        let stamp = self.stamp();
        let id = match fs::read(&stamp) {
            Ok(id) if !id.is_empty() => id,
            Ok(_) => self.new_identity()?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => self.new_identity()?,
            Err(error) => return Err(error),
        };
        Ok(Fingerprint::of_bytes(&id))
    }

    fn new_identity(&self) -> io::Result<Vec<u8>> {
        let (id, new) = (random_id().into_bytes(), self.directory.join("stamp.new"));
        fs::write(&new, &id)?;
        fs::rename(new, self.stamp())?;
        Ok(id)
    }

    pub(crate) fn incoming(&self) -> PathBuf {
        self.directory.join("incoming")
    }
}

/// All of it blocks.
impl Contexts {
    pub(crate) fn new(root: &Path) -> Self {
        Self(Arc::new(Inner { root: root.to_owned(), state: Mutex::default() }))
    }

    /// The directory of the client's `name`, which it knows by `shared_key` in all its sessions;
    /// none while another build has it.
    pub(crate) fn take(&self, name: &str, shared_key: &str) -> io::Result<Option<Kept>> {
        let digest = Digest::of(format!("{name}\0{shared_key}").as_bytes());
        let Some(kept) = self.take_key(digest.hex())? else { return Ok(None) };
        // What of it is mounted for a `RUN` must be open to whoever that is executed by.
        for (directory, mode) in [(kept.directory.clone(), 0o700), (kept.files(), 0o755)] {
            DirBuilder::new().recursive(true).mode(mode).create(directory)?;
        }
        self.forget_old(digest.hex())?;
        Ok(Some(kept))
    }

    fn take_key(&self, key: &str) -> io::Result<Option<Kept>> {
        let lock = {
            let mut state = self.0.state.lock().unwrap_or_else(PoisonError::into_inner);
            self.make_ready(&mut state)?;
            Arc::clone(state.locks.entry(key.to_owned()).or_default())
        };
        let directory = self.0.root.join(key);
        Ok(lock.try_lock_owned().ok().map(|alone| Kept { directory, _alone: alone }))
    }

    /// Whether a build has it. It is not taken for that: a build that wants it now is to get it.
    fn is_in_use(&self, key: &str) -> bool {
        let state = self.0.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.locks.get(key).is_some_and(|lock| Arc::strong_count(lock) > 1)
    }

    /// What there is.
    pub(super) fn usage(&self) -> io::Result<Vec<Usage>> {
        let mut usages = Vec::new();
        for (key, used) in self.keys()? {
            let is_in_use = self.is_in_use(&key);
            let directory = self.0.root.join(&key);
            // Some file systems do not know.
            let made = fs::metadata(&directory).and_then(|metadata| metadata.created());
            let made = made.unwrap_or(used);
            // One that is being filled changes while it is counted.
            let bytes = size(&directory.join("files")).unwrap_or(0);
            usages.push(Usage { key, bytes, made, used, is_in_use });
        }
        Ok(usages)
    }

    /// Removes one, unless a build has it; whether it did.
    pub(super) fn remove(&self, key: &str) -> io::Result<bool> {
        let Some(alone) = self.take_key(key)? else { return Ok(false) };
        match remove_all(&alone.directory) {
            // Somebody else was faster.
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            removed => removed.map(|()| true),
        }
    }

    fn forget_old(&self, but: &str) -> io::Result<()> {
        let mut keys = self.keys()?;
        keys.sort_by_key(|(_, used)| *used);
        let surplus = keys.len().saturating_sub(KEPT);
        for (key, _) in keys.iter().filter(|(key, _)| key != but).take(surplus) {
            self.remove(key)?;
        }
        Ok(())
    }

    /// With when they were last used.
    fn keys(&self) -> io::Result<Vec<(String, SystemTime)>> {
        self.make_ready(&mut self.0.state.lock().unwrap_or_else(PoisonError::into_inner))?;
        let mut keys = Vec::new();
        for entry in fs::read_dir(&self.0.root)? {
            let entry = entry?;
            if entry.file_type()?.is_dir()
                && let Ok(key) = entry.file_name().into_string()
            {
                match entry.metadata() {
                    Ok(metadata) => keys.push((key, metadata.modified()?)),
                    // Removed since, by another build.
                    Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                    Err(error) => return Err(error),
                }
            }
        }
        Ok(keys)
    }

    /// Finds out whether what is there is of this life of the machine.
    fn make_ready(&self, state: &mut State) -> io::Result<()> {
        if state.is_ready {
            return Ok(());
        }
        let (root, stamp) = (&self.0.root, self.0.root.join("boot"));
        let boot = fs::read_to_string(BOOT_ID)?;
        if fs::read_to_string(&stamp).ok().as_ref() != Some(&boot) {
            if root.exists() {
                remove_all(root)?;
            }
            DirBuilder::new().mode(0o700).create(root)?;
            fs::write(&stamp, boot)?;
        }
        state.is_ready = true;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_is_one_builds_alone_and_stays_for_the_next() {
        let root = tempfile::tempdir().unwrap();
        let contexts = Contexts::new(&root.path().join("kept"));
        let kept = contexts.take("context", "a").unwrap().unwrap();
        fs::write(kept.files().join("file"), "abc").unwrap();
        assert!(contexts.take("context", "a").unwrap().is_none());
        assert!(contexts.take("dockerfile", "a").unwrap().is_some());
        let usages = contexts.usage().unwrap();
        let used = usages.iter().find(|usage| usage.is_in_use).unwrap();
        assert_eq!(used.bytes, 3);
        assert!(!contexts.remove(&used.key).unwrap());
        drop(kept);
        let next = Contexts::new(&root.path().join("kept"));
        let kept = next.take("context", "a").unwrap().unwrap();
        assert_eq!(fs::read(kept.files().join("file")).unwrap(), b"abc");
        drop(kept);
        assert!(next.remove(&used.key).unwrap());
        assert_eq!(next.usage().unwrap().len(), 1);
    }

    #[test]
    fn nothing_is_kept_over_a_start_of_the_machine() {
        let root = tempfile::tempdir().unwrap();
        let place = root.path().join("kept");
        let contexts = Contexts::new(&place);
        let kept = contexts.take("context", "a").unwrap().unwrap();
        fs::write(kept.files().join("file"), "abc").unwrap();
        drop(kept);
        fs::write(place.join("boot"), "another life").unwrap();
        let kept = Contexts::new(&place).take("context", "a").unwrap().unwrap();
        assert!(!kept.files().join("file").exists());
    }

    #[test]
    fn the_oldest_goes_when_there_are_too_many() {
        let root = tempfile::tempdir().unwrap();
        let contexts = Contexts::new(&root.path().join("kept"));
        for number in 0..KEPT + 3 {
            contexts.take("context", &number.to_string()).unwrap().unwrap();
        }
        assert_eq!(contexts.usage().unwrap().len(), KEPT);
    }

    #[test]
    fn a_directory_that_is_counted_is_there_for_builds() {
        let root = tempfile::tempdir().unwrap();
        let contexts = Contexts::new(&root.path().join("kept"));
        let kept = contexts.take("context", "a").unwrap().unwrap();
        for number in 0..200 {
            fs::write(kept.files().join(number.to_string()), "abc").unwrap();
        }
        drop(kept);
        std::thread::scope(|scope| {
            let counting = scope.spawn(|| {
                for _ in 0..50 {
                    assert_eq!(contexts.usage().unwrap()[0].bytes, 600);
                }
            });
            while !counting.is_finished() {
                assert!(contexts.take("context", "a").unwrap().is_some(), "it is counted only");
            }
        });
    }

    #[test]
    fn builds_forget_the_oldest_side_by_side() {
        let root = tempfile::tempdir().unwrap();
        let contexts = Contexts::new(&root.path().join("kept"));
        std::thread::scope(|scope| {
            for builder in 0..8 {
                let contexts = &contexts;
                scope.spawn(move || {
                    for number in 0..200 {
                        contexts.take("context", &format!("{builder}-{number}")).unwrap().unwrap();
                    }
                });
            }
        });
    }
}
