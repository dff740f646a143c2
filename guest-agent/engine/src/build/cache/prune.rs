//! What the cache takes, and taking it back.

use std::collections::{HashMap, HashSet};
use std::io;
use std::sync::Arc;

use jiff::Timestamp;
use naru_dockerfile::Fingerprint;
use naru_image_store::{Digest, ImageStore};
use rustix::fs::statvfs;

use super::{BuildCache, time};
use crate::container::remove_or_tell;
use crate::error::{EngineError, Result};
use crate::files::size;

/// How much of a key names a record.
const ID_LEN: usize = 25;

/// Something in the cache.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct UsageRecord {
    pub(crate) id: String,
    pub(crate) kind: UsageKind,
    pub(crate) description: String,
    /// A build works with it.
    pub(crate) in_use: bool,
    /// An image has it too, so that nothing is won by removing it.
    pub(crate) shared: bool,
    pub(crate) size: u64,
    pub(crate) created: Timestamp,
    pub(crate) last_used: Timestamp,
    pub(crate) uses: u64,
    pub(super) place: Place,
}

impl UsageRecord {
    /// What would be won by its removal.
    pub(super) fn own_size(&self) -> u64 {
        if self.shared { 0 } else { self.size }
    }
}

/// What sort of thing it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum UsageKind {
    Step,
    Mount,
    /// A client's directory.
    Context,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Place {
    Step(Fingerprint, Option<Digest>),
    Mount(i64),
    Context(String),
}

impl UsageKind {
    /// BuildKit's word.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Step => "regular",
            Self::Mount => "exec.cachemount",
            Self::Context => "source.local",
        }
    }
}

/// What is to go. What a build works with stays.
pub(crate) struct PruneWanted {
    /// Also what images have.
    pub(crate) all: bool,
    pub(crate) bounds: PruneBounds,
    pub(crate) fits: Box<dyn Fn(&UsageRecord) -> bool + Send + Sync>,
}

/// How much may stay, the last used first. Of these in bytes, 0 is none; without any all goes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct PruneBounds {
    /// As much stays, whatever the others say.
    pub(crate) reserved: u64,
    /// Not more than this stays.
    pub(crate) max_used: u64,
    /// As much goes as is lacking to this on the disk.
    pub(crate) min_free: u64,
}

impl PruneBounds {
    /// How much of what takes `used` bytes may stay where `free` are free.
    fn kept(self, used: u64, free: u64) -> u64 {
        let lacking = self.min_free.saturating_sub(free);
        let by_disk = if lacking > 0 { used.saturating_sub(lacking) } else { u64::MAX };
        let most = match (self.max_used, self.min_free) {
            (0, 0) => 0,
            (0, _) => by_disk,
            (max_used, _) => max_used.min(by_disk),
        };
        most.max(self.reserved)
    }
}

/// What is gone.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Pruned {
    pub(crate) records: Vec<UsageRecord>,
    pub(crate) reclaimed: u64,
}

/// In bytes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Disk {
    pub(super) size: u64,
    pub(super) free: u64,
}

/// What goes of the cache, the oldest first, and what stays, the newest first.
#[derive(Debug, Default)]
pub(super) struct Chosen {
    pub(super) go: Vec<UsageRecord>,
    pub(super) stay: Vec<UsageRecord>,
}

/// Chooses of `records`, what was used last first, what goes where `free` bytes are free.
pub(super) fn chosen(records: Vec<UsageRecord>, wanted: &PruneWanted, free: u64) -> Chosen {
    let mut used = records.iter().map(UsageRecord::own_size).fold(0, u64::saturating_add);
    let most = wanted.bounds.kept(used, free);
    let mut chosen = Chosen::default();
    for record in records.into_iter().rev() {
        let is_wanted = !record.in_use && (wanted.all || !record.shared) && (wanted.fits)(&record);
        // An image's layers stay where they are, so that they make no room.
        if is_wanted && (most == 0 || (used > most && !record.shared)) {
            used = used.saturating_sub(record.own_size());
            chosen.go.push(record);
        } else {
            chosen.stay.push(record);
        }
    }
    chosen.stay.reverse();
    chosen
}

impl BuildCache {
    /// All that is in the cache, what was used last first. Blocks.
    pub(crate) fn usage(&self, images: &ImageStore) -> Result<Vec<UsageRecord>> {
        let of_images = images.layers_of_images()?;
        let mut records = self.step_records(&of_images)?;
        for (number, mut record) in self.mount_records()? {
            let path = self.mount_path(number);
            record.size = size(&path).unwrap_or_default();
            records.push(record);
        }
        records.extend(self.context_records()?);
        records.sort_by(|a, b| b.last_used.cmp(&a.last_used).then_with(|| a.id.cmp(&b.id)));
        Ok(records)
    }

    /// Removes what is wanted gone. Layers go with the next collection. Blocks.
    pub(crate) fn prune(&self, wanted: &PruneWanted, images: &ImageStore) -> Result<Pruned> {
        let free = self.disk()?.free;
        self.remove(chosen(self.usage(images)?, wanted, free).go)
    }

    /// The disk that the cache is on.
    pub(super) fn disk(&self) -> Result<Disk> {
        let disk = statvfs(self.directory.as_path()).map_err(io::Error::from);
        let disk = disk.map_err(EngineError::io("looking at", &self.directory))?;
        let bytes = |blocks: u64| blocks.saturating_mul(disk.f_frsize);
        Ok(Disk { size: bytes(disk.f_blocks), free: bytes(disk.f_bavail) })
    }

