//! An engine that is killed in the midst of builds. What it has told as done is done: the next
//! build goes on from there. Of the rest nothing is left.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write as _;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use naru_test_framework::{NativeEngine, Output, noise};
use rand::Rng as _;

use crate::build::{build, context, start};
use crate::build_cache::{listing, nothing_is_more};
use crate::kills::{store_is_whole, wait, with_seed};

const KILLS: u32 = 12;
/// Far more than anything that is waited for takes.
const PATIENCE: Duration = Duration::from_mins(1);
/// Of the context.
const FILES: usize = 200;
const LENGTH: usize = 20_000;

/// Two stages side by side, the steps of which are others in each round.
pub(crate) const DOCKERFILE: &str = "FROM busybox AS tools\n\
     ARG ROUND\n\
     RUN echo $ROUND > /round && cat /proc/sys/kernel/random/uuid > /first\n\
     COPY files /files\n\
     RUN cp -r /files /copied && cat /proc/sys/kernel/random/uuid > /second\n\
     FROM busybox\n\
     ARG ROUND\n\
     RUN echo $ROUND > /round && cp -r /bin /other\n\
     WORKDIR /made/$ROUND\n\
     COPY files /files\n\
     COPY --from=tools /copied /copied\n\
     COPY --from=tools /first /second ./\n\
     RUN ls /files | wc -l > /count && ls /copied | wc -l >> /count && ls >> /count\n\
     CMD [\"cat\", \"/round\", \"/count\"]\n";

/// So many bytes that are the same each time.
pub(crate) fn bytes(seed: u64, length: usize) -> Vec<u8> {
    noise(seed).take(length).collect()
}

/// The files of [`DOCKERFILE`]'s context.
pub(crate) fn write_files(context: &Path) -> anyhow::Result<()> {
    fs::create_dir_all(context.join("files"))?;
    for number in 0..FILES {
        fs::write(context.join(format!("files/{number}")), bytes(number as u64, LENGTH))?;
    }
    Ok(())
}

/// What the image of a round prints.
pub(crate) fn says(round: u32) -> String {
    format!("{round}\n{FILES}\n{FILES}\nfirst\nsecond")
}

/// What an engine has before its first build.
pub(crate) struct Before {
    paths: Vec<String>,
    usage: String,
}

impl Before {
    pub(crate) fn of(engine: &NativeEngine) -> anyhow::Result<Self> {
        Ok(Self { paths: listing(&engine.root())?, usage: usage(engine)? })
    }

    /// Holds if it has no more once all that builds leave is removed.
    pub(crate) fn is_all_after_a_prune(&self, engine: &NativeEngine) -> anyhow::Result<()> {
        engine.docker(&["builder", "prune", "-af"])?.success()?;
        engine.docker(&["image", "prune", "-f"])?.success()?;
        let usage = usage(engine)?;
        ensure!(usage == self.usage, "{usage} in place of {}", self.usage);
        store_is_whole(engine)?;
        nothing_is_more(engine, &self.paths)
    }
}

fn usage(engine: &NativeEngine) -> anyhow::Result<String> {
    let shown =
        engine.docker(&["system", "df", "--format", "{{.Type}} {{.TotalCount}} {{.Size}}"])?;
    Ok(shown.success()?.to_owned())
}

/// Holds if an engine that has started after a kill runs nothing, and has nothing half made.
pub(crate) fn nothing_goes_on(engine: &NativeEngine) -> anyhow::Result<()> {
    let shims = engine.shims();
    ensure!(shims.is_empty(), "it still runs: {shims:?}");
    ensure!(engine.docker(&["ps", "-aq"])?.success()?.is_empty(), "containers are listed");
    let steps = steps_under_way(engine)?;
    ensure!(steps.is_empty(), "steps are left: {steps:?}");
    ensure!(contexts(engine)? == 0, "a context is left");
    store_is_whole(engine)
}

/// The directories of steps that are being done.
pub(crate) fn steps_under_way(engine: &NativeEngine) -> anyhow::Result<Vec<String>> {
    let entries = fs::read_dir(engine.root().join("builds"))?;
    let names = entries.flatten().map(|entry| entry.file_name().to_string_lossy().into_owned());
    Ok(names.filter(|name| name.len() == 64).collect())
}

fn contexts(engine: &NativeEngine) -> anyhow::Result<usize> {
    let contexts = engine.root().join("builds/contexts");
    Ok(if contexts.exists() { fs::read_dir(contexts)?.count() } else { 0 })
}

