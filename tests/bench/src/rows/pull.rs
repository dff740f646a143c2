//! The pull of an image of six layers from a registry on this computer.

use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::thread;
use std::time::Instant;

use anyhow::{Context, Result, anyhow, ensure};
use flate2::read::GzDecoder;
use naru_test_framework::images;
use naru_test_framework::oci::{Compression, digest};
use rustix::fs::syncfs;
use tar::Archive;
use tokio::task::block_in_place;

use super::{EngineBench, row_of_engines};
use crate::process::{processor_seconds, reset_peak, resident_peak_mib};
use crate::row::{NARU, Row};

const REPOSITORY: &str = "layered";
/// What a pull cannot do without, each done alone and all layers at once.
const DOWNLOAD: &str = "download alone";
const UNPACK: &str = "inflate, untar alone";
/// A pull has ended when what came is on the disk.
const KEEP: &str = "inflate, untar, sync alone";
const INFLATE: &str = "inflate, hash alone";
/// What the kernel adds to that when it makes the files.
const FILES: &str = "inflate, hash, untar alone";

pub(super) async fn measure(bench: &EngineBench<'_>) -> Result<Vec<Row>> {
    let mut rows = Vec::new();
    for compression in [Compression::Gzip, Compression::Zstd] {
        rows.extend(measure_one(bench, compression).await?);
    }
    Ok(rows)
}

/// Time, processor time and memory of the image in one compression.
async fn measure_one(bench: &EngineBench<'_>, compression: Compression) -> Result<Vec<Row>> {
    let image = images::layered(compression)?;
    let tag = format!("{compression:?}").to_lowercase();
    bench.registry.push(REPOSITORY, &tag, &image)?;
    let name = bench.registry.reference(REPOSITORY, &tag);
    // The first blob is the configuration.
    let layers = image.blobs.get(1..).context("the image has layers")?;
    let compressed: usize = layers.iter().map(Vec::len).sum();
    let what = format!("docker pull, {} layers, {} MiB {tag}", layers.len(), compressed >> 20);
    let mut time = row_of_engines(what, "s");
    let mut processor = row_of_engines(format!("the same, {tag}: engine's processor time"), "s");
    let mut memory = row_of_engines(format!("the same, {tag}: engine's process at most"), "MiB");
    for _ in 0..bench.rounds {
        for engine in &bench.engines {
            let pid = engine.pid().context("the engine runs")?;
            reset_peak(pid)?;
            let (begun, spent) = (Instant::now(), processor_seconds(pid)?);
            // An engine that cannot read the compression is as good as not here.
            let pulled = engine.docker(&["pull", "--quiet", &name]).await;
            if compression == Compression::Zstd && engine.name != NARU && pulled.is_err() {
                continue;
            }
            pulled?;
            time.push(engine.name, begun.elapsed().as_secs_f64());
            processor.push(engine.name, processor_seconds(pid)? - spent);
            memory.push(engine.name, resident_peak_mib(pid)?);
            engine.docker(&["image", "rm", &name]).await?;
        }
        block_in_place(|| floors(bench, layers, &mut time, &mut processor))?;
    }
    Ok(vec![time, processor, memory])
}

/// Does alone what a pull is made of.
fn floors(
    bench: &EngineBench<'_>,
    layers: &[Vec<u8>],
    time: &mut Row,
    processor: &mut Row,
) -> Result<()> {
    let registry = bench.registry.address();
    let digests: Vec<String> = layers.iter().map(|layer| digest(layer)).collect();
    let begun = Instant::now();
    each(layers, |number, layer| {
        let length = download(&registry, &digests[number])?;
        ensure!(usize::try_from(length)? == layer.len(), "the registry gives {length} bytes");
        Ok(())
    })?;
    time.push(DOWNLOAD, begun.elapsed().as_secs_f64());

    let directory = bench.state.join("unpacked");
    fs::create_dir_all(&directory)?;
    // What was there before is not to be waited for.
    syncfs(File::open(&directory)?)?;
    let begun = Instant::now();
    each(layers, |number, layer| untar(inflated(layer)?, &directory.join(number.to_string())))?;
    time.push(UNPACK, begun.elapsed().as_secs_f64());
    syncfs(File::open(&directory)?)?;
    time.push(KEEP, begun.elapsed().as_secs_f64());
    fs::remove_dir_all(&directory)?;

    let spent = processor_seconds(std::process::id())?;
    each(layers, |_, layer| inflated_and_hashed(layer).map(drop))?;
    processor.push(INFLATE, processor_seconds(std::process::id())? - spent);

    let spent = processor_seconds(std::process::id())?;
    each(layers, |number, layer| {
        untar(inflated_and_hashed(layer)?.as_slice(), &directory.join(number.to_string()))
    })?;
    processor.push(FILES, processor_seconds(std::process::id())? - spent);
    Ok(fs::remove_dir_all(&directory)?)
}

/// A layer's tar. Both are hashed, as in a pull: what comes, and what is in it.
fn inflated_and_hashed(layer: &[u8]) -> Result<Vec<u8>> {
    let mut plain = Vec::new();
    inflated(layer)?.read_to_end(&mut plain)?;
    ensure!(digest(layer) != digest(&plain), "it was not compressed");
    Ok(plain)
}

/// Does something to all layers at once.
fn each(layers: &[Vec<u8>], act: impl Fn(usize, &[u8]) -> Result<()> + Sync) -> Result<()> {
    thread::scope(|scope| {
        let act = &act;
        let started: Vec<_> = layers
            .iter()
            .enumerate()
            .map(|(number, layer)| scope.spawn(move || act(number, layer)))
            .collect();
        started
            .into_iter()
            .try_for_each(|layer| layer.join().map_err(|_| anyhow!("a thread panicked")).flatten())
    })
}

/// Fetches a blob and throws it away; gives its length.
fn download(registry: &str, digest: &str) -> Result<u64> {
    let mut stream = TcpStream::connect(registry)?;
    write!(
        stream,
        "GET /v2/{REPOSITORY}/blobs/{digest} HTTP/1.1\r\nHost: {registry}\r\nConnection: close\r\n\r\n"
    )?;
    let mut answer = BufReader::new(stream);
    let mut line = String::new();
    while answer.read_line(&mut line)? > 2 {
        line.clear();
    }
    Ok(io::copy(&mut answer, &mut io::sink())?)
}

fn inflated(layer: &[u8]) -> Result<Box<dyn Read + '_>> {
    Ok(match layer.first() {
        Some(0x1f) => Box::new(GzDecoder::new(layer)),
        _ => Box::new(zstd::Decoder::new(layer)?),
    })
}

/// Writes a layer's files into a directory of its own.
fn untar(layer: impl Read, directory: &Path) -> Result<()> {
    fs::create_dir_all(directory)?;
    Ok(Archive::new(layer).unpack(directory)?)
}
