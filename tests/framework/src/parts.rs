//! An image of several layers that tells whether all of them are there.

use anyhow::Context;
use serde_json::Value;

use crate::images::{busybox, of_layers};
use crate::oci::{Compression, Layer, LayerWriter, OciImage};

const PARTS: usize = 4;
const FILES: usize = 60;
const CONTENT: usize = 8 << 10;

/// busybox, and above it layers that no other image has.
#[derive(Debug)]
pub struct PartedImage {
    /// The image.
    pub image: OciImage,
    /// What [`Self::ASK`] prints in it when it is whole.
    pub says: String,
}

impl PartedImage {
    /// The command that shows every layer's own line.
    pub const ASK: [&str; 3] = ["/bin/sh", "-c", "cat /part*/says"];

    /// Another image for each `seed`.
    pub fn new(seed: u64) -> anyhow::Result<Self> {
        let busybox = busybox()?;
        let config: Value = serde_json::from_slice(&busybox.blobs[0])?;
        let diff_id = config["rootfs"]["diff_ids"][0].as_str().context("a layer")?.to_owned();
        let blob = busybox.blobs[1].clone();
        let bottom = Layer { blob, diff_id, compression: Compression::Gzip };
        let mut bytes = noise(seed);
        let (mut layers, mut says) = (vec![bottom], Vec::new());
        for part in 0..PARTS {
            let mut layer = LayerWriter::new();
            for file in 0..FILES {
                let content: Vec<u8> = bytes.by_ref().take(CONTENT).collect();
                layer.file(&format!("part{part}/{file}"), 0o644, &content)?;
            }
            let line = format!("{seed} {part}");
            layer.file(&format!("part{part}/says"), 0o644, format!("{line}\n").as_bytes())?;
            says.push(line);
            layers.push(layer.finish(Compression::Gzip)?);
        }
        Ok(Self { image: of_layers(layers)?, says: says.join("\n") })
    }
}

/// Bytes that nobody can compress, others for each `seed`.
pub fn noise(seed: u64) -> impl Iterator<Item = u8> {
    // xorshift stands still at 0, which an even number cannot make of this odd one.
    let mut state = 0x9e37_79b9_7f4a_7c15 ^ (seed << 1);
    let words = std::iter::repeat_with(move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()
    });
    words.flatten()
}
