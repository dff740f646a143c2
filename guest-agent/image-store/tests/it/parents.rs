//! Images that are made of one another, and how they go.

use std::collections::{HashMap, HashSet};

use naru_image_store::{
    Digest, Image, ImageError, ImageStore, InUse, MadeImage, RegistryConfig, Removal,
    RemoveConflict, Removed,
};
use tempfile::TempDir;

const FORCE: Removal = Removal { force: true, keep_parents: false };

/// `base:1`, of it `middle` without a name, of that `top:1`.
struct Family {
    store: ImageStore,
    base: Image,
    middle: Image,
    top: Image,
    _directory: TempDir,
}

async fn add(
    store: &ImageStore,
    name: &str,
    base: Option<&Image>,
    tag: Option<&str>,
) -> anyhow::Result<Image> {
    let config = format!(
        r#"{{"architecture":"amd64","os":"linux","author":"{name}",
            "rootfs":{{"type":"layers","diff_ids":[]}}}}"#
    );
    let tag = tag.map(str::parse).transpose()?;
    let made = MadeImage { base, layer: None, config: config.into_bytes(), tag };
    Ok(store.add_image(made).await?)
}

impl Family {
    async fn new() -> anyhow::Result<Self> {
        let directory = tempfile::tempdir()?;
        let store = ImageStore::open(directory.path(), RegistryConfig::default()).await?;
        let base = add(&store, "base", None, Some("base:1")).await?;
        let middle = add(&store, "middle", Some(&base), None).await?;
        let top = add(&store, "top", Some(&middle), Some("top:1")).await?;
        Ok(Self { store, base, middle, top, _directory: directory })
    }

    fn left(&self) -> anyhow::Result<HashSet<Digest>> {
        Ok(self.store.list()?.into_iter().map(|image| image.id).collect())
    }
}

fn nobody(_: &Digest) -> Option<InUse> {
    None
}

fn deleted(image: &Image) -> Removed {
    Removed::Deleted(image.id.to_string())
}

#[tokio::test]
async fn an_image_with_children_loses_its_name_at_most() -> anyhow::Result<()> {
    let family = Family::new().await?;
    let parents = family.store.parents()?;
    assert_eq!(parents.get(&family.top.id), Some(&family.middle.id));
    assert_eq!(family.top.parent.as_ref(), Some(&family.middle.id));
    for image in [&family.base, &family.middle] {
        let refused = family.store.remove(image.id.as_str(), FORCE, &nobody).await;
        let Err(ImageError::Conflict(conflict @ RemoveConflict::HasChildren { .. })) = refused
        else {
            anyhow::bail!("{refused:?}");
        };
        let short = image.id.short();
        let words = format!(
            "conflict: unable to delete {short} (cannot be forced) - image has dependent child \
             images"
        );
        assert_eq!(conflict.to_string(), words);
    }
    let removed = family.store.remove("base:1", Removal::default(), &nobody).await?;
    assert_eq!(removed, [Removed::Untagged("base:1".to_owned())]);
    assert_eq!(family.left()?.len(), 3);
    Ok(())
}

#[tokio::test]
async fn with_an_image_goes_what_it_alone_was_made_of() -> anyhow::Result<()> {
    let family = Family::new().await?;
    let kept = Removal { keep_parents: true, ..Removal::default() };
    let again = add(&family.store, "again", Some(&family.middle), Some("again:1")).await?;
    let removed = family.store.remove("again:1", kept, &nobody).await?;
    assert_eq!(removed, [Removed::Untagged("again:1".to_owned()), deleted(&again)]);

    let removed = family.store.remove("top:1", Removal::default(), &nobody).await?;
    let untagged = Removed::Untagged("top:1".to_owned());
    assert_eq!(removed, [untagged, deleted(&family.top), deleted(&family.middle)]);
    assert_eq!(family.left()?, HashSet::from([family.base.id.clone()]), "it has a name");
    assert!(!family.store.parents()?.values().any(|parent| *parent == family.base.id));
    Ok(())
}

