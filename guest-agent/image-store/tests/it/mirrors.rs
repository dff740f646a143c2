//! Mirrors that have something else than the registry.

use std::fs;

use naru_image_store::{HostConfig, ImageStore, RegistryConfig};
use naru_test_framework::images::of_layers;
use naru_test_framework::oci::{Compression, Layer, LayerWriter, digest};
use rustix::process::{getgid, getuid};

use crate::registry::Double;

/// A layer with a file of whoever runs the test.
fn layer() -> anyhow::Result<Layer> {
    let mut layer = LayerWriter::new();
    layer.owner(getuid().as_raw(), getgid().as_raw());
    layer.file("file", 0o644, &[7; 5000])?;
    layer.finish(Compression::Gzip)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_registry_is_asked_when_what_a_mirror_gives_is_not_right() -> anyhow::Result<()> {
    let right = of_layers(vec![layer()?])?;
    let layer_path = format!("blobs/{}", digest(&right.blobs[1]));
    let mut other = layer()?;
    other.diff_id = digest(b"something else");
    let liar = of_layers(vec![other])?;
    for is_damaged in [true, false] {
        let (mirror, registry) = (Double::start().await?, Double::start().await?);
        registry.publish(&right);
        if is_damaged {
            // It is no gzip any more, which is seen before its digest is known.
            mirror.publish(&right);
            mirror.change(&layer_path, |answer| answer.body[0] ^= 1);
        } else {
            mirror.publish(&liar);
        }
        let mirrors = vec![format!("http://{}", mirror.address)];
        let host = HostConfig { mirrors, ..HostConfig::default() };
        let hosts = [(registry.address.to_string(), host)].into();
        let config = RegistryConfig { hosts, ..RegistryConfig::default() };
        let directory = tempfile::tempdir()?;
        let store = ImageStore::open(directory.path(), config).await?;
        let pulled = store.pull(&registry.reference().parse()?, None, None, &|_| {}).await?;
        assert_eq!(pulled.digest.as_str(), right.digest());
        assert_eq!(mirror.requests(&layer_path).len(), 1, "it was asked first");
        assert_eq!(registry.requests(&layer_path).len(), 1);
        assert_eq!(fs::read_dir(directory.path().join("layers"))?.count(), 1);
    }
    Ok(())
}
