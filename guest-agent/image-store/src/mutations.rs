//! Everything that parses what strangers wrote, fed with their writing gone wrong: nothing
//! panics, runs on for ever or reaches outside of its directory, and what is accepted makes sense.
//!
//! The seeds are fixed, so that a failure is the same everywhere. For other ones, and for
//! longer, as a fuzzer: `cargo test -p naru-image-store --release -- --ignored --nocapture mutations`.

mod mutate;

use std::fs;
use std::io::{self, Read, Write};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::Arc;

use anyhow::Error;
use flate2::Compression as Level;
use flate2::write::GzEncoder;
use naru_test_framework::oci::{Compression, LayerWriter, OciImage};
use rand::Rng;
use rustix::process::geteuid;
use serde_json::json;
use tar::{EntryType, Header};
use tempfile::TempDir;

use self::mutate::{BLOCK, mutate};
use crate::archive::check_plan;
use crate::digest::Digest;
use crate::index::Index;
use crate::invariants;
use crate::layers::Layers;
use crate::stream::decompressed;
use crate::unpack::unpack;

const MEMORY: &str = "/dev/shm";
/// How much of a decompressed stream is looked at.
const MOST: u64 = 1 << 20;

fn references(seed: u64, rounds: Option<u32>) -> anyhow::Result<()> {
    let digest = Digest::of(b"x");
    let samples = [
        "busybox".to_owned(),
        "localhost:5000/a/b-c__d.e:Tag_1.2-3".to_owned(),
        format!("registry.example.org/some/thing:1@{digest}"),
        "[2001:db8::1]:80/x".to_owned(),
    ];
    mutate(seed, rounds, &samples, 1, |bytes| {
        invariants::reference(&String::from_utf8_lossy(bytes)).map_err(Error::msg)
    })
}

fn manifests(seed: u64, rounds: Option<u32>) -> anyhow::Result<()> {
    let part = |name: &str| json!({ "mediaType": "", "digest": Digest::of(name.as_bytes()).as_str(), "size": 7 });
    let mut entry = part("entry");
    entry["platform"] = json!({ "os": "linux", "architecture": "arm64", "variant": "v8" });
    entry["annotations"] = json!({ "org.opencontainers.image.ref.name": "1" });
    let samples = [
        json!({ "schemaVersion": 2, "config": part("config"), "layers": [part("1"), part("2")] }),
        json!({ "schemaVersion": 2, "manifests": [entry] }),
    ]
    .map(|sample| sample.to_string());
    mutate(seed, rounds, &samples, 1, |bytes| invariants::manifest(bytes).map_err(Error::msg))
}

/// A layer with one of everything.
fn layer() -> anyhow::Result<Vec<u8>> {
    let mut layer = LayerWriter::new();
    layer.directory("usr", 0o755)?;
    layer.attribute("user.note", b"value");
    layer.file("usr/file", 0o4755, &[7; 700])?;
    layer.file(&"long/".repeat(40), 0o644, b"")?;
    layer.symlink("lib", "/usr")?;
    layer.file("lib/through", 0o644, b"link")?;
    layer.hard_link("again", "usr/file")?;
    layer.character_device("null", 1, 3)?;
    layer.entry("pipe", EntryType::Fifo, 0o600, None, b"")?;
    layer.file("usr/.wh.gone", 0o644, b"")?;
    layer.file("usr/.wh..wh..opq", 0o644, b"")?;
    let mut tar = layer.into_tar();
    // A file with a hole, of GNU tar's making.
    let mut header = Header::new_gnu();
    header.set_entry_type(EntryType::GNUSparse);
    header.set_path("sparse")?;
    header.set_size(6);
    if let Some(gnu) = header.as_gnu_mut() {
        gnu.sparse[0].offset.copy_from_slice(b"00000200000\0");
        gnu.sparse[0].numbytes.copy_from_slice(b"00000000006\0");
        gnu.realsize.copy_from_slice(b"00000300000\0");
    }
    header.set_cksum();
    let mut member = header.as_bytes().to_vec();
    member.extend_from_slice(b"island");
    member.resize(2 * BLOCK, 0);
    tar.splice(0..0, member).for_each(drop);
    Ok(tar)
}

/// In memory where that can be: thousands of files are made and deleted.
fn directory() -> anyhow::Result<TempDir> {
    if Path::new(MEMORY).is_dir() {
        return Ok(tempfile::tempdir_in(MEMORY)?);
    }
    Ok(tempfile::tempdir()?)
}

