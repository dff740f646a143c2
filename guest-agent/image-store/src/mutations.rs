//! Everything that parses what strangers wrote, fed with their writing gone wrong: nothing
//! panics, runs on for ever or reaches outside of its directory, and what is accepted makes sense.
//!
//! The seeds are fixed, so that a failure is the same everywhere. For other ones, and for
//! longer, as a fuzzer: `cargo test -p naru-image-store --release -- --ignored --nocapture mutations`.

use std::fs;
use std::io::{Read, Write};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::{Duration, Instant};

use flate2::Compression as Level;
use flate2::write::GzEncoder;
use naru_test_framework::oci::{Compression, LayerWriter, OciImage};
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};
use serde_json::json;
use tar::{EntryType, Header};
use tempfile::TempDir;

use crate::archive::check_plan;
use crate::digest::Digest;
use crate::platform::Platform;
use crate::reference::ImageReference;
use crate::registry::{ManifestDocument, Parsed, choose};
use crate::stream::decompressed;
use crate::unpack::unpack;

const BLOCK: usize = 512;
const MEMORY: &str = "/dev/shm";
/// How much of a decompressed stream is looked at.
const MOST: u64 = 1 << 20;
/// How long each target is kept at it by hand.
const LONG: Duration = Duration::from_mins(1);
/// What numbers are wrong at, in the alphabets of the formats.
const PIECES: [&[u8]; 12] = [
    b"..",
    b"/",
    b"\0",
    b"-1",
    b"18446744073709551615",
    b"77777777777",
    b"@sha256:",
    b":",
    b"[]",
    b"null",
    b"\xff\xff\xff\xff",
    b"{\"\":",
];

/// Applies `check` to mutations of the samples: `rounds` times, or for [`LONG`] if there is no
/// number.
fn mutate<S: AsRef<[u8]>>(
    seed: u64,
    rounds: Option<u32>,
    samples: &[S],
    step: usize,
    mut check: impl FnMut(&[u8]) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let begun = Instant::now();
    let mut random = StdRng::seed_from_u64(seed);
    let mut round = 0;
    while rounds.map_or_else(|| begun.elapsed() < LONG, |rounds| round < rounds) {
        let sample = samples.choose(&mut random).map(AsRef::as_ref).unwrap_or_default();
        let mut bytes = sample.to_vec();
        for _ in 0..random.random_range(1..=4) {
            mutate_once(&mut random, &mut bytes, step);
        }
        if step == BLOCK && random.random_bool(0.9) {
            fix_checksums(&mut bytes);
        }
        round += 1;
        check(&bytes).map_err(|error| error.context(format!("seed {seed}, round {round}")))?;
    }
    Ok(())
}

/// Pieces of `step` bytes are moved about, single bytes are changed.
fn mutate_once(random: &mut StdRng, bytes: &mut Vec<u8>, step: usize) {
    let pieces = bytes.len() / step;
    let piece = |random: &mut StdRng| {
        let (one, other) = (random.random_range(0..=pieces), random.random_range(0..=pieces));
        one.min(other) * step..one.max(other) * step
    };
    match random.random_range(0..8) {
        _ if bytes.is_empty() => bytes.extend_from_slice(PIECES[0]),
        0 => drop(bytes.drain(piece(random))),
        1 => {
            let (copied, at) = (bytes[piece(random)].to_vec(), piece(random).start);
            let copied = copied.get(..64 * step).unwrap_or(&copied);
            bytes.splice(at..at, copied.iter().copied()).for_each(drop);
        }
        2 => bytes.truncate(random.random_range(0..bytes.len())),
        3 | 4 => {
            let at = random.random_range(0..bytes.len());
            bytes[at] ^= 1 << random.random_range(0..8);
        }
        _ => {
            let new: &[u8] = PIECES.choose(random).copied().unwrap_or_default();
            // Mostly in a header, where there are such.
            let at = random.random_range(0..=pieces.saturating_sub(1)) * step;
            let at = (at + random.random_range(0..step.min(200))).min(bytes.len());
            let end = if step == 1 && random.random_bool(0.5) { at } else { at + new.len() };
            bytes.splice(at..end.min(bytes.len()), new.iter().copied()).for_each(drop);
        }
    }
}

/// Without this a changed header is refused for its checksum, and nothing else of it is tried.
fn fix_checksums(tar: &mut [u8]) {
    let (blocks, _) = tar.as_chunks_mut::<BLOCK>();
    for block in blocks.iter_mut().filter(|block| &block[257..262] == b"ustar") {
        let mut header = Header::new_old();
        header.as_mut_bytes().copy_from_slice(block);
        header.set_cksum();
        block.copy_from_slice(header.as_bytes());
    }
}

fn references(seed: u64, rounds: Option<u32>) -> anyhow::Result<()> {
    let digest = Digest::of(b"x");
    let samples = [
        "busybox".to_owned(),
        "localhost:5000/a/b-c__d.e:Tag_1.2-3".to_owned(),
        format!("registry.example.org/some/thing:1@{digest}"),
        "[2001:db8::1]:80/x".to_owned(),
    ];
    mutate(seed, rounds, &samples, 1, |bytes| {
        let text = String::from_utf8_lossy(bytes);
        let Ok(reference) = text.parse::<ImageReference>() else { return Ok(()) };
        // It is put into paths and URLs.
        let repository = reference.repository();
        anyhow::ensure!(
            repository.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_./".contains(&byte))
                && repository.split('/').all(|part| !matches!(part, "" | "." | "..")),
            "{text:?} has the repository {repository:?}"
        );
        for shown in [reference.to_string(), reference.familiar()] {
            anyhow::ensure!(shown.parse().as_ref() == Ok(&reference), "{text:?} became {shown:?}");
        }
        Ok(())
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
    mutate(seed, rounds, &samples, 1, |bytes| {
        let document = ManifestDocument {
            digest: Digest::of(bytes),
            media_type: String::new(),
            content: bytes.to_owned(),
        };
        match document.parse("a:1") {
            Ok(Parsed::Index(entries)) => drop(choose(&entries, &Platform::host())),
            Ok(Parsed::Image(_)) => {}
            Err(error) => anyhow::ensure!(error.to_string().len() < 2000, "{error}"),
        }
        Ok(())
    })
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
    let above = outer.path().join("above");
    mutate(seed, rounds, &[layer()?], BLOCK, |bytes| {
        let directory = above.join("layer");
        fs::create_dir_all(&directory)?;
        // It may be refused, or be another layer now.
        let _outcome = unpack(bytes, &directory);
        let around = (fs::read_dir(outer.path())?.count(), fs::read_dir(&above)?.count());
        anyhow::ensure!(around == (2, 1), "something lies outside: {around:?}");
        let found = (fs::read(&canary)?, canary.metadata()?.nlink());
        anyhow::ensure!(found == (b"alive".to_vec(), 1), "outside became {found:?}");
        remove(&directory)
    })
}

/// Also what its owner may not write to, for who is not root.
fn remove(directory: &Path) -> anyhow::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    fs::set_permissions(directory, fs::Permissions::from_mode(0o700))?;
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            remove(&entry.path())?;
        } else {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(fs::remove_dir(directory)?)
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
