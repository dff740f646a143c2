//! An engine that is killed at random instants while images come and go.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use naru_test_framework::{NativeEngine, PartedImage, Registry, indexed_layers};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

const KILLS: u32 = 50;

/// The container that an image is made of again and again.
const MAKER: &str = "maker";

/// How an image comes.
enum Way {
    Pulled,
    /// By `docker load` of this archive.
    Loaded(Vec<u8>),
    /// Of the container; it goes by a prune.
    Committed,
}

/// An image that comes and goes in one way.
struct Subject {
    name: String,
    way: Way,
    /// What it prints when all its layers are there.
    says: String,
    /// How long it takes to come and to go.
    takes: [Duration; 2],
}

impl Subject {
    /// Begins to bring it, or to take it away.
    fn change(&self, engine: &NativeEngine, remove: bool) -> anyhow::Result<Duration> {
        let begun = Instant::now();
        match &self.way {
            Way::Committed if remove => engine.docker(&["image", "prune", "-af"]),
            _ if remove => engine.docker(&["rmi", "-f", &self.name]),
            Way::Pulled => engine.docker(&["pull", "-q", &self.name]),
            Way::Loaded(archive) => engine.docker_with_input(&["load", "-q"], archive),
            Way::Committed => engine.docker(&["commit", MAKER, &self.name]),
        }?
        .success()?;
        Ok(begun.elapsed())
    }
}

/// Runs with another seed each time, which it says when it fails.
pub(crate) fn with_seed(
    test: impl FnOnce(&mut StdRng) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let seed: u64 = rand::rng().random();
    test(&mut StdRng::seed_from_u64(seed)).with_context(|| format!("the seed is {seed}"))
}

#[test]
fn nothing_is_lost_or_half_made_when_the_engine_is_killed() -> anyhow::Result<()> {
    with_seed(|random| {
        let registry = Registry::start()?;
        let mut engine = NativeEngine::start()?;
        let pulled = PartedImage::new(1)?;
        registry.push("pulled", "1", &pulled.image)?;
        let loaded = PartedImage::new(2)?;
        let archive = loaded.image.archive("docker.io/library/loaded:1")?;
        let mut subjects = [
            (registry.reference("pulled", "1"), Way::Pulled, pulled.says),
            ("loaded:1".to_owned(), Way::Loaded(archive), loaded.says),
        ]
        .map(|(name, way, says)| Subject { name, way, says, takes: Default::default() });
        kill_again_and_again(random, &mut engine, &mut subjects, 0)?;
        nothing_is_left(&engine, &subjects)
    })
}

#[test]
fn a_kill_amid_commits_and_prunes_loses_nothing_that_was_there() -> anyhow::Result<()> {
    with_seed(|random| {
        let mut engine = NativeEngine::start()?;
        let base = PartedImage::new(3)?;
        engine.load(&base.image, "base:1")?;
        // It writes as much as the image's own layers have, and goes on.
        let shell = "for n in $(seq 60); do head -c 32768 /dev/urandom > /file$n; done; \
                     mkdir /part9; echo made > /part9/says; touch /ready; exec sleep 100000";
        let run = ["run", "-d", "--network=none", "--name", MAKER, "base:1", "sh", "-c", shell];
        engine.docker(&run)?.success()?;
        let ready = "until [ -e /ready ]; do :; done";
        engine.docker(&["exec", MAKER, "sh", "-c", ready])?.success()?;
        let mut subjects = [
            ("base:1", Way::Loaded(Vec::new()), base.says.clone()),
            ("made:1", Way::Committed, format!("{}\nmade", base.says)),
        ]
        .map(|(name, way, says)| Subject {
            name: name.to_owned(),
            way,
            says,
            takes: Default::default(),
        });
        kill_again_and_again(random, &mut engine, &mut subjects, 1)?;
        let state = engine.docker(&["inspect", "-f", "{{.State.Status}}", MAKER])?;
        ensure!(state.success()? == "running", "the container was left {state:?}");
        engine.docker(&["rm", "-f", MAKER])?.success()?;
        nothing_is_left(&engine, &subjects)
    })
}

