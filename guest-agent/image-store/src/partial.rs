//! Large blobs of which only a part has come, kept so that the rest can be asked for, also by an
//! engine that began anew.
//!
//! ```text
//! partial/<digest>   the first bytes of a blob, as they came
//! ```
//!
//! They are written while the layer is unpacked and go before it is committed. Nothing is synced:
//! what a power failure left of them is believed as little as a registry is, for the digest is
//! the whole blob's, and what turns out wrong is fetched anew.

mod resumed;

use std::collections::HashMap;
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use crate::digest::Digest;
use crate::error::ImageError;
use crate::room::Room;

pub(crate) use resumed::Resumed;

const PARTIAL: &str = "partial";
/// A smaller blob is fetched again before it was worth the writing.
const LEAST: u64 = 32 << 20;
/// All of them together.
const MOST: u64 = 16 << 30;
/// What nobody has asked for so long nobody will.
const STALE: Duration = Duration::from_hours(7 * 24);
/// What a layer takes, unpacked, beside its blob: there is to be room for both.
const UNPACKED: u64 = 4;

/// How long whoever fetched it before may take to end.
const PATIENCE: Duration = Duration::from_secs(5);

/// The directory `partial/`.
#[derive(Debug)]
pub(crate) struct Partials {
    directory: PathBuf,
    /// The blobs that come just now.
    coming: Mutex<HashMap<Digest, Coming>>,
    ended: Condvar,
}

#[derive(Clone, Copy, Debug)]
struct Coming {
    size: u64,
    /// Whether it is not to be kept if it is cut.
    doomed: bool,
}

impl Partials {
    /// Opens the directory under `root`, and deletes what is not worth keeping.
    pub(crate) fn open(root: &Path) -> Result<Self, ImageError> {
        let directory = root.join(PARTIAL);
        fs::create_dir_all(&directory).map_err(ImageError::io("create", &directory))?;
        let partials = Self { directory, coming: Mutex::default(), ended: Condvar::new() };
        partials.sweep(&partials.lock(), STALE)?;
        Ok(partials)
    }

    /// What has come of the blob, which nobody else has then; none of one that is not kept. Blocks
    /// while the thread of a pull that was given up still has it.
    pub(crate) fn take(
        self: &Arc<Self>,
        digest: &Digest,
        size: u64,
    ) -> Result<Option<Partial>, ImageError> {
        if size < LEAST {
            return Ok(None);
        }
        let waited = self
            .ended
            .wait_timeout_while(self.lock(), PATIENCE, |coming| coming.contains_key(digest));
        let (mut coming, _) = waited.unwrap_or_else(PoisonError::into_inner);
        let (own, others): (Vec<_>, Vec<_>) =
            self.sweep(&coming, STALE)?.into_iter().partition(|(name, _)| *name == digest.hex());
        let others = others.iter().map(|(_, length)| *length);
        let all = others.chain(coming.values().map(|blob| blob.size)).chain([size]).sum::<u64>();
        let here: u64 = own.iter().map(|(_, length)| *length).sum();
        let room = Room::of(&self.directory).and_then(|room| room.bytes());
        // Where there is none the pull itself says so.
        let is_room = room.is_ok_and(|room| has_room(room, size, here));
        if coming.contains_key(digest) || all > MOST || !is_room {
            return Ok(None);
        }
        let path = self.directory.join(digest.hex());
        let mut options = File::options();
        options.read(true).write(true).create(true).truncate(false).mode(0o600);
        let open = || -> io::Result<(File, u64)> {
            let file = options.open(&path)?;
            let length = file.metadata()?.len();
            if length > size {
                file.set_len(0)?;
                return Ok((file, 0));
            }
            Ok((file, length))
        };
        let (file, length) = open().map_err(ImageError::io("open", &path))?;
        coming.insert(digest.clone(), Coming { size, doomed: false });
        Ok(Some(Partial { partials: Arc::clone(self), digest: digest.clone(), path, file, length }))
    }

