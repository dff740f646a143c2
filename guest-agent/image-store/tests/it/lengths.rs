//! Answers that are shorter than was promised, or never end.

use std::fs;

use naru_image_store::{ImageError, ImageStore, RegistryConfig, RegistryError};
use naru_test_framework::images::of_layers;
use naru_test_framework::oci::{Compression, LayerWriter, OciImage, digest};
use rustix::process::{getgid, getuid};

use crate::registry::{Answer, Double};

/// An image of one layer that is not compressed, with a file of whoever runs the test.
fn image() -> anyhow::Result<OciImage> {
    let mut layer = LayerWriter::new();
    layer.owner(getuid().as_raw(), getgid().as_raw());
    layer.file("file", 0o644, &vec![7; 100_000])?;
    of_layers(vec![layer.finish(Compression::None)?])
}

/// What a pull from `double` fails with; it leaves no layer.
async fn refused(double: &Double) -> anyhow::Result<ImageError> {
    let directory = tempfile::tempdir()?;
    let store = ImageStore::open(directory.path(), RegistryConfig::default()).await?;
    let pulled = store.pull(&double.reference().parse()?, None, None, &|_| {}).await;
    assert_eq!(fs::read_dir(directory.path().join("layers"))?.count(), 0);
    pulled.err().ok_or_else(|| anyhow::anyhow!("it was pulled"))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_layer_that_is_all_there_is_and_too_short_is_told_by_its_size() -> anyhow::Result<()> {
    let (double, image) = (Double::start().await?, image()?);
    double.publish(&image);
    let layer = format!("blobs/{}", digest(&image.blobs[1]));
    double.change(&layer, |answer| answer.body.truncate(50_000));
    let error = refused(&double).await?;
    let is_told = matches!(
        &error,
        ImageError::Registry(RegistryError::SizeMismatch { actual: 50_000, expected, .. })
            if *expected == image.blobs[1].len() as u64
    );
    assert!(is_told, "{error}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_without_end_are_given_up() -> anyhow::Result<()> {
    let image = image()?;
    let [config, layer] = [0, 1].map(|blob| format!("blobs/{}", digest(&image.blobs[blob])));
    let endless =
        || Answer { status: 200, body: vec![b' '; 64 << 10], endless: true, ..Answer::default() };
    for (path, expected) in [
        ("manifests/1", "manifest of"),
        (config.as_str(), "configuration of"),
        (layer.as_str(), "layer"),
    ] {
        let double = Double::start().await?;
        double.publish(&image);
        double.set(path, endless());
        let error = refused(&double).await?.to_string();
        assert!(error.starts_with(expected), "{path}: {error}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_and_a_list_without_end_are_given_up() -> anyhow::Result<()> {
    let endless =
        || Answer { status: 200, body: vec![b' '; 64 << 10], endless: true, ..Answer::default() };
    let (double, tokens) = (Double::start().await?, Double::start().await?);
    tokens.set("/token", endless());
    let challenge = format!("Bearer realm=\"http://{}/token\"", tokens.address);
    let needs = Some(("nothing".to_owned(), challenge));
    double.set("manifests/1", Answer { status: 200, needs, ..Answer::default() });
    let error = refused(&double).await?.to_string();
    assert!(error.ends_with("the token is too long"), "{error}");

    double.set("tags/list", endless());
    let directory = tempfile::tempdir()?;
    let store = ImageStore::open(directory.path(), RegistryConfig::default()).await?;
    let error = store.tags(&double.reference().parse()?, None).await.unwrap_err().to_string();
    assert!(error.ends_with("a page of its tags is too long"), "{error}");
    Ok(())
}
