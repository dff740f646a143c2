//! Images on the move: what a container made here goes elsewhere, is made into more there, and
//! comes back with all that its files and its configuration have.

use std::collections::BTreeMap;
use std::fs;
use std::io::Read as _;
use std::path::Path;

use anyhow::{Context as _, ensure};
use flate2::read::GzDecoder;
use naru_test_framework::images::{BUSYBOX, busybox, of_layers};
use naru_test_framework::oci::{Compression, Layer, LayerWriter};
use naru_test_framework::{DockerHost, Dockerd, Engine, Registry};
use serde_json::{Value, json};
use tar::EntryType;

use crate::image_tools::Containers;
use crate::save_load::{CAPABILITY, files, id_of, saved};

/// What a container does on the engine that the image comes from: every kind of file, more names
/// of one file, and touching what has attributes, so that it is in the new layer with them.
const FIRST: &str = "mkdir -p /made/deep; echo one > /made/one; ln /made/one /made/deep/two; \
    chown 5:6 /made/one; chmod 4750 /made/one; ln -s ../own/noted /made/link; mkfifo /made/pipe; \
    chown -h 7:8 /made/link; chmod 1777 /made/deep; head -c 300000 /dev/zero > /made/big; \
    touch -d '2001-02-03 04:05:06' /own/noted /own/busybox; rm /own/gone; \
    ln /own/busybox /own/busybox-too; ln /own/noted /made/noted";

/// And on the one that it goes to.
const SECOND: &str = "mkdir /more; echo more > /more/file; ln /more/file /more/again; \
    chown 9:10 /more/file; chmod 2755 /more; rm /made/pipe; chmod 600 /own/secret; \
    rm -r /made/deep; mkdir /made/deep; echo new > /made/deep/new";

/// All that can be seen of those files.
const LISTING: &str = "find /own /made /more 2>/dev/null | sort | while read f; do \
    [ -d \"$f\" ] && stat -c '%n %A %u:%g' \"$f\" || stat -c '%n %A %u:%g %s %h %Y %N' \"$f\"; \
    [ ! -f \"$f\" ] || md5sum < \"$f\"; done";

/// busybox, and files with attributes, owners and several names.
fn load_base(engine: &DockerHost) -> anyhow::Result<()> {
    let busybox = busybox()?;
    let config: Value = serde_json::from_slice(&busybox.blobs[0])?;
    let diff_id = config["rootfs"]["diff_ids"][0].as_str().context("a layer")?.to_owned();
    let bottom = Layer { blob: busybox.blobs[1].clone(), diff_id, compression: Compression::Gzip };
    let mut layer = LayerWriter::new();
    layer.directory("own", 0o755)?;
    layer.attribute("security.capability", &CAPABILITY);
    layer.file("own/busybox", 0o755, &fs::read(BUSYBOX)?)?;
    layer.file("own/gone", 0o644, b"gone")?;
    layer.owner(33, 7);
    layer.attribute("user.note", b"kept");
    layer.file("own/noted", 0o640, b"noted")?;
    layer.file("own/secret", 0o400, b"secret")?;
    // Docker gives the file the link's mode, which tar writes as the file's.
    layer.entry("own/other", EntryType::Link, 0o400, Some("own/secret"), b"")?;
    let image = of_layers(vec![bottom, layer.finish(Compression::Gzip)?])?;
    engine.load(&image, "base:1")
}

/// Runs `script` in a container of `from`, and makes an image of that.
fn make(
    docker: &dyn Fn(&[&str]) -> anyhow::Result<String>,
    from: &str,
    script: &str,
    change: &str,
    name: &str,
) -> anyhow::Result<()> {
    docker(&["run", "--name", "box", "--network=none", from, "sh", "-ec", script])?;
    docker(&["commit", "-a", "me", "-m", name, "-c", change, "-c", "CMD [\"sh\"]", "box", name])?;
    docker(&["rm", "box"])?;
    Ok(())
}

