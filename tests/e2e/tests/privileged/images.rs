//! Images from a registry on the host's loopback, which the machine reaches as `localhost`.

use std::fs;

use anyhow::{Context, Result};
use naru_test_framework::images::{busybox, hostile_layers, layered, of_layers, two_architectures};
use naru_test_framework::oci::{Compression, Layer, LayerWriter, OciImage};
use naru_test_framework::{Certificates, Guard, Registry, Vm};
use serde_json::{Value, json};

use crate::interference::{Fault, Interference};

#[test]
fn images_of_many_layers_and_of_many_architectures_are_pulled_and_run() -> Result<()> {
    let registry = Registry::start()?;
    let mut layers = layers_of(&layered(Compression::Zstd)?)?;
    let below = layers.len();
    layers.extend(layers_of(&busybox()?)?);
    registry.push("layered", "1", &of_layers(layers)?)?;
    registry.push("index", "1", &two_architectures()?)?;
    let vm = Vm::start()?;

    let image = format!("localhost:{}/layered:1", registry.port());
    vm.docker_ok(&["pull", &image])?;
    let count = vm.inspect(&image, "{{len .RootFS.Layers}}")?;
    assert_eq!(count, (below + 1).to_string());
    let run = ["run", "--rm", &image, "/bin/sh", "-c", "ls /naru; ls /naru/emptied"];
    assert_eq!(vm.docker_ok(&run)?, "emptied\nnew");

    let image = format!("localhost:{}/index:1", registry.port());
    vm.docker_ok(&["pull", &image])?;
    let version = vm.docker_ok(&["version", "--format", "{{.Server.Arch}}"])?;
    assert_eq!(vm.inspect(&image, "{{.Architecture}}")?, version);
    Ok(())
}

/// An image's layers, from its configuration and blobs.
fn layers_of(image: &OciImage) -> Result<Vec<Layer>> {
    let (config, blobs) = image.blobs.split_first().context("the configuration is first")?;
    let config: Value = serde_json::from_slice(config)?;
    let diff_ids = config["rootfs"]["diff_ids"].as_array().context("layers have digests")?;
    let layers = diff_ids.iter().zip(blobs).map(|(diff_id, blob)| Layer {
        blob: blob.clone(),
        diff_id: diff_id.as_str().unwrap_or_default().to_owned(),
        compression: match blob.get(..2) {
            Some([0x1f, 0x8b]) => Compression::Gzip,
            _ => Compression::Zstd,
        },
    });
    Ok(layers.collect())
}

#[test]
fn what_a_registry_gets_wrong_is_refused_and_leaves_nothing() -> Result<()> {
    let registry = Registry::start()?;
    registry.push("busybox", "1", &busybox()?)?;
    // Not compressed: but for the digest, nobody could tell that a byte is another one.
    let mut layer = LayerWriter::new();
    layer.file("plain", 0o644, &vec![b'x'; 1 << 20])?;
    registry.push("plain", "1", &of_layers(vec![layer.finish(Compression::None)?])?)?;
    let hostile = hostile_layers()?;
    for (number, (_, tar)) in hostile.iter().enumerate() {
        let layer = Layer::from_tar(tar, Compression::Gzip)?;
        registry.push("hostile", &number.to_string(), &of_layers(vec![layer])?)?;
    }
    let way = Interference::before(&registry)?;
    let vm = Vm::start()?;
    let nothing = || vm.docker_ok(&["images", "--quiet"]);

    let image = way.reference("busybox", "1");
    way.set(Fault::Cut { after: 300_000 });
    let cut = vm.docker(&["pull", &image])?;
    cut.failure(1).context("a pull that was cut")?;
    assert_eq!(nothing()?, "");

    // Behind manifest and configuration, in the middle of the layer.
    way.set(Fault::Flip { at: 300_000 });
    let flipped = vm.docker(&["pull", &way.reference("plain", "1")])?;
    let said = flipped.failure(1).context("a layer of other bytes")?;
    assert!(said.contains("digest"), "{said}");
    assert_eq!(nothing()?, "");

    way.set(Fault::None);
    for (number, (what, _)) in hostile.iter().enumerate() {
        let refused = vm.docker(&["pull", &way.reference("hostile", &number.to_string())])?;
        refused.failure(1).with_context(|| format!("a layer with a {what}"))?;
    }
    assert_eq!(nothing()?, "");

    vm.docker_ok(&["pull", &image])?;
    assert_eq!(vm.docker_ok(&["run", "--rm", &image, "echo", "whole"])?, "whole");
    Ok(())
}

/// Settings name registries besides the loopback that are spoken to without TLS, in either of two
/// places: what the machine is started with, and what the app tells the engine.
#[test]
fn a_registry_that_is_not_on_the_loopback_is_spoken_to_over_tls_unless_settings_say_otherwise()
-> Result<()> {
    let registries = [Registry::start()?, Registry::start()?];
    // The host, as the machine's network has it.
    let hosts = registries.each_ref().map(|registry| format!("10.0.2.2:{}", registry.port()));
    for registry in &registries {
        registry.push("busybox", "1", &busybox()?)?;
    }
    let vm = Vm::start()?;
    for host in &hosts {
        vm.docker(&["pull", &format!("{host}/busybox:1")])?.failure(1).context("no TLS")?;
    }
    vm.naru(&["stop"])?.success()?;
    vm.configure(&json!({
        "insecure_registries": [hosts[0]],
        "registries": { "insecure": [hosts[1]] },
    }))?;
    vm.naru(&["start"])?.success()?;
    for host in &hosts {
        vm.docker_ok(&["pull", &format!("{host}/busybox:1")])?;
    }
    Ok(())
}

/// The machine dials another address for it, which is in no certificate.
#[test]
fn a_loopback_registry_with_an_authority_of_its_own_is_known_by_its_name() -> Result<()> {
    let certificates = Certificates::new()?;
    let registries = [Guard::Tls(&certificates), Guard::MutualTls(&certificates)]
        .each_ref()
        .map(Registry::start_guarded);
    let [plain, mutual] = registries;
    let (plain, mutual) = (plain?, mutual?);
    let hosts = [
        format!("localhost:{}", plain.port()),
        format!("127.0.0.1:{}", plain.port()),
        // It asks who we are.
        format!("localhost:{}", mutual.port()),
    ];
    let own = json!({ "ca": certificates.pem("ca.crt")? });
    let ours = json!({
        "ca": certificates.pem("ca.crt")?, "client_certificate": certificates.pem("client.cert")?,
        "client_key": certificates.pem("client.key")?,
    });
    let [first, second, third] = hosts.each_ref().map(String::as_str);
    let vm = Vm::new()?;
    vm.configure(&json!({
        "registries": { "hosts": { (first): own, (second): own, (third): ours } },
    }))?;
    vm.naru(&["start"])?.success().with_context(|| vm.console())?;
    let archive = vm.home().join("busybox.tar");
    fs::write(&archive, busybox()?.archive("docker.io/library/busybox:1")?)?;
    vm.docker_ok(&["load", "-q", "-i", archive.to_str().context("a path that is text")?])?;
    for host in hosts {
        let image = format!("{host}/busybox:1");
        vm.docker_ok(&["tag", "busybox:1", &image])?;
        vm.docker_ok(&["push", "-q", &image])?;
        vm.docker_ok(&["rmi", &image])?;
        vm.docker_ok(&["pull", "-q", &image])?;
    }
    Ok(())
}
