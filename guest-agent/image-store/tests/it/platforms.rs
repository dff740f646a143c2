//! Names that stand for images of several platforms.

use std::collections::HashSet;

use naru_image_store::{
    Digest, Image, ImageError, ImageReference, ImageStore, InUse, MadeImage, Platform, PullEvent,
    RegistryConfig, Removal, RemoveConflict, Removed,
};
use tempfile::TempDir;

const FORCE: Removal = Removal { force: true, keep_parents: false };

/// `app:1` is `own` on this machine and `other` on another one.
struct Pair {
    store: ImageStore,
    name: ImageReference,
    own: Digest,
    other: Digest,
    directory: TempDir,
}

fn other_platform() -> Platform {
    "linux/riscv64".parse().expect("a platform")
}

async fn add(store: &ImageStore, platform: &Platform, author: &str) -> anyhow::Result<Digest> {
    let config = format!(
        r#"{{"architecture":"{}","os":"linux","author":"{author}",
            "rootfs":{{"type":"layers","diff_ids":[]}}}}"#,
        platform.architecture
    );
    let made = MadeImage { base: None, layer: None, config: config.into_bytes(), tag: None };
    Ok(store.add_image(made).await?.id)
}

async fn open() -> anyhow::Result<(TempDir, ImageStore)> {
    let directory = tempfile::tempdir()?;
    let store = ImageStore::open(directory.path(), RegistryConfig::default()).await?;
    Ok((directory, store))
}

impl Pair {
    async fn new() -> anyhow::Result<Self> {
        let (directory, store) = open().await?;
        let own = add(&store, &Platform::host(), "one").await?;
        let other = add(&store, &other_platform(), "one").await?;
        let name: ImageReference = "app:1".parse()?;
        store.tag_all(&[own.clone(), other.clone()], &name)?;
        Ok(Self { store, name, own, other, directory })
    }

    /// All ids, of those that are listed and of the others.
    fn all(&self) -> anyhow::Result<HashSet<Digest>> {
        Ok(ids(self.store.all()?))
    }

    fn both(&self) -> HashSet<Digest> {
        HashSet::from([self.own.clone(), self.other.clone()])
    }
}

fn ids(images: Vec<Image>) -> HashSet<Digest> {
    images.into_iter().map(|image| image.id).collect()
}

fn nobody(_: &Digest) -> Option<InUse> {
    None
}

fn running(id: &Digest) -> impl Fn(&Digest) -> Option<InUse> + Send + Sync + use<> {
    let id = id.clone();
    move |asked| (*asked == id).then(|| InUse { container_id: "c".repeat(64), running: true })
}

#[tokio::test]
async fn a_name_is_this_machines_image_unless_a_platform_is_asked_for() -> anyhow::Result<()> {
    let pair = Pair::new().await?;
    let resolved = pair.store.resolve("app:1")?;
    assert_eq!((&resolved.id, resolved.tags.as_slice()), (&pair.own, &[pair.name.clone()][..]));
    let other = pair.store.resolve_for("app:1", &other_platform())?;
    assert_eq!(other.id, pair.other);
    assert_eq!((other.tags.len(), other.platform_tags.as_slice()), (0, &[pair.name.clone()][..]));
    assert!(!other.is_untagged());
    assert_eq!(pair.store.resolve_for("app:1", &Platform::host())?.id, pair.own);
    // What it is not at all is for the caller to refuse.
    assert_eq!(pair.store.resolve_for("app:1", &"linux/s390x".parse()?)?.id, pair.own);
    for (id, expected) in [(&pair.own, true), (&pair.other, true), (&Digest::of(b""), false)] {
        assert_eq!(pair.store.means("app:1", id.as_str())?, expected);
    }
    assert_eq!(ids(pair.store.list()?), HashSet::from([pair.own.clone()]));
    let both = vec![Platform::host(), other_platform()];
    assert_eq!(pair.store.platforms()?, [(pair.own.clone(), both)]);
    assert_eq!(pair.all()?, pair.both());
    // It is the same after a restart.
    let Pair { store, own, other, directory, .. } = pair;
    drop(store);
    let store = ImageStore::open(directory.path(), RegistryConfig::default()).await?;
    let members: Vec<Digest> = store.members("app:1")?.into_iter().map(|image| image.id).collect();
    assert_eq!(members, [own, other]);
    Ok(())
}

#[tokio::test]
async fn a_name_that_is_given_anew_stands_for_nothing_else() -> anyhow::Result<()> {
    let pair = Pair::new().await?;
    let new = add(&pair.store, &Platform::host(), "two").await?;
    pair.store.tag(&new, &pair.name)?;
    assert_eq!(ids(pair.store.members("app:1")?), HashSet::from([new.clone()]));
    // What it was is there without a name, and a prune takes it.
    assert_eq!(pair.store.list()?.len(), 3);
    pair.store.prune(&|image: &Image| image.is_untagged(), &nobody).await?;
    assert_eq!(pair.all()?, HashSet::from([new.clone()]));
    // With one that is gone nothing changes.
    let before = pair.store.resolve("app:1")?.tagged_at_ns;
    let gone = pair.store.tag_all(&[new.clone(), pair.other.clone()], &pair.name);
    assert!(matches!(gone, Err(ImageError::NotFound { .. })), "{gone:?}");
    assert_eq!(ids(pair.store.members("app:1")?), HashSet::from([new]));
    assert_eq!(pair.store.resolve("app:1")?.tagged_at_ns, before);
    Ok(())
}