/// What is seen of the image where it runs.
fn look(
    docker: &dyn Fn(&[&str]) -> anyhow::Result<String>,
    name: &str,
) -> anyhow::Result<(String, Value)> {
    let run = ["run", "--rm", "--network=none"];
    let seen = docker(&[&run[..], &[name, "sh", "-c", LISTING]].concat())?;
    ensure!(seen.lines().count() > 15, "{seen}");
    // The file's capability is given to a user without rights.
    for program in ["/own/busybox", "/own/busybox-too"] {
        let status = ["--user", "1000", name, program, "grep", "CapEff", "/proc/self/status"];
        let rights = docker(&[&run[..], &status].concat())?;
        ensure!(rights.ends_with("0000000000000400"), "{program}: {rights}");
    }
    let shown: Value = serde_json::from_str(&docker(&["image", "inspect", name])?)?;
    let shown = &shown[0];
    let fields = ["Id", "Author", "Comment", "Created", "Architecture", "Os"];
    let mut config: BTreeMap<&str, Value> =
        fields.into_iter().map(|field| (field, shown[field].clone())).collect();
    for field in ["Env", "Labels", "Cmd"] {
        config.insert(field, shown["Config"][field].clone());
    }
    config.insert("Layers", shown["RootFS"]["Layers"].clone());
    Ok((seen, json!(config)))
}

/// Names and values.
type Attributes = Vec<(String, Vec<u8>)>;

/// The attributes of files in the layers of an archive that `docker save` wrote, in those on top
/// if there are several.
fn attributes(archive: &[u8]) -> anyhow::Result<BTreeMap<String, Attributes>> {
    let files = files(archive)?;
    let manifest: Value = serde_json::from_slice(&files["manifest.json"])?;
    let mut found = BTreeMap::new();
    for name in manifest[0]["Layers"].as_array().context("it has layers")? {
        let layer = files.get(name.as_str().unwrap_or_default()).context("the layer is there")?;
        let mut plain = Vec::new();
        if layer.starts_with(&[0x1f, 0x8b]) {
            GzDecoder::new(layer.as_slice()).read_to_end(&mut plain)?;
        } else {
            plain.clone_from(layer);
        }
        for entry in tar::Archive::new(plain.as_slice()).entries()? {
            let mut entry = entry?;
            let path = entry.path()?.display().to_string();
            // Another name of a file may be written without what the file has.
            let same = entry.header().entry_type().is_hard_link().then(|| entry.link_name());
            let same = same.transpose()?.flatten().map(|name| name.display().to_string());
            let mut attributes: Attributes =
                same.and_then(|name| found.get(&name).cloned()).unwrap_or_default();
            for record in entry.pax_extensions()?.into_iter().flatten() {
                let record = record?;
                if let Some(name) = record.key()?.strip_prefix("SCHILY.xattr.") {
                    attributes.push((name.to_owned(), record.value_bytes().to_vec()));
                }
            }
            found.insert(path, attributes);
        }
    }
    Ok(found)
}

fn expect_attributes(engine: &DockerHost, name: &str) -> anyhow::Result<()> {
    let found = attributes(&saved(engine, &[name])?)?;
    let has = |path: &str, name: &str, value: &[u8]| {
        let attributes = found.get(path).into_iter().flatten();
        ensure!(
            attributes.clone().any(|(found, content)| found == name && content == value),
            "{path} has {:?}",
            found.get(path)
        );
        Ok(())
    };
    has("own/noted", "user.note", b"kept")?;
    has("made/noted", "user.note", b"kept")?;
    has("own/busybox", "security.capability", &CAPABILITY)
}

#[test]
fn a_container_goes_to_docker_is_changed_there_and_comes_back() -> anyhow::Result<()> {
    let engine = Engine::start()?;
    let peer = Dockerd::start()?;
    let host = format!("unix://{}", peer.socket().display());
    let here = |arguments: &[&str]| -> anyhow::Result<String> {
        Ok(engine.docker(arguments)?.success()?.to_owned())
    };
    let there = |arguments: &[&str]| -> anyhow::Result<String> {
        here(&[&["--host", host.as_str()], arguments].concat())
    };
    load_base(&engine)?;
    make(&here, "base:1", FIRST, "ENV STEP=first", "moved:1")?;
    let first = look(&here, "moved:1")?;
    expect_attributes(&engine, "moved:1")?;
    here(&["save", "-o", "there.tar", "moved:1"])?;

    there(&["load", "-q", "-i", "there.tar"])?;
    let arrived = look(&there, "moved:1")?;
    ensure!(arrived.0 == first.0, "{}\nbecame\n{}", first.0, arrived.0);
    ensure!(arrived.1 == first.1, "{}\nbecame\n{}", first.1, arrived.1);
    make(&there, "moved:1", SECOND, "LABEL step=second", "moved:2")?;
    let second = look(&there, "moved:2")?;
    there(&["save", "-o", "back.tar", "moved:2"])?;

    here(&["load", "-q", "-i", "back.tar"])?;
    let back = look(&here, "moved:2")?;
    ensure!(back.0 == second.0, "{}\nbecame\n{}", second.0, back.0);
    ensure!(back.1 == second.1, "{}\nbecame\n{}", second.1, back.1);
    ensure!(back.1["Env"].to_string().contains("\"STEP=first\""), "{}", back.1);
    assert_eq!(back.1["Labels"]["step"], "second");
    assert_eq!(back.1["Layers"].as_array().map(Vec::len), Some(4));
    expect_attributes(&engine, "moved:2")?;
    let more = ["run", "--rm", "moved:2", "cat", "/more/again", "/made/deep/new", "/made/one"];
    assert_eq!(here(&more)?, "more\nnew\none");
    Ok(())
}

