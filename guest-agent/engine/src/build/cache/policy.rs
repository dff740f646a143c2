//! What of the cache goes by itself: BuildKit's default policies, one after the other.
//!
//! 1. what is made again at little cost, once it was not used for two days;
//! 2. what was not used for two months, 3. what no image has, 4. all there is, each as far as the
//!    cache takes more than it may.
//!
//! The oldest goes first, and nothing that a build works with.

use std::mem;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use jiff::Timestamp;

use super::prune::{PruneBounds, PruneWanted, UsageKind, UsageRecord, chosen};
use super::{BuildCache, Pruned};
use crate::error::Result;

/// Clients' directories and cache mounts may take this together with all else.
const EASY_BYTES: u64 = 512_000_000;
const EASY: &[UsageKind] = &[UsageKind::Context, UsageKind::Mount];
const EASY_UNUSED: Duration = Duration::from_hours(48);
const UNUSED: Duration = Duration::from_hours(60 * 24);
/// Of the disk, in hundredths, and in bytes at most.
const RESERVED: (u64, u64) = (10, 10_000_000_000);
const MAX_USED: (u64, u64) = (80, 100_000_000_000);
const MIN_FREE: u64 = 20;

/// A rule by which something goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Policy {
    /// What it is about; all where it names nothing.
    pub(crate) kinds: &'static [UsageKind],
    /// What was used since stays.
    pub(crate) unused_for: Duration,
    /// Also what images have.
    pub(crate) all: bool,
    pub(crate) bounds: PruneBounds,
}

/// How the cache is kept small.
#[derive(Debug)]
pub(crate) struct Policies {
    /// What it may take, if somebody has said so.
    limit: Option<u64>,
    /// Whether it is going to be looked at.
    is_coming: AtomicBool,
}

impl Policies {
    pub(crate) fn new(limit: Option<u64>) -> Self {
        Self { limit, is_coming: AtomicBool::new(false) }
    }

    /// Whether nobody else is going to look, which the caller is then.
    pub(crate) fn begin(&self) -> bool {
        !self.is_coming.swap(true, Ordering::AcqRel)
    }

    /// What comes from here on is looked at anew.
    pub(crate) fn looked(&self) {
        self.is_coming.store(false, Ordering::Release);
    }

    /// The policies for a cache on a disk of so many bytes.
    pub(crate) fn on(&self, disk: u64) -> [Policy; 4] {
        let part = |hundredths: u64| (disk / 100).saturating_mul(hundredths);
        let at_most = |(hundredths, bytes)| part(hundredths).min(bytes);
        let max_used = match self.limit {
            Some(limit) => limit,
            // Not every file system says how large it is.
            None if disk == 0 => u64::MAX,
            None => at_most(MAX_USED),
        };
        let bounds = PruneBounds {
            reserved: at_most(RESERVED).min(max_used),
            max_used,
            min_free: part(MIN_FREE),
        };
        let easy = PruneBounds { max_used: EASY_BYTES, ..PruneBounds::default() };
        let of_all = |unused_for, all| Policy { kinds: &[], unused_for, all, bounds };
        [
            Policy { kinds: EASY, unused_for: EASY_UNUSED, all: false, bounds: easy },
            of_all(UNUSED, false),
            of_all(Duration::ZERO, false),
            of_all(Duration::ZERO, true),
        ]
    }
}

impl Policy {
    fn fits(&self, record: &UsageRecord, now: Timestamp) -> bool {
        (self.kinds.is_empty() || self.kinds.contains(&record.kind))
            && now.duration_since(record.last_used).unsigned_abs() >= self.unused_for
    }

    fn wanted(self, now: Timestamp) -> PruneWanted {
        let (all, bounds) = (self.all, self.bounds);
        PruneWanted { all, bounds, fits: Box::new(move |record| self.fits(record, now)) }
    }
}

impl BuildCache {
    /// Who says what goes, and when.
    pub(crate) fn policies_of(&self) -> &Policies {
        &self.policies
    }

    /// The policies by which something goes.
    pub(crate) fn policies(&self) -> Result<[Policy; 4]> {
        Ok(self.policies.on(self.disk()?.size))
    }

    /// Removes what the policies do not let stay. Layers go with the next collection. Blocks.
    pub(crate) fn clean(&self, images: &naru_image_store::ImageStore) -> Result<Pruned> {
        let disk = self.disk()?;
        let policies = self.policies.on(disk.size);
        let go = chosen_by(policies, self.usage(images)?, disk.free, Timestamp::now());
        self.remove(go.into_iter().flatten())
    }
}

/// What each policy takes of what those before it have left where `free` bytes are free.
fn chosen_by(
    policies: [Policy; 4],
    mut records: Vec<UsageRecord>,
    mut free: u64,
    now: Timestamp,
) -> [Vec<UsageRecord>; 4] {
    policies.map(|policy| {
        let chosen = chosen(mem::take(&mut records), &policy.wanted(now), free);
        records = chosen.stay;
        // What goes is on the disk for a while yet.
        free = chosen.go.iter().map(UsageRecord::own_size).fold(free, u64::saturating_add);
        chosen.go
    })
}

#[cfg(test)]
mod tests {
    use super::super::prune::Place;
    use super::*;

