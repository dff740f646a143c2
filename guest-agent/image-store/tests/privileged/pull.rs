//! Pulls from Debian's `docker-registry` on the loopback.

use std::fs;
use std::path::Path;
use std::sync::Mutex;

use futures::FutureExt;
use naru_image_store::{
    Digest, ImageError, ImageReference, ImageStore, InUse, LayerState, Platform, PullEvent,
    RegistryConfig, Removal, Removed,
};
use naru_test_framework::oci::Compression;
use naru_test_framework::{Registry, images};
use tempfile::TempDir;
use tokio::sync::oneshot;

async fn store(directory: &TempDir) -> Result<ImageStore, ImageError> {
    ImageStore::open(&directory.path().join("images"), RegistryConfig::default()).await
}

fn entries(path: &Path) -> anyhow::Result<usize> {
    Ok(fs::read_dir(path)?.count())
}

fn nobody(_image: &Digest) -> Option<InUse> {
    None
}

/// Waits until half-done work is cleaned up by the threads that did it.
async fn swept(store_root: &Path) -> anyhow::Result<()> {
    while entries(&store_root.join("ingest"))? > 0 {
        tokio::task::yield_now().await;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn busybox_is_pulled_listed_tagged_and_removed() -> anyhow::Result<()> {
    let registry = Registry::start()?;
    let pushed = registry.push("library/busybox", "1", &images::busybox()?)?;
    let directory = tempfile::tempdir()?;
    let store = store(&directory).await?;
    let name = registry.reference("library/busybox", "1");
    let reference: ImageReference = name.parse()?;

    let events = Mutex::new(Vec::new());
    let progress = |event| events.lock().expect("no panic holds it").push(event);
    let pulled = store.pull(&reference, None, None, &progress).await?;
    assert_eq!(pulled.digest.as_str(), pushed);
    assert!(!pulled.up_to_date);
    let events = events.into_inner()?;
    assert!(matches!(&events[0], PullEvent::PullingFrom { tag, .. } if tag == "1"), "{events:?}");
    assert!(matches!(events.last(), Some(PullEvent::Digest(_))), "{events:?}");
    assert!(
        events
            .iter()
            .any(|event| matches!(event, PullEvent::Layer { state: LayerState::PullComplete, .. }))
    );

    let layers = store.layers(&pulled.image.id)?;
    assert_eq!(layers.len(), 1);
    assert!(layers[0].join("bin/busybox").metadata()?.len() > 1_000_000);
    assert_eq!(fs::read_link(layers[0].join("bin/sh"))?, Path::new("busybox"));

    let again = store.pull(&reference, None, None, &|_| {}).await?;
    assert!(again.up_to_date);
    store.tag(&again.image.id, &"mine".parse()?)?;
    assert_eq!(store.resolve("mine")?.id, again.image.id);
    assert_eq!(store.resolve(again.image.id.short())?.id, again.image.id);
    assert_eq!(store.list()?.len(), 1);

    let removed = store.remove("mine", Removal::default(), &nobody).await?;
    assert_eq!(removed, [Removed::Untagged("mine:latest".to_owned())]);
    let removed = store.remove(&name, Removal::default(), &nobody).await?;
    assert!(removed.contains(&Removed::Deleted(again.image.id.to_string())), "{removed:?}");
    assert!(store.list()?.is_empty());
    assert_eq!(entries(&directory.path().join("images/layers"))?, 0);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn many_layers_arrive_whole_in_gzip_and_in_zstd() -> anyhow::Result<()> {
    let registry = Registry::start()?;
    for compression in [Compression::Gzip, Compression::Zstd] {
        let tag = format!("{compression:?}").to_lowercase();
        registry.push("layered", &tag, &images::layered(compression)?)?;
        let directory = tempfile::tempdir()?;
        let store = store(&directory).await?;
        let reference: ImageReference = registry.reference("layered", &tag).parse()?;

        // Two pulls of one image at once fetch each layer once.
        let (first, second) = tokio::join!(
            store.pull(&reference, None, None, &|_| {}),
            store.pull(&reference, None, None, &|_| {})
        );
        assert_eq!(first?.image.id, second?.image.id);
        assert_eq!(entries(&directory.path().join("images/layers"))?, 6);
        assert_eq!(entries(&directory.path().join("images/ingest"))?, 0);

        let image = store.resolve(&reference.to_string())?;
        assert!(image.size > 100_000_000, "only {} bytes", image.size);
        let bottom = &image.layers[0].path;
        for name in ["usr/bin/bash", "usr/bin/sqlite3"] {
            let original = Path::new("/").join(name);
            if bottom.join(name).exists() && !original.is_symlink() {
                assert_eq!(fs::read(bottom.join(name))?, fs::read(&original)?, "{name}");
            }
        }
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pull_dropped_midway_leaves_no_half_layer() -> anyhow::Result<()> {
    let registry = Registry::start()?;
    registry.push("layered", "1", &images::layered(Compression::Gzip)?)?;
    let directory = tempfile::tempdir()?;
    let store = store(&directory).await?;
    let reference: ImageReference = registry.reference("layered", "1").parse()?;

    // The future is dropped as soon as bytes of a layer arrive.
    let (arrived, arrival) = oneshot::channel();
    let arrived = Mutex::new(Some(arrived));
    let progress = |event| {
        if let PullEvent::Layer { state: LayerState::Downloading { .. }, .. } = event
            && let Some(arrived) = arrived.lock().expect("no panic holds it").take()
        {
            let _dropped_already = arrived.send(());
        }
    };
    {
        let pull = store.pull(&reference, None, None, &progress);
        tokio::pin!(pull);
        tokio::select! {
            _ = &mut pull => anyhow::bail!("the pull ended before it could be dropped"),
            arrived = arrival => arrived?,
        }
    }
    let root = directory.path().join("images");
    swept(&root).await?;
    assert!(store.list()?.is_empty());

    // What is left is whole: the next pull builds on it.
    let pulled = store.pull(&reference, None, None, &|_| {}).await?;
    assert_eq!(pulled.image.layers.len(), 6);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn opening_sweeps_what_a_crash_left() -> anyhow::Result<()> {
    let registry = Registry::start()?;
    registry.push("busybox", "1", &images::busybox()?)?;
    let directory = tempfile::tempdir()?;
    let root = directory.path().join("images");
    let reference: ImageReference = registry.reference("busybox", "1").parse()?;
    let image = store(&directory).await?.pull(&reference, None, None, &|_| {}).await?.image;
    // A layer unpacked but not committed, and one renamed but without its row.
    fs::create_dir_all(root.join("ingest/7/usr"))?;
    fs::create_dir_all(root.join("layers/zz/usr"))?;

    let store = store(&directory).await?;
    assert_eq!(entries(&root.join("ingest"))?, 0);
    assert_eq!(entries(&root.join("layers"))?, 1);
    assert_eq!(store.resolve(&reference.to_string())?.id, image.id);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_index_gives_the_image_of_the_platform() -> anyhow::Result<()> {
    let registry = Registry::start()?;
    let index = registry.push("two", "1", &images::two_architectures()?)?;
    let directory = tempfile::tempdir()?;
    let store = store(&directory).await?;
    let reference: ImageReference = registry.reference("two", "1").parse()?;
    for architecture in ["amd64", "arm64"] {
        let platform: Platform = format!("linux/{architecture}").parse()?;
        let pulled = store.pull(&reference, Some(&platform), None, &|_| {}).await?;
        assert_eq!(pulled.digest.as_str(), index);
        let file = store.layers(&pulled.image.id)?[0].join("architecture");
        assert_eq!(fs::read_to_string(file)?, architecture);
    }
    let riscv: Platform = "linux/riscv64".parse()?;
    let refused = store.pull(&reference, Some(&riscv), None, &|_| {}).await;
    let message = refused.expect_err("no such platform").to_string();
    assert!(message.contains("no matching manifest for linux/riscv64"), "{message}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_registry_lacks_is_said_in_dockers_words() -> anyhow::Result<()> {
    let registry = Registry::start()?;
    registry.push("busybox", "1", &images::busybox()?)?;
    let directory = tempfile::tempdir()?;
    let store = store(&directory).await?;
    let reference: ImageReference = registry.reference("busybox", "none").parse()?;
    let error = store.pull(&reference, None, None, &|_| {}).await.expect_err("no such tag");
    assert_eq!(
        error.to_string(),
        format!("manifest for {reference} not found: manifest unknown: manifest unknown")
    );
    let nowhere = {
        let gone = Registry::start()?;
        gone.reference("busybox", "1").parse()?
    };
    let error = store.pull(&nowhere, None, None, &|_| {}).await.expect_err("nobody listens");
    let message = naru_error::chain(&error);
    assert!(message.contains("Connection refused"), "{message}");
    assert!(store.resolve("nothing").expect_err("nothing").to_string().ends_with("nothing:latest"));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_archive_is_loaded_under_its_name() -> anyhow::Result<()> {
    let directory = tempfile::tempdir()?;
    let store = store(&directory).await?;
    let archive = images::busybox()?.archive("docker.io/library/busybox:latest")?;
    for archive in [archive.clone(), zstd::encode_all(archive.as_slice(), 1)?] {
        let loaded = store.load(archive.as_slice(), None, &|_| {}).await?;
        assert_eq!(loaded.len(), 1);
        assert_eq!(loaded[0].name, Some("busybox".parse()?));
    }
    assert!(store.layers(&store.resolve("busybox")?.id)?[0].join("bin/sh").is_symlink());
    let cut = &archive[..archive.len() / 2];
    store.load(cut, None, &|_| {}).await.expect_err("half an archive is none");
    assert_eq!(entries(&directory.path().join("images/ingest"))?, 0);
    Ok(())
}

/// The engine drives pulls from tasks of a runtime with several threads.
#[tokio::test(flavor = "multi_thread")]
async fn the_pull_future_may_move_between_threads() -> anyhow::Result<()> {
    let directory = tempfile::tempdir()?;
    let store = store(&directory).await?;
    let reference: ImageReference = "127.0.0.1:1/nobody".parse()?;
    let pull = async move { store.pull(&reference, None, None, &|_| {}).await.map(drop) }.boxed();
    pull.await.expect_err("nobody listens on port 1");
    Ok(())
}
