//! What a pull that was broken off, or an engine that began anew, does not do again.

use std::path::Path;
use std::sync::Mutex;

use naru_image_store::{
    ImageError, ImageReference, ImageStore, LayerState, PullEvent, RegistryConfig,
};
use naru_test_framework::images::of_layers;
use naru_test_framework::oci::{Compression, LayerWriter, OciImage, digest};
use rustix::process::{getgid, getuid};
use serde_json::Value;
use tokio::sync::Notify;

use crate::registry::{Answer, Double};

const LAYERS: usize = 3;

/// An image of layers with a file each, of whoever runs the test.
fn image() -> anyhow::Result<OciImage> {
    let layer = |number: usize| {
        let mut layer = LayerWriter::new();
        layer.owner(getuid().as_raw(), getgid().as_raw());
        layer.file(&format!("file{number}"), 0o644, &[b'a'; 5000])?;
        layer.finish(Compression::Gzip)
    };
    of_layers((0..LAYERS).map(layer).collect::<anyhow::Result<_>>()?)
}

/// Where the layers are, bottom first.
fn layer_paths(image: &OciImage) -> Vec<String> {
    image.blobs[1..].iter().map(|blob| format!("blobs/{}", digest(blob))).collect()
}

async fn open(directory: &Path) -> Result<ImageStore, ImageError> {
    ImageStore::open(directory, RegistryConfig::default()).await
}

/// Says when so many layers of a pull are there.
struct Watch {
    whole: usize,
    count: Mutex<usize>,
    enough: Notify,
}

impl Watch {
    fn until(whole: usize) -> Self {
        Self { whole, count: Mutex::default(), enough: Notify::new() }
    }

    fn see(&self, event: &PullEvent) {
        // Another pull may have brought it before this one looked.
        if let PullEvent::Layer {
            state: LayerState::PullComplete | LayerState::AlreadyExists,
            ..
        } = event
        {
            let mut count = self.count.lock().expect("no panic holds it");
            *count += 1;
            if *count == self.whole {
                self.enough.notify_one();
            }
        }
    }
}

