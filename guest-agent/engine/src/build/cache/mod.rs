//! What builds have done already, so that the next ones need not.
//!
//! ```text
//! ROOT/builds/
//!   cache.db       which step came to which layer; which caches there are
//!   caches/<n>/    the directories of `RUN --mount=type=cache`
//!   contexts/<n>/  what clients have sent, while it is built; swept at start
//!   kept/<key>/    clients' directories as they last came, so that only changes come again
//!   <id>/          a step that is being done; swept at start
//! ```
//!
//! A step's row is written once its layer is in the image store, and the layer is held while the
//! row is there. A crash between the two leaves a layer that the next collection takes. All of it
//! may be thrown away at any time: what is in use is held by who uses it.

mod contexts;
mod mounts;
mod policy;
mod prune;
mod steps;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use naru_dockerfile::Fingerprint;
use naru_image_store::{ImageStore, MadeLayer};
use rusqlite::Connection;

use crate::error::{EngineError, Result};

pub(crate) use contexts::{Contexts, Kept};
pub(crate) use mounts::{CacheMount, MountClaim};
pub(crate) use policy::{Policies, Policy};
pub(crate) use prune::{PruneBounds, PruneWanted, Pruned, UsageKind, UsageRecord};
pub(crate) use steps::CachedStep;

/// Another version's cache is not read: it is a cache.
const SCHEMA: i64 = 1;
const TABLES: &str = "
DROP TABLE IF EXISTS step;
DROP TABLE IF EXISTS known;
DROP TABLE IF EXISTS mount;
CREATE TABLE step (
    key          BLOB PRIMARY KEY,
    -- None of a step that has changed no files.
    diff_id      TEXT,
    description  TEXT NOT NULL,
    created_ns   INTEGER NOT NULL,
    last_used_ns INTEGER NOT NULL,
    uses         INTEGER NOT NULL
) STRICT;
-- What files that lie in layers are, by which layers and which files.
CREATE TABLE known (
    key   BLOB PRIMARY KEY,
    files BLOB NOT NULL
) STRICT;
CREATE TABLE mount (
    number       INTEGER PRIMARY KEY AUTOINCREMENT,
    id           TEXT NOT NULL,
    created_ns   INTEGER NOT NULL,
    last_used_ns INTEGER NOT NULL,
    uses         INTEGER NOT NULL
) STRICT;
";

/// The cache of one engine.
#[derive(Debug)]
pub(crate) struct BuildCache {
    directory: PathBuf,
    connection: Mutex<Connection>,
    /// The layers of the rows.
    held: Mutex<HashMap<Fingerprint, Arc<MadeLayer>>>,
    /// One lock for each step that is being done, so that it is done once.
    doing: Mutex<HashMap<Fingerprint, Weak<tokio::sync::Mutex<()>>>>,
    mounts: mounts::InUse,
    contexts: Contexts,
    policies: Policies,
}

impl BuildCache {
    /// Opens the cache in `directory`, which is made if it is missing, and holds its layers.
    pub(crate) fn open(directory: &Path, images: &ImageStore, policies: Policies) -> Result<Self> {
        let caches = directory.join("caches");
        std::fs::create_dir_all(&caches).map_err(EngineError::io("creating", caches))?;
        let connection = Connection::open(directory.join("cache.db"))?;
        connection.pragma_update(None, "journal_mode", "WAL")?;
        // What the power takes away with it is done again.
        connection.pragma_update(None, "synchronous", "NORMAL")?;
        let found: i64 = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
        if found != SCHEMA {
            connection.execute_batch(TABLES)?;
            connection.pragma_update(None, "user_version", SCHEMA)?;
        }
        let cache = Self {
            directory: directory.to_owned(),
            connection: Mutex::new(connection),
            held: Mutex::default(),
            doing: Mutex::default(),
            mounts: mounts::InUse::default(),
            contexts: Contexts::new(&directory.join("kept")),
            policies,
        };
        cache.hold_layers(images)?;
        cache.sweep_mounts()?;
        Ok(cache)
    }

    /// The lock whose holder does the step. A holder that fails lets the next one try.
    pub(crate) fn doing(&self, key: Fingerprint) -> Arc<tokio::sync::Mutex<()>> {
        let mut doing = self.doing.lock().unwrap_or_else(PoisonError::into_inner);
        doing.retain(|_, lock| lock.strong_count() > 0);
        if let Some(lock) = doing.get(&key).and_then(Weak::upgrade) {
            return lock;
        }
        let lock = Arc::default();
        doing.insert(key, Arc::downgrade(&lock));
        lock
    }

    /// The directories of clients that are kept.
    pub(crate) fn contexts(&self) -> &Contexts {
        &self.contexts
    }

    fn connection(&self) -> MutexGuard<'_, Connection> {
        self.connection.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn held(&self) -> MutexGuard<'_, HashMap<Fingerprint, Arc<MadeLayer>>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Nanoseconds since 1970.
fn nanoseconds(time: jiff::Timestamp) -> i64 {
    i64::try_from(time.as_nanosecond()).unwrap_or(i64::MAX)
}

fn time(nanoseconds: i64) -> jiff::Timestamp {
    jiff::Timestamp::from_nanosecond(nanoseconds.into()).unwrap_or_default()
}