#[test]
fn docker_pulls_what_is_pushed_and_what_it_pushes_is_pulled() -> anyhow::Result<()> {
    let engine = Engine::start()?;
    let registry = Registry::start()?;
    let peer = Dockerd::in_this_network()?;
    let host = format!("unix://{}", peer.socket().display());
    let here = |arguments: &[&str]| -> anyhow::Result<String> {
        Ok(engine.docker(arguments)?.success()?.to_owned())
    };
    let there = |arguments: &[&str]| -> anyhow::Result<String> {
        here(&[&["--host", host.as_str()], arguments].concat())
    };
    let (first, second) = (registry.reference("moved", "1"), registry.reference("moved", "2"));
    load_base(&engine)?;
    make(&here, "base:1", FIRST, "ENV STEP=first", &first)?;
    let before = look(&here, &first)?;
    here(&["push", "-q", &first])?;

    there(&["pull", "-q", &first])?;
    let arrived = look(&there, &first)?;
    ensure!(arrived.0 == before.0, "{}\nbecame\n{}", before.0, arrived.0);
    ensure!(arrived.1 == before.1, "{}\nbecame\n{}", before.1, arrived.1);
    make(&there, &first, SECOND, "LABEL step=second", &second)?;
    let changed = look(&there, &second)?;
    there(&["push", "-q", &second])?;

    here(&["rmi", "-f", &first, "base:1"])?;
    here(&["pull", "-q", &second])?;
    let back = look(&here, &second)?;
    ensure!(back.0 == changed.0, "{}\nbecame\n{}", changed.0, back.0);
    ensure!(back.1 == changed.1, "{}\nbecame\n{}", changed.1, back.1);
    expect_attributes(&engine, &second)
}

#[test]
fn an_image_goes_through_a_registry_and_podman_and_comes_back() -> anyhow::Result<()> {
    let engine = Engine::start()?;
    let registry = Registry::start()?;
    let here = |arguments: &[&str]| -> anyhow::Result<String> {
        Ok(engine.docker(arguments)?.success()?.to_owned())
    };
    load_base(&engine)?;
    make(&here, "base:1", FIRST, "ENV STEP=first", "moved:1")?;
    let mut before = look(&here, "moved:1")?;
    let id = id_of(&engine, "moved:1")?;
    let name = registry.reference("moved", "1");
    here(&["tag", "moved:1", &name])?;
    here(&["push", "-q", &name])?;

    let containers = Containers::new(engine.scratch())?;
    containers.run("podman", &["pull", "-q", "--tls-verify=false", &name])?;
    let pulled = containers.run("podman", &["inspect", "--format", "{{.Id}}", &name])?;
    ensure!(id == format!("sha256:{pulled}"), "{pulled}");
    here(&["rmi", "-f", &name, "moved:1", "base:1"])?;
    for format in ["docker-archive", "oci-archive"] {
        let file = engine.scratch().join(format!("{format}.tar"));
        let path = path(&file)?;
        containers.run("podman", &["save", "-q", "--format", format, "-o", path, &name])?;
        let loaded = here(&["load", "-q", "-i", path])?;
        ensure!(loaded == format!("Loaded image: {name}"), "{loaded}");
        let mut after = look(&here, &name)?;
        if format == "oci-archive" {
            // Its configuration is another document, in which what is empty is left out.
            for config in [&mut before.1, &mut after.1] {
                config["Id"].take();
                config["Labels"].take();
            }
        }
        ensure!(after.0 == before.0, "{}\nbecame\n{}", before.0, after.0);
        ensure!(after.1 == before.1, "{}\nbecame\n{}", before.1, after.1);
        expect_attributes(&engine, &name)?;
        here(&["rmi", "-f", &name])?;
    }
    Ok(())
}

fn path(path: &Path) -> anyhow::Result<&str> {
    path.to_str().context("the path is text")
}