/// Pulls until `whole` layers are there, and gives up then. The last one does not come.
async fn broken_off(
    store: &ImageStore,
    reference: &ImageReference,
    whole: usize,
) -> anyhow::Result<()> {
    let watch = Watch::until(whole);
    let progress = |event| watch.see(&event);
    tokio::select! {
        pulled = store.pull(reference, None, None, &progress) => {
            anyhow::bail!("it ended by itself: {pulled:?}")
        }
        () = watch.enough.notified() => Ok(()),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn layers_that_were_whole_before_a_restart_are_not_fetched_again() -> anyhow::Result<()> {
    let (double, image) = (Double::start().await?, image()?);
    double.publish(&image);
    let layers = layer_paths(&image);
    double.change(&layers[2], |answer| answer.held = true);
    let directory = tempfile::tempdir()?;
    let reference = double.reference().parse()?;
    {
        let store = open(directory.path()).await?;
        broken_off(&store, &reference, LAYERS - 1).await?;
        assert!(store.list()?.is_empty(), "half an image is none");
    }

    double.change(&layers[2], |answer| answer.held = false);
    let store = open(directory.path()).await?;
    let pulled = store.pull(&reference, None, None, &|_| {}).await?;
    assert_eq!(pulled.image.layers.len(), LAYERS);
    for layer in &layers[..2] {
        assert_eq!(double.requests(layer).len(), 1, "what was whole is not fetched again");
    }
    for (number, layer) in pulled.image.layers.iter().enumerate() {
        assert_eq!(layer.path.join(format!("file{number}")).metadata()?.len(), 5000);
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn another_pull_takes_over_a_layer_from_one_that_was_dropped() -> anyhow::Result<()> {
    let (double, image) = (Double::start().await?, image()?);
    double.publish(&image);
    let layers = layer_paths(&image);
    double.change(&layers[2], |answer| answer.held = true);
    let directory = tempfile::tempdir()?;
    let store = open(directory.path()).await?;
    let reference = double.reference().parse()?;
    {
        let waits = store.pull(&reference, None, None, &|_| {});
        tokio::pin!(waits);
        tokio::select! {
            waited = &mut waits => anyhow::bail!("it ended by itself: {waited:?}"),
            broken = broken_off(&store, &reference, LAYERS - 1) => broken?,
        }
        double.change(&layers[2], |answer| answer.held = false);
        assert_eq!(waits.await?.image.layers.len(), LAYERS);
    }
    for layer in &layers[..2] {
        assert_eq!(double.requests(layer).len(), 1, "each layer is fetched once");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_prune_beside_a_pull_takes_nothing_that_it_counts_on() -> anyhow::Result<()> {
    let (double, image) = (Double::start().await?, image()?);
    double.publish(&image);
    let layers = layer_paths(&image);
    double.change(&layers[2], |answer| answer.held = true);
    let directory = tempfile::tempdir()?;
    let store = open(directory.path()).await?;
    let reference = double.reference().parse()?;
    let watch = Watch::until(LAYERS - 1);
    let progress = |event| watch.see(&event);
    {
        let pull = store.pull(&reference, None, None, &progress);
        tokio::pin!(pull);
        tokio::select! {
            pulled = &mut pull => anyhow::bail!("it ended by itself: {pulled:?}"),
            () = watch.enough.notified() => {}
        }
        assert_eq!(store.prune(&|_| true, &|_| None).await?.reclaimed, 0);
        double.change(&layers[2], |answer| answer.held = false);
        assert_eq!(pull.await?.image.layers.len(), LAYERS);
    }
    for layer in &layers[..2] {
        assert_eq!(double.requests(layer).len(), 1, "what was there is not fetched again");
    }
    assert_eq!(store.prune(&|_| true, &|_| None).await?.reclaimed, 5000 * LAYERS as u64);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn all_tags_are_listed_over_several_pages() -> anyhow::Result<()> {
    let double = Double::start().await?;
    let body = br#"{"name":"app","tags":["1","2"]}"#.to_vec();
    // The double answers every query alike: a page that leads to itself ends the list.
    let next = "</v2/app/tags/list?last=2&n=1000>; rel=\"next\"";
    let headers = vec![("Link".to_owned(), next.to_owned())];
    double.set("tags/list", Answer { status: 200, headers, body, ..Answer::default() });
    let directory = tempfile::tempdir()?;
    let store = open(directory.path()).await?;
    let tags = store.tags(&double.reference().parse()?, None).await?;
    let tags: Vec<_> = tags.iter().filter_map(ImageReference::tag).collect();
    assert_eq!(tags, ["1", "2", "1", "2"]);
    let queries: Vec<_> = double
        .requests("tags/list")
        .into_iter()
        .filter_map(|request| request.headers.get("query").cloned())
        .collect();
    assert_eq!(queries, ["n=1000", "last=2&n=1000"]);

    let broken =
        Answer { status: 200, body: b"{\"tags\":[\"a b\"]}".to_vec(), ..Answer::default() };
    double.set("tags/list", broken);
    store.tags(&double.reference().parse()?, None).await.expect_err("no such tag can be");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_has_no_room_is_refused_before_it_is_fetched() -> anyhow::Result<()> {
    let (double, mut image) = (Double::start().await?, image()?);
    let mut manifest: Value = serde_json::from_slice(&image.document)?;
    manifest["layers"][1]["size"] = (1_u64 << 60).into();
    image.document = serde_json::to_vec(&manifest)?;
    double.publish(&image);
    let directory = tempfile::tempdir()?;
    let store = open(directory.path()).await?;
    let refused = store.pull(&double.reference().parse()?, None, None, &|_| {}).await;
    let error = refused.expect_err("nobody has that much room").to_string();
    assert!(error.starts_with("no space left on device: 11529215"), "{error}");
    for layer in layer_paths(&image) {
        assert!(double.requests(&layer).is_empty(), "{layer} was asked for");
    }
    Ok(())
}