pub(crate) fn wait_until(is_so: impl Fn() -> anyhow::Result<bool>) -> anyhow::Result<()> {
    let begun = Instant::now();
    while !is_so()? {
        ensure!(begun.elapsed() < PATIENCE, "it does not come to that");
        thread::yield_now();
    }
    Ok(())
}

/// The images that have names, beside the base. One that was just made may not have come to its
/// name.
pub(crate) fn images(engine: &NativeEngine) -> anyhow::Result<Vec<String>> {
    let listed = engine.docker(&["images", "--format", "{{.Repository}}:{{.Tag}}"])?;
    let names = listed.success()?.lines().map(str::to_owned);
    let is_made = |name: &String| name != "busybox:latest" && name != "<none>:<none>";
    Ok(names.filter(is_made).collect())
}

/// Holds if what is listed after the kill of a build is whole, and is there if that was told.
pub(crate) fn is_whole_if_listed(
    engine: &NativeEngine,
    name: &str,
    round: u32,
    is_told: bool,
) -> anyhow::Result<()> {
    let listed = images(engine)?;
    ensure!(!is_told || listed == [name], "{name} was told, and there is {listed:?}");
    for listed in listed {
        ensure!(listed == name, "{listed} is listed");
        ensure!(engine.docker(&["run", "--rm", name])?.success()? == says(round));
    }
    Ok(())
}

/// The steps that have files and were told to their ends, and whether each was in the cache.
fn told(output: &Output) -> BTreeMap<&str, bool> {
    let (mut told, mut step, mut is_cached) = (BTreeMap::new(), None, false);
    for line in output.stdout.lines() {
        if line.starts_with("Step ") {
            let (_, instruction) = line.split_once(" : ").unwrap_or_default();
            let has_files =
                ["RUN", "COPY", "WORKDIR"].iter().any(|word| instruction.starts_with(word));
            (step, is_cached) = (has_files.then_some(line), false);
        } else if line == " ---> Using cache" {
            is_cached = true;
        } else if line.starts_with(" ---> ")
            && let Some(step) = step.take()
        {
            told.insert(step, is_cached);
        }
    }
    told
}

#[test]
fn what_was_told_is_done_whenever_the_engine_is_killed() -> anyhow::Result<()> {
    with_seed(|random| {
        let mut engine = NativeEngine::with_busybox()?;
        let before = Before::of(&engine)?;
        write_files(&context(&engine, &[("Dockerfile", DOCKERFILE)])?)?;
        let begun = Instant::now();
        build(&engine, &["--build-arg", "ROUND=whole", "-t", "made:whole"])?.success()?;
        let takes = begun.elapsed();
        engine.docker(&["rmi", "made:whole"])?.success()?;
        let (mut cut, mut kept) = (0, 0);
        for round in 0..KILLS {
            let at = takes.mul_f64(random.random_range(0.0..1.1));
            let (is_cut, steps) = kill_at(&mut engine, round, at)
                .with_context(|| format!("kill {round}, {at:?} after the build began"))?;
            cut += u32::from(is_cut);
            kept += steps;
        }
        ensure!(cut > KILLS / 4, "only {cut} of {KILLS} kills came in the midst of a build");
        ensure!(kept > 0, "no kill came after a step");
        before.is_all_after_a_prune(&engine)
    })
}

/// Gives whether the build was cut, and how many steps it had told.
fn kill_at(engine: &mut NativeEngine, round: u32, at: Duration) -> anyhow::Result<(bool, usize)> {
    let (name, argument) = (format!("made:{round}"), format!("ROUND={round}"));
    let arguments = ["--build-arg", &argument, "-t", &name];
    let directory = engine.scratch().join("context").display().to_string();
    let running = start(engine, &[&arguments[..], &[&directory]].concat())?;
    wait(at);
    engine.kill()?;
    let first = running.finish()?;
    engine.restart()?;
    nothing_goes_on(engine)?;
    is_whole_if_listed(engine, &name, round, first.code == 0)?;

    let second = build(engine, &arguments)?;
    second.success()?;
    let (done, then) = (told(&first), told(&second));
    for step in done.keys() {
        ensure!(then.get(step) == Some(&true), "{step} was done again: {first:?} {second:?}");
    }
    is_whole_if_listed(engine, &name, round, true)?;
    engine.docker(&["rmi", &name])?.success()?;
    Ok((first.code != 0, done.len()))
}

