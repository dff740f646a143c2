//! An engine that is killed in the midst of builds by BuildKit's door.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};
use naru_test_framework::{Engine, NativeEngine, Running};
use rand::Rng as _;

use super::Buildx;
use crate::build_kills::{
    Before, DOCKERFILE, bytes, is_whole_if_listed, nothing_goes_on, steps_under_way, wait_until,
    write_files,
};
use crate::kills::{wait, with_seed};

const KILLS: u32 = 12;

impl Buildx {
    fn own(&mut self) -> anyhow::Result<&mut NativeEngine> {
        match &mut self.engine {
            Engine::Own(engine) => Ok(engine),
            Engine::Given(_) => bail!("only an engine of the case's own can be killed"),
        }
    }

    fn start(&self, arguments: &[&str]) -> anyhow::Result<Running> {
        let build = [&["buildx", "build", "--progress=plain"], arguments].concat();
        Running::start(self.engine.command(&build))
    }
}

/// The steps that were told to their ends, in which way: `DONE` or `CACHED`.
fn told<'a>(said: &'a str, way: &str) -> BTreeSet<&'a str> {
    let (mut steps, mut told) = (BTreeMap::new(), BTreeSet::new());
    for line in said.lines() {
        let Some((number, rest)) = line.split_once(' ') else { continue };
        if rest.starts_with('[') && !rest.starts_with("[internal]") && !rest.contains("] FROM ") {
            steps.insert(number, rest);
        } else if rest.split(' ').next() == Some(way)
            && let Some(step) = steps.get(number)
        {
            told.insert(*step);
        }
    }
    told
}

#[test]
fn what_was_told_is_done_whenever_the_engine_is_killed() -> anyhow::Result<()> {
    with_seed(|random| {
        let mut buildx = Buildx::with(DOCKERFILE)?;
        let before = Before::of(buildx.own()?)?;
        write_files(&buildx.path("context"))?;
        let begun = Instant::now();
        let whole = ["--build-arg", "ROUND=whole", "-t", "made:whole", "context"];
        let said = buildx.build(&whole)?;
        let takes = begun.elapsed();
        ensure!(told(&said, "DONE").len() == 9, "{said}");
        buildx.engine.docker(&["rmi", "made:whole"])?.success()?;
        let (mut cut, mut kept) = (0, 0);
        for round in 0..KILLS {
            let at = takes.mul_f64(random.random_range(0.0..1.1));
            let (is_cut, steps) = kill_at(&mut buildx, round, at)
                .with_context(|| format!("kill {round}, {at:?} after the build began"))?;
            cut += u32::from(is_cut);
            kept += steps;
        }
        ensure!(cut > KILLS / 4, "only {cut} of {KILLS} kills came in the midst of a build");
        ensure!(kept > 0, "no kill came after a step");
        before.is_all_after_a_prune(buildx.own()?)
    })
}

/// Gives whether the build was cut, and how many steps it had told.
fn kill_at(buildx: &mut Buildx, round: u32, at: Duration) -> anyhow::Result<(bool, usize)> {
    let (name, argument) = (format!("made:{round}"), format!("ROUND={round}"));
    let arguments = ["--build-arg", &argument, "-t", &name, "context"];
    let running = buildx.start(&arguments)?;
    wait(at);
    let engine = buildx.own()?;
    engine.kill()?;
    let first = running.finish()?;
    engine.restart()?;
    nothing_goes_on(engine)?;
    is_whole_if_listed(engine, &name, round, first.code == 0)?;

    let second = buildx.build(&arguments)?;
    let done: BTreeSet<_> = told(&first.stderr, "DONE");
    let cached = told(&second, "CACHED");
    let again: Vec<_> = done.difference(&cached).collect();
    ensure!(again.is_empty(), "{again:?} were done again: {first:?} {second}");
    is_whole_if_listed(buildx.own()?, &name, round, true)?;
    buildx.engine.docker(&["rmi", &name])?.success()?;
    Ok((first.code != 0, done.len()))
}

#[test]
fn a_directory_that_came_by_half_is_made_whole() -> anyhow::Result<()> {
    const LENGTH: usize = 64 << 20;
    let mut buildx = Buildx::with("FROM busybox\nCOPY large /\n")?;
    let before = Before::of(buildx.own()?)?;
    let large = bytes(1, LENGTH);
    fs::write(buildx.path("context/large"), &large)?;
    let running = buildx.start(&["-t", "app", "context"])?;
    let engine = buildx.own()?;
    let kept = engine.root().join("builds/kept");
    wait_until(|| {
        let directories = fs::read_dir(&kept).into_iter().flatten().flatten();
        let incoming = directories.map(|directory| directory.path().join("incoming"));
        let files = incoming.flat_map(|incoming| fs::read_dir(incoming).into_iter().flatten());
        Ok(files.flatten().any(|file| file.metadata().is_ok_and(|metadata| metadata.len() > 0)))
    })?;
    engine.kill()?;
    running.finish()?;
    engine.restart()?;
    nothing_goes_on(engine)?;

    buildx.build(&["-t", "app", "context"])?;
    let container = buildx.engine.docker(&["create", "app"])?.success()?.to_owned();
    let copied = buildx.path("copied").display().to_string();
    buildx.engine.docker(&["cp", &format!("{container}:/large"), &copied])?.success()?;
    ensure!(fs::read(&copied)? == large, "it is not what was sent");
    buildx.engine.docker(&["rm", &container])?.success()?;
    buildx.engine.docker(&["rmi", "app"])?.success()?;
    before.is_all_after_a_prune(buildx.own()?)
}

#[test]
fn a_build_goes_on_from_its_last_step() -> anyhow::Result<()> {
    let mut buildx = Buildx::with(
        "FROM busybox\nRUN cat /proc/sys/kernel/random/uuid > /first\n\
         COPY files /files\n\
         RUN --mount=type=cache,target=/go \
         if [ -e /go/on ]; then cp /first /second; else touch /go/on; sleep 1000; fi\n\
         CMD [\"cmp\", \"/first\", \"/second\"]\n",
    )?;
    let before = Before::of(buildx.own()?)?;
    write_files(&buildx.path("context"))?;
    let running = buildx.start(&["-t", "app", "context"])?;
    let engine = buildx.own()?;
    let caches = engine.root().join("builds/caches");
    wait_until(|| {
        Ok(fs::read_dir(&caches)?.flatten().any(|cache| cache.path().join("on").exists()))
    })?;
    ensure!(!steps_under_way(engine)?.is_empty(), "the program sleeps in its step");
    engine.kill()?;
    let first = running.finish()?;
    ensure!(first.code != 0, "{first:?}");
    engine.restart()?;
    nothing_goes_on(engine)?;

    let said = buildx.build(&["-t", "app", "context"])?;
    let cached = told(&said, "CACHED");
    assert_eq!(cached.len(), 2, "{said}");
    assert_eq!(buildx.app(&[])?, "");
    buildx.engine.docker(&["rmi", "app"])?.success()?;
    before.is_all_after_a_prune(buildx.own()?)
}
