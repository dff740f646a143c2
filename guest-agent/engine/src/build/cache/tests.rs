//! What is remembered, found and given back.

use std::fs;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use naru_dockerfile::{Fingerprint, Sharing};
use naru_image_store::{ImageStore, RegistryConfig};
use tempfile::TempDir;
use tokio::time::timeout;

use super::{
    BuildCache, CacheMount, CachedStep, MountClaim, Policies, PruneBounds, PruneWanted, UsageRecord,
};

async fn images(directory: &TempDir) -> ImageStore {
    let root = directory.path().join("images");
    ImageStore::open(&root, RegistryConfig::default()).await.unwrap()
}

fn cache(directory: &TempDir, images: &ImageStore) -> Arc<BuildCache> {
    Arc::new(
        BuildCache::open(&directory.path().join("builds"), images, Policies::new(None)).unwrap(),
    )
}

fn key(text: &str) -> Fingerprint {
    Fingerprint::of_bytes(text.as_bytes())
}

fn wanted(id: &str, sharing: Sharing) -> CacheMount {
    CacheMount { id: id.to_owned(), sharing }
}

/// One that is whole.
async fn claim(cache: &Arc<BuildCache>, id: &str, sharing: Sharing) -> MountClaim {
    let mut claim = cache.claim_mount(&wanted(id, sharing)).await.unwrap();
    claim.put_in_place().unwrap();
    claim
}

fn prune(cache: &BuildCache, images: &ImageStore, fits: fn(&UsageRecord) -> bool) -> Vec<String> {
    prune_to(cache, images, PruneBounds::default(), fits)
}

fn prune_to(
    cache: &BuildCache,
    images: &ImageStore,
    bounds: PruneBounds,
    fits: fn(&UsageRecord) -> bool,
) -> Vec<String> {
    let wanted = PruneWanted { all: true, bounds, fits: Box::new(fits) };
    let pruned = cache.prune(&wanted, images).unwrap();
    pruned.records.into_iter().map(|record| record.description).collect()
}

#[tokio::test]
async fn steps_are_found_again_by_the_next_engine_and_go_with_a_prune() {
    let directory = tempfile::tempdir().unwrap();
    let images = images(&directory).await;
    let first = cache(&directory, &images);
    let created = Timestamp::from_second(7).unwrap();
    first.keep(key("a"), "RUN true", &CachedStep { layer: None, created }).unwrap();
    first.keep_files(key("files"), key("content")).unwrap();
    assert!(first.find(key("b")).unwrap().is_none());
    drop(first);

    let next = cache(&directory, &images);
    let found = next.find(key("a")).unwrap().expect("it was kept");
    assert_eq!((found.created, found.layer.is_none()), (created, true));
    assert_eq!(next.known_files(key("files")).unwrap(), Some(key("content")));
    let [record] = <[_; 1]>::try_from(next.usage(&images).unwrap()).unwrap();
    assert_eq!((record.description.as_str(), record.uses, record.size), ("RUN true", 2, 0));
    assert_eq!(prune(&next, &images, |_| false), [""; 0]);
    assert_eq!(prune(&next, &images, |record| record.description == "RUN true"), ["RUN true"]);
    assert!(next.find(key("a")).unwrap().is_none());
    assert_eq!(next.known_files(key("files")).unwrap(), None, "of no use without steps");
}

#[tokio::test]
async fn what_steps_are_done_on_is_newer_than_they_are() {
    let directory = tempfile::tempdir().unwrap();
    let images = images(&directory).await;
    let cache = cache(&directory, &images);
    let newest_first = || -> Vec<String> {
        let records = cache.usage(&images).unwrap().into_iter();
        records.map(|record| record.description).collect()
    };
    for name in ["other", "base", "middle", "top"] {
        let step = CachedStep { layer: None, created: Timestamp::now() };
        cache.keep(key(name), name, &step).unwrap();
    }
    assert_eq!(newest_first(), ["top", "middle", "base", "other"], "as they were done");
    // A stage, and one that goes on from it.
    let stages = ["base", "middle", "base", "middle", "top"].map(key);
    cache.used_together(stages.iter()).unwrap();
    assert_eq!(newest_first(), ["base", "middle", "top", "other"]);
    cache.used_together([key("base"), key("other")].iter()).unwrap();
    assert_eq!(newest_first(), ["base", "other", "middle", "top"]);
}

#[tokio::test]
async fn a_cache_of_another_version_is_begun_anew() {
    let directory = tempfile::tempdir().unwrap();
    let images = images(&directory).await;
    let first = cache(&directory, &images);
    let step = CachedStep { layer: None, created: Timestamp::UNIX_EPOCH };
    first.keep(key("a"), "RUN true", &step).unwrap();
    first.connection().pragma_update(None, "user_version", 99).unwrap();
    drop(first);
    assert!(cache(&directory, &images).find(key("a")).unwrap().is_none());
}