    const DAY: i64 = 24 * 3600;
    const MB: u64 = 1_000_000;

    /// Something of so many megabytes that was not used for so many days.
    fn record(id: &str, kind: UsageKind, megabytes: u64, days: i64) -> UsageRecord {
        let used = Timestamp::from_second(1000 * DAY - days * DAY).unwrap();
        UsageRecord {
            id: id.to_owned(),
            kind,
            description: String::new(),
            in_use: false,
            shared: false,
            size: megabytes * MB,
            created: used,
            last_used: used,
            uses: 1,
            place: Place::Mount(0),
        }
    }

    /// What each policy takes of what those before it have left, on a disk of 10 GB.
    fn gone(limit: Option<u64>, free: u64, records: Vec<UsageRecord>) -> [Vec<String>; 4] {
        let now = Timestamp::from_second(1000 * DAY).unwrap();
        let policies = Policies::new(limit.map(|megabytes| megabytes * MB)).on(10_000 * MB);
        chosen_by(policies, records, free * MB, now)
            .map(|gone| gone.into_iter().map(|record| record.id).collect())
    }

    #[test]
    fn what_is_easily_made_again_goes_after_two_days() {
        let [easy, rest @ ..] = gone(
            None,
            5000,
            vec![
                record("step", UsageKind::Step, 400, 0),
                record("new mount", UsageKind::Mount, 400, 1),
                record("old mount", UsageKind::Mount, 400, 3),
                record("old step", UsageKind::Step, 400, 4),
                record("old context", UsageKind::Context, 1, 5),
            ],
        );
        assert_eq!(easy, ["old context", "old mount"]);
        assert!(rest.iter().all(Vec::is_empty), "there is room: {rest:?}");
        let few = vec![record("old", UsageKind::Mount, 500, 30)];
        assert!(gone(None, 5000, few).iter().all(Vec::is_empty), "it is not much");
    }

    #[test]
    fn over_the_limit_the_oldest_goes_and_what_images_have_at_last() {
        let step = |id, megabytes, days| record(id, UsageKind::Step, megabytes, days);
        let used = UsageRecord { in_use: true, ..step("used", 700, 300) };
        let records = vec![
            step("new", 200, 0),
            step("a", 600, 1),
            step("b", 600, 10),
            step("c", 600, 90),
            used,
        ];
        let [_, unused, over, all] = gone(Some(2000), 9000, records.clone());
        assert_eq!(unused, ["c"], "older than two months");
        assert_eq!((over, all), (vec!["b".to_owned()], Vec::new()));
        let [_, unused, over, all] = gone(Some(650), 9000, records.clone());
        assert_eq!((unused, over.join(" ")), (vec!["c".to_owned()], "b a new".to_owned()));
        assert_eq!(all, [""; 0], "what is in use stays");
        // A disk that gets full takes it back, but for a tenth of the disk.
        let [_, unused, over, _] = gone(None, 100, records);
        assert_eq!((unused, over.join(" ")), (vec!["c".to_owned()], "b a".to_owned()));
        let of_image = UsageRecord { shared: true, ..step("of an image", 600, 90) };
        let [_, unused, over, all] = gone(Some(100), 9000, vec![step("new", 200, 0), of_image]);
        assert_eq!((unused, over), (Vec::new(), vec!["new".to_owned()]));
        assert_eq!(all, [""; 0], "nothing is won by what an image has");
        let used = UsageRecord { in_use: true, ..step("used", 700, 0) };
        let of_image = UsageRecord { shared: true, ..step("of an image", 600, 90) };
        let nothing = gone(Some(500), 9000, vec![used, of_image]);
        assert!(nothing.iter().all(Vec::is_empty), "nor while there is more than may be");
    }

    #[test]
    fn what_one_policy_takes_is_no_longer_lacking_for_the_next() {
        let step = |id, days| record(id, UsageKind::Step, 600, days);
        let records =
            vec![step("new", 0), step("a", 1), step("b", 10), step("c", 20), step("old", 90)];
        // Of 2000 that are to be free.
        let [_, unused, rest @ ..] = gone(None, 1500, records);
        assert_eq!(unused, ["old"]);
        assert_eq!(rest, [const { Vec::<String>::new() }; 2], "as much is free then");
    }

    #[test]
    fn the_limits_are_parts_of_the_disk_unless_somebody_says_so() {
        let policies = Policies::new(None);
        let of = |disk: u64| policies.on(disk)[3].bounds;
        let bounds = |reserved, max_used, min_free| PruneBounds { reserved, max_used, min_free };
        let gb = 1000 * MB;
        assert_eq!(of(50 * gb), bounds(5 * gb, 40 * gb, 10 * gb));
        assert_eq!(of(1000 * gb), bounds(10 * gb, 100 * gb, 200 * gb));
        let limited = Policies::new(Some(gb)).on(50 * gb);
        assert_eq!(limited[1].bounds, bounds(gb, gb, 10 * gb));
        assert_eq!(of(0), bounds(0, u64::MAX, 0), "a disk of no size is not a full one");
        assert_eq!(Policies::new(Some(gb)).on(0)[3].bounds, bounds(0, gb, 0));
    }
}
