//! Layers of which only a part came before the engine began anew.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use naru_image_store::{ImageStore, LayerState, PullEvent, RegistryConfig};
use naru_test_framework::images::of_layers;
use naru_test_framework::oci::{Compression, LayerWriter, OciImage, digest};
use rustix::process::{getgid, getuid};
use tokio::sync::Notify;

use crate::registry::Double;

/// Layers of this many bytes are worth keeping.
const CONTENT: usize = 36 << 20;
/// So much of one comes.
const PART: usize = 34 << 20;

/// An image of one layer that is not compressed, with a file of whoever runs the test.
fn image() -> anyhow::Result<OciImage> {
    let mut layer = LayerWriter::new();
    layer.owner(getuid().as_raw(), getgid().as_raw());
    layer.file("file", 0o644, &vec![7; CONTENT])?;
    of_layers(vec![layer.finish(Compression::None)?])
}

async fn open(directory: &Path) -> anyhow::Result<ImageStore> {
    Ok(ImageStore::open(directory, RegistryConfig::default()).await?)
}

/// Where a store at `directory` keeps what has come of the image's layer.
fn kept(directory: &Path, image: &OciImage) -> PathBuf {
    directory.join("partial").join(digest(&image.blobs[1]).trim_start_matches("sha256:"))
}

/// From where on each request wanted the layer; none where it wanted all.
fn ranges(double: &Double, image: &OciImage) -> Vec<Option<String>> {
    let requests = double.requests(&format!("blobs/{}", digest(&image.blobs[1])));
    requests.into_iter().map(|request| request.headers.get("range").cloned()).collect()
}

/// Pulls until the connection breaks, and ends then.
async fn broken_off(double: &Double, image: &OciImage, directory: &Path) -> anyhow::Result<()> {
    let layer = format!("blobs/{}", digest(&image.blobs[1]));
    double.change(&layer, |answer| answer.cut = Some((PART, 2)));
    let (store, reference) = (open(directory).await?, double.reference().parse()?);
    let broken = Notify::new();
    let progress = |event| {
        if let PullEvent::Layer { state: LayerState::Retrying { .. }, .. } = event {
            broken.notify_one();
        }
    };
    tokio::select! {
        pulled = store.pull(&reference, None, None, &progress) => {
            anyhow::bail!("it ended by itself: {pulled:?}")
        }
        () = broken.notified() => {}
    }
    double.change(&layer, |answer| answer.cut = None);
    // The thread that unpacks ends after the pull.
    while fs::metadata(kept(directory, image))?.len() < PART as u64
        || fs::read_dir(directory.join("ingest"))?.count() > 0
    {
        tokio::task::yield_now().await;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_large_layer_goes_on_where_an_earlier_engine_stopped() -> anyhow::Result<()> {
    let (double, image) = (Double::start().await?, image()?);
    double.publish(&image);
    let directory = tempfile::tempdir()?;
    broken_off(&double, &image, directory.path()).await?;
    assert_eq!(ranges(&double, &image), [None]);

    let store = open(directory.path()).await?;
    let told = Mutex::new(Vec::new());
    let progress = |event| {
        if let PullEvent::Layer { state: LayerState::Downloading { current, .. }, .. } = event {
            told.lock().expect("no panic holds it").push(current);
        }
    };
    let pulled = store.pull(&double.reference().parse()?, None, None, &progress).await?;
    assert_eq!(ranges(&double, &image), [None, Some(format!("bytes={PART}-"))]);
    let first = told.into_inner()?.first().copied();
    anyhow::ensure!(first > Some(PART as u64), "what was there counts: {first:?}");
    assert_eq!(pulled.image.layers[0].path.join("file").metadata()?.len(), CONTENT as u64);
    assert!(!kept(directory.path(), &image).exists(), "it is a layer now");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_kept_and_is_wrong_is_fetched_anew() -> anyhow::Result<()> {
    let (double, image) = (Double::start().await?, image()?);
    double.publish(&image);
    let whole = &image.blobs[1];
    let mut flipped = whole[..PART].to_vec();
    flipped[PART / 2] ^= 1;
    // As a power failure may leave it, and one of which all is there.
    for (content, expected) in [
        (flipped, vec![Some(format!("bytes={PART}-")), None]),
        (vec![0; PART], vec![Some(format!("bytes={PART}-")), None]),
        (whole.clone(), vec![]),
    ] {
        let directory = tempfile::tempdir()?;
        fs::create_dir(directory.path().join("partial"))?;
        fs::write(kept(directory.path(), &image), content)?;
        let before = ranges(&double, &image).len();
        let store = open(directory.path()).await?;
        let pulled = store.pull(&double.reference().parse()?, None, None, &|_| {}).await?;
        assert_eq!(ranges(&double, &image).split_off(before), expected);
        assert_eq!(pulled.image.layers[0].path.join("file").metadata()?.len(), CONTENT as u64);
        assert_eq!(fs::read_dir(directory.path().join("partial"))?.count(), 0);
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_prune_gives_back_what_came_in_part() -> anyhow::Result<()> {
    let (double, image) = (Double::start().await?, image()?);
    double.publish(&image);
    let directory = tempfile::tempdir()?;
    broken_off(&double, &image, directory.path()).await?;
    let store = open(directory.path()).await?;
    assert_eq!(store.plan_prune(&|_| true, &|_| None)?.reclaimed, PART as u64);
    assert_eq!(store.prune(&|_| true, &|_| None).await?.reclaimed, PART as u64);
    assert!(!kept(directory.path(), &image).exists());
    store.pull(&double.reference().parse()?, None, None, &|_| {}).await?;
    assert_eq!(ranges(&double, &image), [None, None]);
    Ok(())
}