#[tokio::test]
async fn with_its_last_name_all_goes_and_with_another_all_stays() -> anyhow::Result<()> {
    let pair = Pair::new().await?;
    let both = [pair.own.clone(), pair.other.clone()];
    pair.store.tag_all(&both, &"app:2".parse()?)?;
    let removed = pair.store.remove("app:1", Removal::default(), &nobody).await?;
    assert_eq!(removed, [Removed::Untagged("app:1".to_owned())]);
    assert_eq!(pair.all()?, pair.both());
    assert_eq!(pair.store.resolve_for("app:2", &other_platform())?.id, pair.other);
    // A name of the other one alone keeps that one.
    pair.store.tag(&pair.other, &"other:1".parse()?)?;
    let removed = pair.store.remove("app:2", Removal::default(), &nobody).await?;
    let deleted = Removed::Deleted(pair.own.to_string());
    assert_eq!(removed, [Removed::Untagged("app:2".to_owned()), deleted]);
    assert_eq!(pair.all()?, HashSet::from([pair.other.clone()]));
    pair.store.remove("other:1", Removal::default(), &nobody).await?;
    assert_eq!(pair.all()?, HashSet::new());
    Ok(())
}

#[tokio::test]
async fn an_id_is_removed_with_all_that_its_name_stands_for() -> anyhow::Result<()> {
    for of_other in [false, true] {
        let pair = Pair::new().await?;
        let id = if of_other { &pair.other } else { &pair.own };
        let removed = pair.store.remove(id.as_str(), Removal::default(), &nobody).await?;
        assert_eq!(removed.first(), Some(&Removed::Untagged("app:1".to_owned())));
        let deleted: HashSet<Removed> = removed.into_iter().skip(1).collect();
        let both = pair.both();
        assert_eq!(deleted, both.iter().map(|id| Removed::Deleted(id.to_string())).collect());
        assert_eq!(pair.all()?, HashSet::new());
    }
    Ok(())
}

#[tokio::test]
async fn a_container_keeps_all_that_its_images_name_stands_for() -> anyhow::Result<()> {
    let pair = Pair::new().await?;
    let users = running(&pair.other);
    let refused = pair.store.remove("app:1", Removal::default(), &users).await;
    let Err(ImageError::Conflict(RemoveConflict::ReferenceInUse { .. })) = refused else {
        anyhow::bail!("{refused:?}");
    };
    for id in [&pair.own, &pair.other] {
        let refused = pair.store.remove(id.as_str(), FORCE, &users).await;
        let Err(ImageError::Conflict(RemoveConflict::Running { .. })) = refused else {
            anyhow::bail!("{refused:?}");
        };
    }
    let plan = pair.store.plan_prune(&|_| true, &users)?;
    assert!(plan.images.is_empty(), "{plan:?}");
    let pruned = pair.store.prune(&|_| true, &users).await?;
    assert!(pruned.images.is_empty(), "{pruned:?}");
    assert_eq!(ids(pair.store.members("app:1")?), pair.both());
    // By force the name goes, and what nobody runs.
    pair.store.remove("app:1", FORCE, &users).await?;
    assert_eq!(pair.all()?, HashSet::from([pair.other.clone()]));
    let pruned = pair.store.prune(&|_| true, &nobody).await?;
    assert_eq!(pruned.images.len(), 1, "{pruned:?}");
    assert_eq!(pair.all()?, HashSet::new());
    Ok(())
}

#[tokio::test]
async fn a_prune_of_one_name_leaves_what_others_stand_for() -> anyhow::Result<()> {
    let pair = Pair::new().await?;
    let other_name: ImageReference = "other:1".parse()?;
    pair.store.tag(&pair.other, &other_name)?;
    let is_other = |image: &Image| image.id == pair.other;
    let pruned = pair.store.prune(&is_other, &nobody).await?;
    assert_eq!(pruned.images.len(), 1);
    assert_eq!(pruned.images[0].1, [Removed::Untagged("other:1".to_owned())]);
    assert_eq!(ids(pair.store.members("app:1")?), pair.both());
    // With all names all goes at once.
    pair.store.tag(&pair.other, &other_name)?;
    pair.store.prune(&|_| true, &nobody).await?;
    assert_eq!(pair.all()?, HashSet::new());
    Ok(())
}

#[tokio::test]
async fn an_archive_has_all_platforms_and_gives_them_back() -> anyhow::Result<()> {
    let pair = Pair::new().await?;
    let save = async |platforms: Vec<Platform>| -> anyhow::Result<Vec<u8>> {
        let mut archive = Vec::new();
        pair.store.save(vec!["app:1".to_owned()], platforms).await?.write(&mut archive)?;
        Ok(archive)
    };
    let progress = |_: PullEvent| {};
    let whole = save(Vec::new()).await?;
    assert_eq!(whole, save(Vec::new()).await?);
    for (archive, platform, expected) in [
        (whole.clone(), None, pair.both()),
        (whole, Some(other_platform()), HashSet::from([pair.other.clone()])),
        (save(vec![other_platform()]).await?, None, HashSet::from([pair.other.clone()])),
    ] {
        let (_directory, store) = open().await?;
        let loaded = store.load(archive.as_slice(), platform.as_ref(), &progress).await?;
        assert_eq!(loaded.len(), 1, "one name: {loaded:?}");
        assert_eq!(loaded[0].name.as_ref(), Some(&pair.name));
        assert_eq!(ids(store.members("app:1")?), expected);
        assert_eq!(ids(store.all()?), expected);
        let first = if expected.contains(&pair.own) { &pair.own } else { &pair.other };
        assert_eq!(store.resolve("app:1")?.id, *first);
    }
    let refused = pair.store.save(vec!["app:1".to_owned()], vec!["linux/s390x".parse()?]).await;
    assert!(matches!(refused, Err(ImageError::Platform { .. })), "{refused:?}");
    Ok(())
}
