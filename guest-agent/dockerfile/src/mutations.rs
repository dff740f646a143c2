//! Dockerfiles and rules gone wrong: nothing panics or runs on for ever, and what is said of them
//! makes sense.
//!
//! The seed is fixed, so that a failure is the same everywhere. For other ones, and for longer, as
//! a fuzzer: `cargo test -p naru-dockerfile --release -- --ignored mutations`.

use std::time::{Duration, Instant};

use anyhow::{anyhow, ensure};
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};

use crate::invariants;

/// How long it is kept up by hand.
const LONG: Duration = Duration::from_mins(1);

const SAMPLES: [&str; 4] = [
    "# syntax=docker/dockerfile:1\n# escape=\\\nARG A=1 B=${A:-x}\nFROM --platform=$BUILDPLATFORM \
     x:$A AS one\nENV a=b c=\"d $A\" e='f'\nENV old form\nLABEL \"a b\"=c\nRUN \
     --mount=type=cache,target=/x,id=${A},sharing=locked --network=none make \\\n  # note\n  all\n\
     COPY --chown=1:2 --chmod=0755 --link --exclude=*.md a [b] /c/\n",
    "FROM one AS two\nCOPY --from=one <<E <<-\"F\" /\n$A 'q'\nE\n\tx\n\tF\nRUN <<E\n#!/bin/sh\n\
     echo\nE\nONBUILD RUN x\nHEALTHCHECK --interval=1m30s --retries=2 CMD [\"a\", \"b\"]\n\
     EXPOSE 80/udp 1-3:8000-8002\nFROM two\nCOPY --from=0 /a /b\nADD --checksum=sha256:0 http://x /\n",
    "# escape=`\r\nFROM x\r\nRUN dir `\r\n  C:\\\r\nUSER ${A#*/}:${A%%x*}\r\nWORKDIR \
     /${A//a/b}/${B/c/d}\r\nVOLUME [\"/a\"]\r\nSHELL [\"a\"]\r\nCMD a\r\nENTRYPOINT [\"b\"]\r\n\
     STOPSIGNAL 9\r\nMAINTAINER x\r\n",
    "FROM x\nENV a=$a${a}${a:+$a}${a:?no}\nENV a=${a/${a#?}/$a}\nENV b=\"\\$a\\\"'\"\n",
];
const RULES: [&str; 2] =
    ["# note\n*\n!a/**\n**/b?[c-d]\\*\n/x/../y\n", "**/node_modules\n!**/keep*\n"];
/// What the language is made of.
const PIECES: [&str; 22] = [
    "\n", "\\\n", "`\n", "<<E", "\"", "'", "$", "${", "}", "\\", "--", "=", "[\"", "\"]", "#",
    "**/", "!", "FROM ", "ONBUILD ", "\u{0}", "한", ":-",
];

fn mutated(random: &mut StdRng, sample: &str) -> String {
    let mut characters: Vec<char> = sample.chars().collect();
    for _ in 0..random.random_range(1..=5) {
        let (one, other) =
            (random.random_range(0..=characters.len()), random.random_range(0..=characters.len()));
        let range = one.min(other)..one.max(other);
        match random.random_range(0..6) {
            0 if range.len() < 40 => drop(characters.drain(range)),
            1 => {
                let copied: Vec<char> = characters[range].iter().take(60).copied().collect();
                characters.splice(one..one, copied).for_each(drop);
            }
            2 if random.random_bool(0.2) => characters.truncate(one),
            3 if one < characters.len() => {
                characters[one] = char::from(random.random_range(0..128_u8));
            }
            _ => {
                let piece = PIECES.choose(random).copied().unwrap_or_default();
                characters.splice(one..one, piece.chars()).for_each(drop);
            }
        }
    }
    characters.into_iter().collect()
}

fn mutate(seed: u64, rounds: Option<u32>) -> anyhow::Result<()> {
    let begun = Instant::now();
    let mut random = StdRng::seed_from_u64(seed);
    let (mut round, mut accepted) = (0, 0);
    let wrong = |round: u32| move |what: String| anyhow!("seed {seed}, round {round}: {what}");
    while rounds.map_or_else(|| begun.elapsed() < LONG, |rounds| round < rounds) {
        round += 1;
        let sample = SAMPLES.choose(&mut random).copied().unwrap_or_default();
        let text = mutated(&mut random, sample);
        let understood = invariants::dockerfile(&text).map_err(wrong(round))?;
        accepted += u32::from(understood);
        let sample = RULES.choose(&mut random).copied().unwrap_or_default();
        let rules = mutated(&mut random, sample);
        invariants::ignore(&rules).map_err(wrong(round))?;
    }
    ensure!(accepted > 0, "the mutations are too much for it");
    Ok(())
}

#[test]
fn mutations_of_dockerfiles_are_refused_in_words() -> anyhow::Result<()> {
    mutate(1, Some(5_000))
}

#[test]
#[ignore = "for a minute, from a seed that is new each time"]
fn mutations_for_a_long_time() -> anyhow::Result<()> {
    mutate(rand::rng().random(), None)
}
