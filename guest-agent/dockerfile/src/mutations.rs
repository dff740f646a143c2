//! Dockerfiles and rules gone wrong: nothing panics or runs on for ever, and what is said of them
//! makes sense.
//!
//! The seed is fixed, so that a failure is the same everywhere. For other ones, and for longer, as
//! a fuzzer: `cargo test -p naru-dockerfile --release -- --ignored mutations`.

use std::time::{Duration, Instant};

use anyhow::ensure;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};

use crate::{
    Command, Dockerfile, DockerfileError, Expander, Ignore, Inputs, Mount, ParentMatch, Scope,
    exposed_ports,
};

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

/// What is wrong is somewhere in the text, and can be shown.
fn check_error(text: &str, error: &DockerfileError) -> anyhow::Result<()> {
    ensure!(!error.to_string().is_empty());
    let Some(at) = error.at else { return Ok(()) };
    let lines = text.split('\n').count();
    ensure!(at.line >= 1 && usize::try_from(at.line)? <= lines, "{text:?}: {error} at {at}");
    ensure!(at.column >= 1, "{text:?}: {error} at {at}");
    ensure!(error.excerpt("Dockerfile", text).contains(">>>") || text.ends_with('\n'), "{text:?}");
    Ok(())
}

/// Goes through a file as one who builds it.
fn build(text: &str) -> Result<usize, DockerfileError> {
    let inputs = Inputs::default();
    let mut file = Dockerfile::parse(text)?;
    let globals = file.globals(&inputs)?;
    let graph = file.graph(&globals, &inputs)?;
    let needed = graph.needed(graph.target(None)?)?;
    let triggers = file.stages[0].triggers();
    file.add_triggers(0, &triggers)?;
    let mut done = 0;
    for stage in needed {
        let mut scope = Scope::of_image(&["PATH=/bin".to_owned()]);
        for instruction in &file.stages[stage].instructions {
            done += 1;
            let before = scope.clone();
            let value = |name: &str| before.value(name);
            let expander = Expander::new(file.directives.escape, &value);
            match instruction.expanded(expander)?.command {
                Command::Arg(arguments) => {
                    scope.declare(&arguments, &globals, &inputs)?;
                }
                Command::Env(pairs) => {
                    for pair in &pairs {
                        scope.set(&pair.name.text, &pair.value.text);
                    }
                }
                Command::Run(run) => {
                    let _execution = run.execution();
                    for mount in &run.mounts {
                        Mount::read(mount, expander)?;
                    }
                }
                Command::Expose(ports) => {
                    for port in &ports {
                        let _ports = exposed_ports(&port.text);
                    }
                }
                _ => {}
            }
        }
    }
    Ok(done)
}

fn mutate(seed: u64, rounds: Option<u32>) -> anyhow::Result<()> {
    let begun = Instant::now();
    let mut random = StdRng::seed_from_u64(seed);
    let (mut round, mut accepted) = (0, 0);
    while rounds.map_or_else(|| begun.elapsed() < LONG, |rounds| round < rounds) {
        round += 1;
        let sample = SAMPLES.choose(&mut random).copied().unwrap_or_default();
        let text = mutated(&mut random, sample);
        match build(&text) {
            Ok(_) => accepted += 1,
            Err(error) => check_error(&text, &error)
                .map_err(|error| error.context(format!("seed {seed}, round {round}")))?,
        }
        let sample = RULES.choose(&mut random).copied().unwrap_or_default();
        let rules = mutated(&mut random, sample);
        if let Ok(ignore) = Ignore::parse(&rules) {
            let (whole, _) = ignore.is_ignored_in("a", &ParentMatch::default());
            ensure!(whole == ignore.is_ignored("a"), "{rules:?}");
            let _inner = ignore.is_ignored("a/keep/bc*");
        }
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
