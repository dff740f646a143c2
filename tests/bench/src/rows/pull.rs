//! The pull of an image of six layers from a registry on this computer.

use std::fs;
use std::io::{self, BufRead, BufReader, Write};
use std::net::TcpStream;
use std::path::Path;
use std::thread;
use std::time::Instant;

use anyhow::{Context, Result, anyhow, ensure};
use flate2::read::GzDecoder;
use naru_test_framework::images;
use naru_test_framework::oci::{Compression, digest};
use tar::Archive;
use tokio::task::block_in_place;

use super::{EngineBench, row_of_engines};
use crate::row::Row;

const REPOSITORY: &str = "layered";
/// What a pull cannot do without, each done alone and all layers at once.
const DOWNLOAD: &str = "download alone";
const UNPACK: &str = "gunzip, untar alone";

pub(super) async fn measure(bench: &EngineBench<'_>) -> Result<Vec<Row>> {
    let image = images::layered(Compression::Gzip)?;
    bench.registry.push(REPOSITORY, "latest", &image)?;
    let name = bench.registry.reference(REPOSITORY, "latest");
    // The first blob is the configuration.
    let layers = image.blobs.get(1..).context("the image has layers")?;
    let compressed: usize = layers.iter().map(Vec::len).sum();
    let measure = format!("docker pull, {} layers, {} MiB gzip", layers.len(), compressed >> 20);
    let mut row = row_of_engines(measure, "s");
    let digests: Vec<String> = layers.iter().map(|layer| digest(layer)).collect();
    let floor = bench.state.join("unpacked");
    for _ in 0..bench.rounds {
        for engine in &bench.engines {
            let begun = Instant::now();
            engine.docker(&["pull", "--quiet", &name]).await?;
            row.push(engine.name, begun.elapsed().as_secs_f64());
            engine.docker(&["image", "rm", &name]).await?;
        }
        let begun = Instant::now();
        block_in_place(|| {
            each(layers, |number, layer| {
                let length = download(&bench.registry.address(), &digests[number])?;
                ensure!(
                    usize::try_from(length)? == layer.len(),
                    "the registry gives {length} bytes"
                );
                Ok(())
            })
        })?;
        row.push(DOWNLOAD, begun.elapsed().as_secs_f64());
        let begun = Instant::now();
        block_in_place(|| {
            each(layers, |number, layer| unpack(layer, &floor.join(number.to_string())))
        })?;
        row.push(UNPACK, begun.elapsed().as_secs_f64());
        fs::remove_dir_all(&floor)?;
    }
    Ok(vec![row])
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

/// Writes a layer's files into a directory of its own.
fn unpack(layer: &[u8], directory: &Path) -> Result<()> {
    fs::create_dir_all(directory)?;
    Ok(Archive::new(GzDecoder::new(layer)).unpack(directory)?)
}
