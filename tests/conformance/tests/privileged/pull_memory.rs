//! What a pull takes of the memory, however large the image.

use std::fmt::Write as _;
use std::fs;
use std::io::Write as _;

use anyhow::Context;
use flate2::Compression as Level;
use flate2::write::GzEncoder;
use naru_test_framework::oci::{Compression, Layer, LayerWriter};
use naru_test_framework::{NativeEngine, Registry, images};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use sha2::{Digest as _, Sha256};

const FILE: usize = 32 << 20;
/// What buffers and the allocator may make of difference.
const SLACK_KIB: u64 = 8 << 10;

/// A layer of so many large files, which neither the test nor the registry holds unpacked: gzip
/// streams may be joined.
fn layer(files: usize) -> anyhow::Result<Layer> {
    let mut random = StdRng::seed_from_u64(1);
    let block: Vec<u8> = (0..4 << 10).map(|_| random.random()).collect();
    let content: Vec<u8> = block.iter().copied().cycle().take(FILE).collect();
    let zipped = |bytes: &[u8]| -> anyhow::Result<Vec<u8>> {
        let mut encoder = GzEncoder::new(Vec::new(), Level::fast());
        encoder.write_all(bytes)?;
        Ok(encoder.finish()?)
    };
    let zipped_content = zipped(&content)?;
    let (mut blob, mut hasher) = (Vec::new(), Sha256::new());
    for number in 0..files {
        let mut member = LayerWriter::new();
        member.file(&format!("large{number}"), 0o644, &content)?;
        // Its header, without the content and the end.
        let header = &member.into_tar()[..512];
        blob.extend(zipped(header)?);
        blob.extend_from_slice(&zipped_content);
        hasher.update(header);
        hasher.update(&content);
    }
    blob.extend(zipped(&[0; 1024])?);
    hasher.update([0; 1024]);
    let mut diff_id = "sha256:".to_owned();
    for byte in hasher.finalize() {
        write!(diff_id, "{byte:02x}")?;
    }
    Ok(Layer { blob, diff_id, compression: Compression::Gzip })
}

/// The most that the process had in memory since it was last asked, in KiB.
pub(crate) fn peak_of(pid: u32) -> anyhow::Result<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let peak = peak.and_then(|peak| peak.split_whitespace().next()).context("a peak")?.parse()?;
    fs::write(format!("/proc/{pid}/clear_refs"), "5")?;
    Ok(peak)
}

#[test]
fn memory_does_not_grow_with_the_image() -> anyhow::Result<()> {
    let registry = Registry::start()?;
    let engine = NativeEngine::start()?;
    let pid = engine.pid().context("the engine runs")?;
    let mut peaks = Vec::new();
    // The first is not counted: connections and threads are made in it.
    for (tag, files) in [("first", 1), ("small", 2), ("large", 64)] {
        registry.push("large", tag, &images::of_layers(vec![layer(files)?])?)?;
        let name = registry.reference("large", tag);
        peak_of(pid)?;
        engine.docker(&["pull", "-q", &name])?.success()?;
        peaks.push(peak_of(pid)?);
        let size = engine.docker(&["image", "inspect", "-f", "{{.Size}}", &name])?;
        assert_eq!(size.success()?, (files * FILE).to_string());
        engine.docker(&["rmi", &name])?.success()?;
    }
    assert!(peaks[2] < peaks[1] + SLACK_KIB, "KiB at most: {peaks:?}");
    Ok(())
}
