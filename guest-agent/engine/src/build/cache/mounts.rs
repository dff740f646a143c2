//! The directories of `RUN --mount=type=cache`, and who uses them.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use jiff::Timestamp;
use naru_dockerfile::Sharing;
use rusqlite::params;
use tokio::sync::Notify;

use super::{BuildCache, nanoseconds};
use crate::container::remove_or_tell;
use crate::error::{EngineError, Result};

/// Which caches are used by whom.
#[derive(Debug, Default)]
pub(super) struct InUse {
    claims: Mutex<HashMap<i64, Claimed>>,
    /// Told each time that one is free again.
    freed: Notify,
}

#[derive(Debug, Default)]
struct Claimed {
    users: usize,
    /// Nobody else may come.
    is_alone: bool,
    /// It is not whole yet: who would share it waits.
    is_new: bool,
}

/// A cache that is wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct CacheMount {
    /// Its name.
    pub(crate) id: String,
    pub(crate) sharing: Sharing,
}

/// A cache in use, which nobody removes meanwhile.
#[derive(Debug)]
pub(crate) struct MountClaim {
    cache: Arc<BuildCache>,
    number: i64,
    /// Its directory.
    pub(crate) path: PathBuf,
    /// Where one that is made just now gets what it begins with, until [`put_in_place`].
    ///
    /// [`put_in_place`]: MountClaim::put_in_place
    pub(crate) new: Option<PathBuf>,
}

impl MountClaim {
    /// Puts a new one in its place. One that never was is made anew the next time.
    pub(crate) fn put_in_place(&mut self) -> Result<()> {
        let Some(new) = self.new.take() else { return Ok(()) };
        std::fs::rename(&new, &self.path).map_err(EngineError::io("renaming", new))?;
        let mut claims = self.cache.mounts.claims.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(claim) = claims.get_mut(&self.number) {
            claim.is_new = false;
        }
        drop(claims);
        self.cache.mounts.freed.notify_waiters();
        Ok(())
    }
}

impl Drop for MountClaim {
    fn drop(&mut self) {
        let mut claims = self.cache.mounts.claims.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(claim) = claims.get_mut(&self.number) {
            claim.users -= 1;
            if claim.users == 0 {
                claims.remove(&self.number);
            }
        }
        drop(claims);
        self.cache.mounts.freed.notify_waiters();
    }
}

impl BuildCache {
    /// A cache as it is wanted; waits for one that is to be used by one after the other. Cancel
    /// safe.
    pub(crate) async fn claim_mount(self: &Arc<Self>, wanted: &CacheMount) -> Result<MountClaim> {
        loop {
            let freed = self.mounts.freed.notified();
            tokio::pin!(freed);
            // Whoever frees one from here on wakes this up.
            freed.as_mut().enable();
            if let Some(claim) = self.try_claim(wanted)? {
                return Ok(claim);
            }
            freed.await;
        }
    }

    fn try_claim(self: &Arc<Self>, wanted: &CacheMount) -> Result<Option<MountClaim>> {
        let mut claims = self.mounts.claims.lock().unwrap_or_else(PoisonError::into_inner);
        let connection = self.connection();
        let numbers: Vec<i64> = connection
            .prepare_cached("SELECT number FROM mount WHERE id = ?1 ORDER BY number")?
            .query_map([&wanted.id], |row| row.get(0))?
            .collect::<rusqlite::Result<_>>()?;
        let free = numbers.iter().copied().find(|number| !claims.contains_key(number));
        let number = match wanted.sharing {
            Sharing::Shared => {
                let shared = |number: &i64| claims.get(number).is_none_or(|claim| !claim.is_alone);
                let found = numbers.iter().copied().find(shared);
                if found.and_then(|number| claims.get(&number)).is_some_and(|claim| claim.is_new) {
                    return Ok(None);
                }
                found
            }
            Sharing::Private => free,
            Sharing::Locked => match numbers.first() {
                Some(first) if claims.contains_key(first) => return Ok(None),
                first => first.copied(),
            },
        };
        let now = nanoseconds(Timestamp::now());
        let number = if let Some(number) = number {
            connection
                .prepare_cached(
                    "UPDATE mount SET last_used_ns = ?2, uses = uses + 1 WHERE number = ?1",
                )?
                .execute(params![number, now])?;
            number
        } else {
            connection
                .prepare_cached(
                    "INSERT INTO mount (id, created_ns, last_used_ns, uses)
                     VALUES (?1, ?2, ?2, 1)",
                )?
                .execute(params![wanted.id, now])?;
            connection.last_insert_rowid()
        };
        let path = self.mount_path(number);
        let is_there = path.try_exists().map_err(EngineError::io("looking at", &path))?;
        let new = (!is_there).then(|| self.new_mount(number)).transpose()?;
        let claim = claims.entry(number).or_default();
        claim.users += 1;
        claim.is_alone = wanted.sharing != Sharing::Shared;
        claim.is_new = new.is_some();
        Ok(Some(MountClaim { cache: Arc::clone(self), number, path, new }))
    }

    /// The directory of one that is not whole yet, without what an earlier attempt has left.
    fn new_mount(&self, number: i64) -> Result<PathBuf> {
        let path = self.mount_path(number).with_extension("new");
        if path.try_exists().map_err(EngineError::io("looking at", &path))? {
            remove_or_tell(&path);
        }
        std::fs::create_dir(&path).map_err(EngineError::io("creating", &path))?;
        Ok(path)
    }

    /// Forgets a cache that nobody uses, and gives its directory, which is to be removed.
    pub(super) fn forget_mount(&self, number: i64) -> Result<Option<PathBuf>> {
        let claims = self.mounts.claims.lock().unwrap_or_else(PoisonError::into_inner);
        if claims.contains_key(&number) {
            return Ok(None);
        }
        self.connection().execute("DELETE FROM mount WHERE number = ?1", [number])?;
        Ok(Some(self.mount_path(number)))
    }

    pub(super) fn is_claimed(&self, number: i64) -> bool {
        let claims = self.mounts.claims.lock().unwrap_or_else(PoisonError::into_inner);
        claims.contains_key(&number)
    }

    pub(super) fn mount_path(&self, number: i64) -> PathBuf {
        self.directory.join("caches").join(number.to_string())
    }

    /// Removes directories that no row names.
    pub(super) fn sweep_mounts(&self) -> Result<()> {
        let known: Vec<i64> = self
            .connection()
            .prepare("SELECT number FROM mount")?
            .query_map([], |row| row.get(0))?
            .collect::<rusqlite::Result<_>>()?;
        let caches = self.directory.join("caches");
        let entries = std::fs::read_dir(&caches).map_err(EngineError::io("listing", caches))?;
        for entry in entries.flatten() {
            let number = entry.file_name().to_str().and_then(|name| name.parse().ok());
            if number.is_none_or(|number| !known.contains(&number)) {
                remove_or_tell(&entry.path());
            }
        }
        Ok(())
    }
}