/// Kills the engine while one of the images comes or goes, those from `first` on; the others are
/// there all the time.
fn kill_again_and_again(
    random: &mut StdRng,
    engine: &mut NativeEngine,
    subjects: &mut [Subject],
    first: usize,
) -> anyhow::Result<()> {
    for subject in &mut subjects[first..] {
        subject.takes = [subject.change(engine, false)?, subject.change(engine, true)?];
    }
    let (mut present, mut cut) = (check(engine, subjects)?, 0);
    for round in 0..KILLS {
        let number = random.random_range(first..subjects.len());
        let subject = &subjects[number];
        let remove = present.contains(&subject.name);
        let at = subject.takes[usize::from(remove)].mul_f64(random.random_range(0.0..1.2));
        let took = thread::scope(|scope| -> anyhow::Result<Option<Duration>> {
            let change = scope.spawn(|| subject.change(engine, remove).ok());
            wait(at);
            // The handle is the other thread's, too; it is a kill all the same.
            let pid = engine.pid().context("the engine runs")?;
            kill(Pid::from_raw(pid.try_into()?), Signal::SIGKILL)?;
            change.join().map_err(|_| anyhow::anyhow!("the client panicked"))
        })?;
        let acknowledged = took.is_some();
        cut += u32::from(!acknowledged);
        engine.kill()?;
        engine.restart()?;
        let what = format!(
            "kill {round}, {at:?} after {} {} began",
            if remove { "the removal of" } else { "the coming of" },
            subject.name
        );
        present = check(engine, subjects).with_context(|| what.clone())?;
        for still in &subjects[..first] {
            ensure!(present.contains(&still.name), "{what}: {} is gone", still.name);
        }
        let is_there = present.contains(&subject.name);
        ensure!(!acknowledged || is_there != remove, "{what}: what was acknowledged is not so");
        // The computer may have been busy when it was measured first.
        let takes = &mut subjects[number].takes[usize::from(remove)];
        *takes = took.map_or(*takes, |took| took.min(*takes));
    }
    ensure!(cut > KILLS / 4, "only {cut} of {KILLS} kills came in the midst of something");
    Ok(())
}

/// The next sweep takes what the kills left over.
fn nothing_is_left(engine: &NativeEngine, subjects: &[Subject]) -> anyhow::Result<()> {
    if let Some(last) = subjects.iter().find(|subject| matches!(subject.way, Way::Pulled)) {
        last.change(engine, false)?;
    }
    for subject in subjects.iter().rev() {
        engine.docker(&["rmi", "-f", &subject.name])?;
    }
    let left = layers(engine)?;
    ensure!(left.is_empty(), "layers are left: {left:?}");
    check(engine, subjects).map(drop)
}

/// The instant is as random as can be: nothing is waited for.
#[expect(clippy::disallowed_methods, reason = "an engine is killed at any time")]
pub(crate) fn wait(time: Duration) {
    thread::sleep(time);
}

/// Holds if every image that is listed runs, and the store is whole. Gives the names of the images.
fn check(engine: &NativeEngine, subjects: &[Subject]) -> anyhow::Result<BTreeSet<String>> {
    let listed = engine.docker(&["images", "--format", "{{.Repository}}:{{.Tag}}"])?;
    let listed: BTreeSet<String> = listed.success()?.lines().map(str::to_owned).collect();
    for name in &listed {
        let subject = subjects.iter().find(|subject| subject.name == *name);
        let subject = subject.with_context(|| format!("{name} is listed"))?;
        let run = [&["run", "--rm", "--network=none", name], &PartedImage::ASK[..]].concat();
        ensure!(engine.docker(&run)?.success()? == subject.says, "{name} is not whole");
    }
    store_is_whole(engine)?;
    Ok(listed)
}

/// Holds if nothing half-done lies about in the store of images, and the sizes that are told are
/// those on disk.
pub(crate) fn store_is_whole(engine: &NativeEngine) -> anyhow::Result<()> {
    let store = engine.root().join("images");
    let ingest = entries(&store.join("ingest"))?;
    ensure!(ingest.is_empty(), "half-done work is left: {ingest:?}");
    let known = layers(engine)?;
    let names: BTreeSet<String> = known.iter().map(|(name, _)| name.clone()).collect();
    for directory in ["layers", "records"] {
        let found = entries(&store.join(directory))?;
        ensure!(found == names, "{found:?} are in {directory}, {names:?} in the index");
    }
    for (name, size) in known {
        let found = size_of(&store.join("layers").join(&name))?;
        ensure!(found == size, "layer {name} has {found} bytes, not {size}");
    }
    Ok(())
}

/// Names and sizes of the layers in the store's index.
fn layers(engine: &NativeEngine) -> anyhow::Result<Vec<(String, u64)>> {
    indexed_layers(&engine.root().join("images/index.db"))
}

fn entries(directory: &Path) -> anyhow::Result<BTreeSet<String>> {
    fs::read_dir(directory)?
        .map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()))
        .collect()
}

/// The bytes of files and of links' targets.
fn size_of(directory: &Path) -> anyhow::Result<u64> {
    let mut size = 0;
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        let metadata = entry.metadata()?;
        size += if metadata.is_dir() { size_of(&entry.path())? } else { metadata.len() };
    }
    Ok(size)
}
