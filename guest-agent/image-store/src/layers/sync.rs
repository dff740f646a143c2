//! Files reach the disk by one sync of the whole file system, not by one for each of them.

use std::fs::File;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use rustix::fs::syncfs;

use super::Layers;
use crate::error::ImageError;

/// Syncs under way; layers that are ready meanwhile share the next one.
#[derive(Debug, Default)]
pub(super) struct Syncs {
    begun: AtomicU64,
    running: Mutex<()>,
}

impl Syncs {
    /// How many have begun.
    fn begun(&self) -> u64 {
        self.begun.load(Ordering::SeqCst)
    }

    /// Returns when a `sync` has succeeded that began after `asked` had.
    fn since<E>(&self, asked: u64, sync: impl FnOnce() -> Result<(), E>) -> Result<(), E> {
        let _running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        // It has ended, too: the lock is ours.
        if self.begun() > asked {
            return Ok(());
        }
        self.begun.fetch_add(1, Ordering::SeqCst);
        sync().inspect_err(|_| {
            // Nobody may count on it.
            self.begun.fetch_sub(1, Ordering::SeqCst);
        })
    }
}

impl Layers {
    /// Makes everything last that was written to the layers before.
    pub(super) fn sync(&self) -> Result<(), ImageError> {
        let path = &self.ready;
        self.syncs.since(self.syncs.begun(), || {
            let directory = File::open(path).map_err(ImageError::io("open", path))?;
            syncfs(&directory).map_err(|errno| ImageError::io("sync", path)(errno.into()))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sync_is_shared_by_who_asked_before_it_began_and_by_nobody_else() {
        let syncs = Syncs::default();
        let before = syncs.begun();
        let mut during = before;
        let mut count = 0;
        let synced = syncs.since(before, || {
            during = syncs.begun();
            count += 1;
            Ok::<_, ()>(())
        });
        synced.expect("it succeeds");
        for asked in [before, during] {
            let synced = syncs.since(asked, || {
                count += 1;
                Ok::<_, ()>(())
            });
            synced.expect("it succeeds");
        }
        assert_eq!(count, 2, "the one that had begun need not have all files of who came later");
    }

    #[test]
    fn nobody_counts_on_a_sync_that_failed() {
        let syncs = Syncs::default();
        let asked = syncs.begun();
        syncs.since(asked, || Err(())).expect_err("it fails");
        let mut synced = false;
        let again = syncs.since(asked, || {
            synced = true;
            Ok::<_, ()>(())
        });
        again.expect("it succeeds");
        assert!(synced);
    }
}
