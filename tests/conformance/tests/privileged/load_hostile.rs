//! Archives that mean harm: refused, with nothing left behind and the engine alive.

use anyhow::ensure;
use naru_test_framework::Engine;
use naru_test_framework::images::{busybox, hostile_layers, of_layers};
use naru_test_framework::oci::{Compression, Layer};

#[test]
fn hostile_layers_are_refused_and_the_engine_goes_on() -> anyhow::Result<()> {
    let engine = Engine::start()?;
    for (what, tar) in hostile_layers()? {
        let image = of_layers(vec![Layer::from_tar(&tar, Compression::Gzip)?])?;
        let archive = image.docker_archive("hostile:1")?;
        let output = engine.docker_with_input(&["load"], &archive)?;
        ensure!(output.failure(1)?.contains("cannot be unpacked"), "{what}: {output:?}");
        ensure!(!std::path::Path::new("/tmp/escaped").exists(), "{what}");
        ensure!(engine.docker(&["images", "-aq"])?.success()?.is_empty(), "{what}");
    }
    engine.load(&busybox()?, "docker.io/library/busybox:latest")?;
    engine.docker(&["run", "--rm", "busybox", "true"])?.success()?;
    Ok(())
}

/// Docker's own archive loads such nodes, too; what counts is what a container may do with them.
#[test]
fn a_device_in_a_layer_gives_no_device() -> anyhow::Result<()> {
    use naru_test_framework::oci::LayerWriter;
    let engine = Engine::start()?;
    let mut layer = LayerWriter::new();
    layer.directory("bin", 0o755)?;
    layer.file("bin/cat", 0o755, &std::fs::read(naru_test_framework::images::BUSYBOX)?)?;
    // /dev/mem and the kernel's log.
    layer.character_device("mem", 1, 1)?;
    layer.character_device("kmsg", 1, 11)?;
    let image = of_layers(vec![layer.finish(Compression::Gzip)?])?;
    engine.load(&image, "docker.io/library/devices:1")?;
    for device in ["/mem", "/kmsg"] {
        let output = engine.docker(&["run", "--rm", "devices:1", "/bin/cat", device])?;
        ensure!(output.failure(1)?.contains("Operation not permitted"), "{output:?}");
    }
    Ok(())
}