#[test]
fn a_context_that_came_by_half_is_gone() -> anyhow::Result<()> {
    let mut engine = NativeEngine::with_busybox()?;
    let before = Before::of(&engine)?;
    let mut archive = tar::Builder::new(Vec::new());
    let large = bytes(1, 8 << 20);
    for (name, content) in [("Dockerfile", &b"FROM busybox\nCOPY large /\n"[..]), ("large", &large)]
    {
        let mut header = tar::Header::new_ustar();
        header.set_size(content.len() as u64);
        header.set_mode(0o644);
        archive.append_data(&mut header, name, content)?;
    }
    let archive = archive.into_inner()?;
    let mut stream = UnixStream::connect(engine.socket())?;
    let length = archive.len();
    write!(
        stream,
        "POST /build?t=made HTTP/1.1\r\nHost: docker\r\nContent-Length: {length}\r\n\r\n"
    )?;
    stream.write_all(&archive[..length / 2])?;
    wait_until(|| Ok(contexts(&engine)? > 0))?;
    engine.kill()?;
    engine.restart()?;
    nothing_goes_on(&engine)?;
    ensure!(images(&engine)?.is_empty());

    engine.docker_with_input(&["build", "-t", "made", "-"], &archive)?.success()?;
    let run = engine.docker(&["run", "--rm", "made", "wc", "-c", "/large"])?;
    assert_eq!(run.success()?, format!("{} /large", large.len()));
    engine.docker(&["rmi", "made"])?.success()?;
    before.is_all_after_a_prune(&engine)
}

#[test]
fn a_copy_that_was_cut_is_made_whole() -> anyhow::Result<()> {
    let mut engine = NativeEngine::with_busybox()?;
    let before = Before::of(&engine)?;
    let directory = context(&engine, &[("Dockerfile", "FROM busybox\nCOPY files /files\n")])?;
    write_files(&directory)?;
    let directory = directory.display().to_string();
    let running = start(&engine, &["-t", "made", &directory])?;
    wait_until(|| Ok(!steps_under_way(&engine)?.is_empty()))?;
    engine.kill()?;
    running.finish()?;
    engine.restart()?;
    nothing_goes_on(&engine)?;

    build(&engine, &["-t", "made"])?.success()?;
    let sums = "cd /files && ls | wc -l && cat * | wc -c";
    let run = engine.docker(&["run", "--rm", "made", "sh", "-c", sums])?;
    assert_eq!(run.success()?, format!("{FILES}\n{}", FILES * LENGTH));
    engine.docker(&["rmi", "made"])?.success()?;
    before.is_all_after_a_prune(&engine)
}

#[test]
fn each_stage_goes_on_from_its_own_last_step() -> anyhow::Result<()> {
    let mut engine = NativeEngine::with_busybox()?;
    let before = Before::of(&engine)?;
    let stage = |name: &str| {
        format!(
            "FROM busybox AS {name}\nRUN cat /proc/sys/kernel/random/uuid > /{name}\n\
             RUN --mount=type=cache,id={name},target=/go \
             if [ -e /go/on ]; then cp /{name} /{name}-too; else touch /go/on; sleep 1000; fi\n"
        )
    };
    let dockerfile = format!(
        "{}{}FROM busybox\nCOPY --from=one /one /one-too /\nCOPY --from=two /two /two-too /\n",
        stage("one"),
        stage("two")
    );
    let directory = context(&engine, &[("Dockerfile", &dockerfile)])?.display().to_string();
    let running = start(&engine, &["-t", "made", &directory])?;
    let caches = engine.root().join("builds/caches");
    // Both programs of the second steps sleep now.
    wait_until(|| {
        let caches = fs::read_dir(&caches)?.flatten();
        Ok(caches.filter(|cache| cache.path().join("on").exists()).count() == 2)
    })?;
    engine.kill()?;
    running.finish()?;
    engine.restart()?;
    nothing_goes_on(&engine)?;
    ensure!(images(&engine)?.is_empty());

    let again = build(&engine, &["-t", "made"])?;
    again.success()?;
    let cached = told(&again).into_iter().filter(|(_, is_cached)| *is_cached);
    let cached: Vec<_> = cached.map(|(step, _)| step).collect();
    assert_eq!(cached.len(), 2, "{again:?}");
    assert!(cached.iter().all(|step| step.contains("RUN cat /proc")), "{cached:?}");
    let same = "cmp /one /one-too && cmp /two /two-too";
    engine.docker(&["run", "--rm", "made", "sh", "-c", same])?.success()?;
    engine.docker(&["rmi", "made"])?.success()?;
    before.is_all_after_a_prune(&engine)
}