    pub(super) fn remove(&self, go: impl IntoIterator<Item = UsageRecord>) -> Result<Pruned> {
        let mut pruned = Pruned::default();
        let mut gone: HashSet<Digest> = HashSet::new();
        for record in go {
            match &record.place {
                Place::Step(key, diff_id) => {
                    self.connection()
                        .execute("DELETE FROM step WHERE key = ?1", [key.as_bytes()])?;
                    drop(self.held().remove(key));
                    // A layer of several steps is freed once, and one of an image not at all.
                    if let Some(diff_id) = diff_id
                        && gone.insert(diff_id.clone())
                        && !record.shared
                    {
                        pruned.reclaimed += record.size;
                    }
                }
                Place::Mount(number) => {
                    let Some(path) = self.forget_mount(*number)? else { continue };
                    remove_or_tell(&path);
                    pruned.reclaimed += record.size;
                }
                Place::Context(key) => {
                    // A build may have taken it just now.
                    if !self.contexts.remove(key).map_err(self.failed("removing"))? {
                        continue;
                    }
                    pruned.reclaimed += record.size;
                }
            }
            pruned.records.push(record);
        }
        // What is known of files is of no use without the steps that ask for it.
        if self.held().is_empty() {
            self.connection().execute("DELETE FROM known", [])?;
        }
        Ok(pruned)
    }

    fn context_records(&self) -> Result<Vec<UsageRecord>> {
        let usages = self.contexts.usage().map_err(self.failed("counting"))?;
        let time = |time| Timestamp::try_from(time).unwrap_or_default();
        let records = usages.into_iter().map(|usage| UsageRecord {
            id: usage.key.get(..ID_LEN).unwrap_or_default().to_owned(),
            kind: UsageKind::Context,
            description: "local source for context".to_owned(),
            in_use: usage.is_in_use,
            shared: false,
            size: usage.bytes,
            created: time(usage.made),
            last_used: time(usage.used),
            uses: 0,
            place: Place::Context(usage.key),
        });
        Ok(records.collect())
    }

    fn failed(&self, operation: &'static str) -> impl FnOnce(io::Error) -> EngineError + use<> {
        EngineError::io(operation, self.directory.join("kept"))
    }

    fn step_records(&self, of_images: &HashSet<Digest>) -> Result<Vec<UsageRecord>> {
        let held: HashMap<Fingerprint, (u64, bool)> = self
            .held()
            .iter()
            .map(|(key, layer)| (*key, (layer.size(), Arc::strong_count(layer) > 1)))
            .collect();
        let connection = self.connection();
        let mut statement = connection.prepare(
            "SELECT key, diff_id, description, created_ns, last_used_ns, uses FROM step",
        )?;
        let rows = statement.query_map([], |row| {
            let key = Fingerprint::from_sha256(row.get(0)?);
            let diff_id: Option<String> = row.get(1)?;
            let diff_id: Option<Digest> = diff_id.and_then(|text| text.parse().ok());
            let (size, in_use) = held.get(&key).copied().unwrap_or_default();
            Ok(UsageRecord {
                id: key.to_string().get(..ID_LEN).unwrap_or_default().to_owned(),
                kind: UsageKind::Step,
                description: row.get(2)?,
                in_use,
                shared: diff_id.as_ref().is_some_and(|diff_id| of_images.contains(diff_id)),
                size,
                created: time(row.get(3)?),
                last_used: time(row.get(4)?),
                uses: row.get(5)?,
                place: Place::Step(key, diff_id),
            })
        })?;
        rows.collect::<rusqlite::Result<_>>().map_err(EngineError::from)
    }

    fn mount_records(&self) -> Result<Vec<(i64, UsageRecord)>> {
        let rows: Vec<(i64, UsageRecord)> = self
            .connection()
            .prepare("SELECT number, id, created_ns, last_used_ns, uses FROM mount")?
            .query_map([], |row| {
                let (number, id): (i64, String) = (row.get(0)?, row.get(1)?);
                let record = UsageRecord {
                    id: Fingerprint::of_bytes(format!("mount {number}").as_bytes())
                        .to_string()
                        .get(..ID_LEN)
                        .unwrap_or_default()
                        .to_owned(),
                    kind: UsageKind::Mount,
                    description: format!("cached mount {id}"),
                    in_use: false,
                    shared: false,
                    size: 0,
                    created: time(row.get(2)?),
                    last_used: time(row.get(3)?),
                    uses: row.get(4)?,
                    place: Place::Mount(number),
                };
                Ok((number, record))
            })?
            .collect::<rusqlite::Result<_>>()?;
        let with_use = rows.into_iter().map(|(number, record)| {
            (number, UsageRecord { in_use: self.is_claimed(number), ..record })
        });
        Ok(with_use.collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_say_how_much_stays() {
        let kept = |reserved, max_used, min_free| {
            PruneBounds { reserved, max_used, min_free }.kept(100, 50)
        };
        assert_eq!(kept(0, 0, 0), 0, "all goes");
        assert_eq!(kept(30, 0, 0), 30);
        assert_eq!((kept(0, 40, 0), kept(70, 40, 0)), (40, 70));
        assert_eq!(kept(0, 0, 50), u64::MAX, "as much is free");
        assert_eq!((kept(0, 0, 60), kept(0, 0, 500)), (90, 0));
        assert_eq!((kept(0, 95, 60), kept(0, 80, 60), kept(0, 80, 50)), (90, 80, 80));
        assert_eq!(kept(95, 0, 60), 95);
    }
}