#[tokio::test]
async fn a_container_keeps_what_an_image_was_made_of() -> anyhow::Result<()> {
    let family = Family::new().await?;
    let middle = family.middle.id.clone();
    let user = move |id: &Digest| {
        (*id == middle).then(|| InUse { container_id: "c".to_owned(), running: false })
    };
    let removed = family.store.remove("top:1", Removal::default(), &user).await?;
    assert_eq!(removed.last(), Some(&deleted(&family.top)));
    assert_eq!(family.left()?.len(), 2);
    Ok(())
}

/// What a store has after it has loaded the images of these names from another's archive.
async fn moved(store: &ImageStore, names: &[&str]) -> anyhow::Result<HashMap<Digest, Digest>> {
    let names = names.iter().map(|name| (*name).to_owned()).collect();
    let mut archive = Vec::new();
    store.save(names, Vec::new()).await?.write(&mut archive)?;
    let directory = tempfile::tempdir()?;
    let other = ImageStore::open(directory.path(), RegistryConfig::default()).await?;
    other.load(archive.as_slice(), None, &|_| {}).await?;
    Ok(other.parents()?)
}

#[tokio::test]
async fn an_archive_tells_what_its_images_were_made_of() -> anyhow::Result<()> {
    let directory = tempfile::tempdir()?;
    let store = ImageStore::open(directory.path(), RegistryConfig::default()).await?;
    let with_history = async |steps: &[&str], base: Option<&Image>, tag: &str| {
        let history: Vec<String> = steps
            .iter()
            .map(|step| format!(r#"{{"created_by":"{step}","empty_layer":true}}"#))
            .collect();
        let config = format!(
            r#"{{"architecture":"amd64","os":"linux","history":[{}],
                "rootfs":{{"type":"layers","diff_ids":[]}}}}"#,
            history.join(",")
        );
        let tag = Some(tag.parse()?);
        let made = MadeImage { base, layer: None, config: config.into_bytes(), tag };
        anyhow::Ok(store.add_image(made).await?)
    };
    let base = with_history(&["a"], None, "base:1").await?;
    let child = with_history(&["a", "b"], Some(&base), "child:1").await?;
    // It has another history than what it claims to be made of.
    with_history(&["c", "d", "e"], Some(&child), "liar:1").await?;
    let all = moved(&store, &["liar:1", "child:1", "base:1"]).await?;
    assert_eq!(all, HashMap::from([(child.id.clone(), base.id.clone())]));
    assert_eq!(moved(&store, &["child:1"]).await?, HashMap::new(), "its parent stays behind");
    Ok(())
}

#[tokio::test]
async fn a_prune_takes_children_first_and_leaves_what_they_need() -> anyhow::Result<()> {
    let family = Family::new().await?;
    let dangling = |image: &Image| image.tags.is_empty();
    let planned = family.store.plan_prune(&dangling, &nobody)?;
    assert!(planned.images.is_empty(), "what is between two images with names stays");
    assert!(family.store.prune(&dangling, &nobody).await?.images.is_empty());

    // While a container has the topmost the others lose their names only.
    let top = family.top.id.clone();
    let user = move |id: &Digest| {
        (*id == top).then(|| InUse { container_id: "c".to_owned(), running: true })
    };
    assert!(family.store.plan_prune(&|_| true, &user)?.images.is_empty());
    let pruned = family.store.prune(&|_| true, &user).await?;
    let unnamed = vec![Removed::Untagged("base:1".to_owned())];
    assert_eq!(pruned.images, [(family.base.id.clone(), unnamed)]);
    assert_eq!(family.left()?.len(), 3);

    // Not even wanted, but without a name, and with nothing that was made of it left.
    let only_top = |image: &Image| image.id == family.top.id;
    let planned = family.store.plan_prune(&only_top, &nobody)?;
    let order = [&family.top.id, &family.middle.id, &family.base.id];
    assert_eq!(planned.images.iter().map(|image| &image.id).collect::<Vec<_>>(), order);
    let pruned = family.store.prune(&only_top, &nobody).await?;
    assert_eq!(pruned.images.iter().map(|(id, _)| id).collect::<Vec<_>>(), order);
    assert!(family.left()?.is_empty());
    Ok(())
}