    /// The bytes of all that nobody fetches just now.
    pub(crate) fn idle_bytes(&self) -> Result<u64, ImageError> {
        let coming = self.lock();
        Ok(self.sweep(&coming, STALE)?.iter().map(|(_, length)| length).sum())
    }

    /// Deletes all that nobody fetches just now; gives their bytes.
    pub(crate) fn forget_idle(&self) -> Result<u64, ImageError> {
        let coming = self.lock();
        let bytes = self.sweep(&coming, STALE)?.iter().map(|(_, length)| length).sum();
        self.sweep(&coming, Duration::ZERO)?;
        Ok(bytes)
    }

    /// The same, and of what comes just now nothing is kept when it is cut: the disk is full.
    pub(crate) fn forget_all(&self) -> Result<(), ImageError> {
        self.lock().values_mut().for_each(|blob| blob.doomed = true);
        self.forget_idle().map(drop)
    }

    /// Deletes what was last written so long ago, and what is no partial blob; gives the names
    /// and lengths of the others that are not in `coming`.
    fn sweep(
        &self,
        coming: &HashMap<Digest, Coming>,
        stale: Duration,
    ) -> Result<Vec<(String, u64)>, ImageError> {
        let failed = || ImageError::io("sweep", &self.directory);
        let mut kept = Vec::new();
        for entry in fs::read_dir(&self.directory).map_err(failed())? {
            let entry = entry.map_err(failed())?;
            let (path, name) = (entry.path(), entry.file_name().to_string_lossy().into_owned());
            let known = format!("sha256:{name}").parse::<Digest>().ok();
            if known.as_ref().is_some_and(|digest| coming.contains_key(digest)) {
                continue;
            }
            let found = entry.metadata().map_err(failed())?;
            let written = found.modified().map_err(failed())?;
            // One that lies in the future was written before the clock was set right.
            let age = SystemTime::now().duration_since(written).unwrap_or_default();
            if found.is_dir() {
                fs::remove_dir_all(&path).map_err(failed())?;
            } else if known.is_none() || !found.is_file() || age >= stale {
                fs::remove_file(&path).map_err(failed())?;
            } else {
                kept.push((name, found.len()));
            }
        }
        Ok(kept)
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Digest, Coming>> {
        self.coming.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether there is room for a layer beside its blob, of which so many bytes are `here` already.
fn has_room(room: u64, size: u64, here: u64) -> bool {
    room.saturating_add(here.min(size)) >= size.saturating_mul(1 + UNPACKED)
}

/// A blob that comes.
#[derive(Debug)]
pub(crate) struct Partial {
    partials: Arc<Partials>,
    digest: Digest,
    path: PathBuf,
    file: File,
    length: u64,
}

impl Partial {
    /// How much of it has come.
    pub(crate) fn length(&self) -> u64 {
        self.length
    }

    /// Deletes what has come.
    fn forget(&self) {
        match fs::remove_file(&self.path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                tracing::warn!(path = %self.path.display(), %error, "a part of a blob is left");
            }
            _ => {}
        }
    }
}

impl Drop for Partial {
    fn drop(&mut self) {
        let mut coming = self.partials.lock();
        if coming.remove(&self.digest).is_some_and(|blob| blob.doomed) {
            self.forget();
        }
        drop(coming);
        self.partials.ended.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use std::fs::FileTimes;
    use std::io::Read;
    use std::thread;

    use super::*;

    fn broken() -> impl Read {
        struct Broken;
        impl Read for Broken {
            fn read(&mut self, _buffer: &mut [u8]) -> io::Result<usize> {
                Err(io::ErrorKind::ConnectionReset.into())
            }
        }
        Broken
    }

    fn kept(partials: &Partials) -> u64 {
        partials.idle_bytes().unwrap()
    }

    #[test]
    fn what_was_cut_is_gone_on_with_and_what_ended_is_forgotten() {
        let root = tempfile::tempdir().unwrap();
        let digest = Digest::of(b"a blob");
        let partials = Arc::new(Partials::open(root.path()).unwrap());
        let partial = partials.take(&digest, LEAST).unwrap().unwrap();
        assert_eq!(partial.length(), 0);
        let (next, wanted) = (Arc::clone(&partials), digest.clone());
        let waiting = thread::spawn(move || next.take(&wanted, LEAST).unwrap().unwrap().length());
        let mut cut = Resumed::new(Some(partial), b"begin".chain(broken()), |_| false);
        cut.read_to_end(&mut Vec::new()).unwrap_err();
        drop(cut);
        assert_eq!(waiting.join().unwrap(), 5, "it has it when the other one has ended");

        let partials = Arc::new(Partials::open(root.path()).unwrap());
        assert_eq!(kept(&partials), 5);
        let partial = partials.take(&digest, LEAST).unwrap().unwrap();
        assert_eq!((partial.length(), kept(&partials)), (5, 0));
        let mut gone = Resumed::new(Some(partial), &b"more"[..], |_| true);
        gone.read_to_end(&mut Vec::new()).unwrap_err();
        drop(gone);
        assert_eq!(kept(&partials), 5, "what was given up stays as it was");
        let partial = partials.take(&digest, LEAST).unwrap().unwrap();
        let mut whole = Vec::new();
        let rest = &b", end"[..];
        Resumed::new(Some(partial), rest, |_| false).read_to_end(&mut whole).unwrap();
        assert_eq!(whole, b"begin, end");
        assert_eq!(partials.take(&digest, LEAST).unwrap().unwrap().length(), 0, "it is forgotten");
        assert!(partials.take(&digest, LEAST - 1).unwrap().is_none(), "it is too small");
    }

    #[test]
    fn what_is_here_of_a_blob_needs_no_room_again() {
        let (size, room) = (LEAST, LEAST * (1 + UNPACKED));
        assert!(has_room(room, size, 0) && !has_room(room - 1, size, 0));
        assert!(has_room(room - size / 2, size, size / 2), "that half took the room that is gone");
        assert!(!has_room(room - size - 1, size, 2 * size), "no more than all of it counts");
    }

    #[test]
    fn what_is_stale_too_long_or_no_blob_is_swept_and_all_of_it_on_demand() {
        let root = tempfile::tempdir().unwrap();
        let directory = root.path().join(PARTIAL);
        fs::create_dir(&directory).unwrap();
        let [old, new, long] = [b"1", b"2", b"3"].map(|content| Digest::of(content));
        for name in [old.hex(), new.hex(), "something"] {
            fs::write(directory.join(name), b"some").unwrap();
        }
        let file = File::options().write(true).open(directory.join(old.hex())).unwrap();
        let then = SystemTime::now() - STALE;
        file.set_times(FileTimes::new().set_modified(then)).unwrap();
        let partials = Arc::new(Partials::open(root.path()).unwrap());
        assert_eq!(kept(&partials), 4);
        let names: Vec<_> = fs::read_dir(&directory).unwrap().map(|entry| entry.unwrap()).collect();
        assert_eq!((names.len(), names[0].file_name()), (1, new.hex().into()));

        let file = File::create(directory.join(long.hex())).unwrap();
        file.set_len(LEAST + 1).unwrap();
        assert_eq!(partials.take(&long, LEAST).unwrap().unwrap().length(), 0);
        assert!(partials.take(&long, MOST + 1).unwrap().is_none(), "that is more than is kept");
        assert_eq!(partials.forget_idle().unwrap(), 4);
        assert_eq!(kept(&partials), 0);

        let partial = partials.take(&new, LEAST).unwrap().unwrap();
        let mut cut = Resumed::new(Some(partial), b"begin".chain(broken()), |_| false);
        cut.read_to_end(&mut Vec::new()).unwrap_err();
        partials.forget_all().unwrap();
        drop(cut);
        assert_eq!(kept(&partials), 0, "it is not kept where the disk is full");
    }
}