#[tokio::test]
async fn caches_are_shared_kept_apart_or_waited_for() {
    let directory = tempfile::tempdir().unwrap();
    let images = images(&directory).await;
    let cache = cache(&directory, &images);
    let claim = async |id: &str, sharing| claim(&cache, id, sharing).await;
    let one = claim("a", Sharing::Shared).await;
    let two = claim("a", Sharing::Shared).await;
    assert_eq!(one.path, two.path);
    let other = claim("b", Sharing::Shared).await;
    assert_ne!(other.path, one.path);

    let private = claim("a", Sharing::Private).await;
    let more = claim("a", Sharing::Private).await;
    assert!(private.path != more.path && private.path != one.path);
    let free = private.path.clone();
    drop(private);
    assert_eq!(claim("a", Sharing::Private).await.path, free, "one that is free is taken");

    let locked = claim("c", Sharing::Locked).await;
    let waiting = wanted("c", Sharing::Locked);
    let waiting = cache.claim_mount(&waiting);
    tokio::pin!(waiting);
    timeout(Duration::from_millis(10), &mut waiting).await.expect_err("it is in use");
    let path = locked.path.clone();
    drop(locked);
    let now: MountClaim = waiting.await.unwrap();
    assert_eq!(now.path, path);
}

#[tokio::test]
async fn a_cache_is_used_when_it_is_whole_and_made_anew_where_it_never_was() {
    let directory = tempfile::tempdir().unwrap();
    let images = images(&directory).await;
    let cache = cache(&directory, &images);
    let wanted = wanted("a", Sharing::Shared);
    let half = cache.claim_mount(&wanted).await.unwrap();
    fs::write(half.new.as_ref().unwrap().join("half"), "").unwrap();
    let waiting = cache.claim_mount(&wanted);
    tokio::pin!(waiting);
    timeout(Duration::from_millis(10), &mut waiting).await.expect_err("it is not whole");
    drop(half);
    let mut claim = waiting.await.unwrap();
    let new = claim.new.clone().unwrap();
    assert!(!new.join("half").exists() && !claim.path.exists());
    fs::write(new.join("whole"), "").unwrap();
    claim.put_in_place().unwrap();
    let shared = cache.claim_mount(&wanted).await.unwrap();
    assert!(shared.new.is_none() && shared.path.join("whole").exists());
}

#[tokio::test]
async fn a_cache_in_use_stays_and_others_go_with_their_files() {
    let directory = tempfile::tempdir().unwrap();
    let images = images(&directory).await;
    let cache = cache(&directory, &images);
    let used = claim(&cache, "used", Sharing::Shared).await;
    let idle = claim(&cache, "idle", Sharing::Shared).await;
    let path = idle.path.clone();
    fs::write(path.join("file"), "12345").unwrap();
    drop(idle);
    let sizes: Vec<u64> =
        cache.usage(&images).unwrap().into_iter().map(|record| record.size).collect();
    assert!(sizes.contains(&5), "{sizes:?}");
    assert_eq!(prune(&cache, &images, |_| true), ["cached mount idle"]);
    assert!(!path.exists() && used.path.exists());

    // What no row names is swept by the next engine.
    fs::create_dir(directory.path().join("builds/caches/77")).unwrap();
    drop(used);
    drop(cache);
    let next = self::cache(&directory, &images);
    assert!(!directory.path().join("builds/caches/77").exists());
    assert!(next.claim_mount(&wanted("used", Sharing::Shared)).await.unwrap().new.is_none());
}

#[tokio::test]
async fn what_was_used_last_stays_as_far_as_the_bounds_let_it() {
    let directory = tempfile::tempdir().unwrap();
    let images = images(&directory).await;
    let cache = cache(&directory, &images);
    for id in ["oldest", "older", "newest"] {
        let claim = claim(&cache, id, Sharing::Shared).await;
        fs::write(claim.path.join("file"), "12345").unwrap();
    }
    let to = |bounds| prune_to(&cache, &images, bounds, |_| true);
    let free = |min_free| PruneBounds { min_free, ..PruneBounds::default() };
    assert_eq!(to(free(1)), [""; 0], "as much is free");
    assert_eq!(to(PruneBounds { max_used: 10, ..free(0) }), ["cached mount oldest"]);
    assert_eq!(to(PruneBounds { reserved: 5, ..free(u64::MAX) }), ["cached mount older"]);
    assert_eq!(to(free(u64::MAX)), ["cached mount newest"]);
}
