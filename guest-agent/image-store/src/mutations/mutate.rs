//! Changes of samples: small ones, in places where they matter.

use std::time::{Duration, Instant};

use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};
use tar::Header;

pub(super) const BLOCK: usize = 512;
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
pub(super) fn mutate<S: AsRef<[u8]>>(
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