fn layers(seed: u64, rounds: Option<u32>) -> anyhow::Result<()> {
    let outer = directory()?;
    let canary = outer.path().join("canary");
    fs::write(&canary, b"alive")?;
    let root = outer.path().join("store");
    fs::create_dir(&root)?;
    let index = Index::open(&root.join("index.db"))?;
    let layers = Arc::new(Layers::open(&root, &index)?);
    let around = || -> anyhow::Result<_> {
        let count = |path| Ok::<_, io::Error>(fs::read_dir(path)?.count());
        Ok((count(outer.path())?, count(&root)?, fs::read(&canary)?, canary.metadata()?.nlink()))
    };
    let before = around()?;
    mutate(seed, rounds, &[layer()?], BLOCK, |bytes| {
        let ingest = layers.ingest()?;
        let (files, record) = ingest.layer()?;
        let unpacked = unpack(bytes, &files, &record);
        anyhow::ensure!(around()? == before, "something happened outside");
        anyhow::ensure!(fs::read_dir(ingest.path())?.count() == 2, "something lies beside it");
        // What is not refused is another layer now, and comes out as it went in. Others than root
        // may not read all of it.
        if let Ok(size) = unpacked
            && geteuid().is_root()
        {
            let diff_id = Digest::of(bytes);
            layers.commit(&ingest, diff_id.clone(), size, &index)?;
            let mut again = Vec::new();
            layers.archive(&diff_id, &index)?.read_to_end(&mut again)?;
            anyhow::ensure!(again == bytes, "another archive comes out");
            anyhow::ensure!(layers.collect(&index)?.len() == 1, "it stays");
        }
        Ok(())
    })
}

fn archives(seed: u64, rounds: Option<u32>) -> anyhow::Result<()> {
    let mut layer = LayerWriter::new();
    layer.file("file", 0o644, b"content")?;
    let image = OciImage::new("amd64", &json!({}), vec![layer.finish(Compression::Gzip)?])?;
    let name = "docker.io/library/small:1";
    let samples = [image.archive(name)?, image.docker_archive(name)?];
    let outer = directory()?;
    mutate(seed, rounds, &samples, BLOCK, |bytes| {
        // Refused or planned: nothing of it stays.
        let _outcome = check_plan(bytes, outer.path());
        for name in ["ingest", "layers"] {
            let left = fs::read_dir(outer.path().join(name))?.count();
            anyhow::ensure!(left == 0, "{left} left in {name}");
        }
        Ok(())
    })
}

fn streams(seed: u64, rounds: Option<u32>) -> anyhow::Result<()> {
    let plain = layer()?;
    let mut gzip = GzEncoder::new(Vec::new(), Level::fast());
    gzip.write_all(&plain)?;
    let mut xz = Vec::new();
    liblzma::read::XzEncoder::new(plain.as_slice(), 1).read_to_end(&mut xz)?;
    let mut bzip2 = Vec::new();
    bzip2::read::BzEncoder::new(plain.as_slice(), bzip2::Compression::fast())
        .read_to_end(&mut bzip2)?;
    let samples = [gzip.finish()?, zstd::encode_all(plain.as_slice(), 1)?, xz, bzip2];
    mutate(seed, rounds, &samples, 1, |bytes| {
        let mut content = Vec::new();
        if let Ok(stream) = decompressed(bytes) {
            // A bomb is stopped by who reads it, not by the memory it takes.
            let _outcome = stream.take(MOST).read_to_end(&mut content);
        }
        Ok(())
    })
}

#[test]
fn mutations_of_references_parse_to_what_they_print() -> anyhow::Result<()> {
    references(1, Some(30_000))
}

#[test]
fn mutations_of_manifests_are_refused_in_words() -> anyhow::Result<()> {
    manifests(2, Some(10_000))
}

#[test]
fn mutations_of_a_layer_stay_inside_their_directory() -> anyhow::Result<()> {
    layers(3, Some(800))
}

#[test]
fn mutations_of_an_archive_leave_nothing() -> anyhow::Result<()> {
    archives(4, Some(500))
}

#[test]
fn mutations_of_compressed_streams_end() -> anyhow::Result<()> {
    streams(5, Some(600))
}

#[test]
#[ignore = "for minutes, from seeds that are new each time"]
fn mutations_for_a_long_time() -> anyhow::Result<()> {
    let seed = rand::rng().random();
    for target in [references, manifests, layers, archives, streams] {
        target(seed, None)?;
    }
    Ok(())
}
