//! A machine that loses its power at random instants while images come and go.
//!
//! QEMU is killed. What the guest had not written by then is lost, as in a power cut, and so is what
//! is under way. What it had handed to QEMU is not: the host's page cache outlives QEMU, so that a
//! flush which is missing between two writes goes unnoticed here. That flushes come through to the
//! host's disk is QEMU's part; nothing in its arguments tells it to drop them.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use naru_test_framework::vm::kill;
use naru_test_framework::{PartedImage, Registry, Vm, indexed_layers};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use tempfile::TempDir;

/// Until somebody has noticed that QEMU is gone.
const NOTICED: Duration = Duration::from_secs(30);
/// The image that is there all the time; containers of it look into the machine.
const BASE: &str = "base:1";
/// The container that an image is made of again and again. It keeps `BASE` from being pruned.
const MAKER: &str = "maker";
/// What directories may have grown by, in KiB: they do not shrink again.
const GROWTH: u64 = 64;
/// What the index may take, in KiB: its journal grows to four MiB before it begins anew.
const INDEX: u64 = 6 << 10;

/// How an image comes.
enum Way {
    Pulled,
    /// By `docker load` of this archive.
    Loaded(PathBuf),
    /// Of the container.
    Committed,
}

/// An image that comes and goes.
struct Subject {
    name: String,
    way: Way,
    /// What it prints when all its layers are there.
    says: String,
}

/// What is under way when the power goes.
#[derive(Clone, Copy, Debug)]
enum Step {
    /// This subject comes.
    Bring(usize),
    /// All subjects go.
    Prune,
}

struct Case {
    vm: Vm,
    _registry: Registry,
    scratch: TempDir,
    base_says: String,
    subjects: Vec<Subject>,
}

#[test]
fn a_power_off_amid_pulls_loads_commits_and_prunes_loses_nothing_that_was_there() -> Result<()> {
    power_off_again_and_again(6)
}

#[test]
#[ignore = "a quarter of an hour and more"]
fn fifty_power_offs_lose_nothing_that_was_there() -> Result<()> {
    power_off_again_and_again(50)
}

fn power_off_again_and_again(rounds: u32) -> Result<()> {
    let seed: u64 = rand::rng().random();
    let mut random = StdRng::seed_from_u64(seed);
    let case = Case::new()?;
    case.power_off_again_and_again(&mut random, rounds)
        .with_context(|| format!("the seed is {seed}"))
}

impl Case {
    fn new() -> Result<Self> {
        let (registry, scratch) = (Registry::start()?, tempfile::tempdir()?);
        let [base, pulled, loaded] = [1, 2, 3].map(PartedImage::new);
        let (base, pulled, loaded) = (base?, pulled?, loaded?);
        registry.push("pulled", "1", &pulled.image)?;
        let archive = |image: &PartedImage, name: &str| -> Result<PathBuf> {
            let path = scratch.path().join(name);
            fs::write(&path, image.image.archive(&format!("docker.io/library/{name}:1"))?)?;
            Ok(path)
        };
        let (base_archive, loaded_archive) = (archive(&base, "base")?, archive(&loaded, "loaded")?);
        let made_says = format!("{}\nmade", base.says);
        let name = format!("localhost:{}/pulled:1", registry.port());
        let subjects = [
            (name, Way::Pulled, pulled.says),
            ("loaded:1".to_owned(), Way::Loaded(loaded_archive), loaded.says),
            ("made:1".to_owned(), Way::Committed, made_says),
        ];
        let subjects = subjects.map(|(name, way, says)| Subject { name, way, says }).into();

        let vm = Vm::start()?;
        vm.docker_ok(&["load", "-q", "-i", text(&base_archive)?])?;
        // As much as an image's own layers have. Nobody promises that what a container has written
        // outlives a power cut, unless it says `sync`.
        let shell = "for n in $(seq 60); do head -c 32768 /dev/urandom > /file$n; done; \
                     mkdir /part9; echo made > /part9/says; sync";
        vm.docker_ok(&["run", "--network=none", "--name", MAKER, BASE, "sh", "-c", shell])?;
        Ok(Self { vm, _registry: registry, scratch, base_says: base.says, subjects })
    }

    fn power_off_again_and_again(&self, random: &mut StdRng, rounds: u32) -> Result<()> {
        let at_first = self.check()?;
        let mut takes = Vec::new();
        for number in 0..self.subjects.len() {
            takes.push(self.take(Step::Bring(number))?);
        }
        let mut prune_takes = self.take(Step::Prune)?;
        let (mut present, mut cut) = (BTreeSet::new(), 0);
        for round in 0..rounds {
            let step = self.next_step(random, &present);
            let takes = match step {
                Step::Bring(number) => &mut takes[number],
                Step::Prune => &mut prune_takes,
            };
            let at = takes.mul_f64(random.random_range(0.0..1.2));
            let took = self.power_off(step, at)?;
            // The computer may have been busy when it was measured first.
            *takes = took.map_or(*takes, |took| took.min(*takes));
            let acknowledged = took.is_some();
            cut += u32::from(!acknowledged);
            let checked = self.check().and_then(|found| {
                self.holds(step, acknowledged, &present, &found.subjects)?;
                Ok(found.subjects)
            });
            let what = || {
                let said = if acknowledged { ", which was acknowledged" } else { "" };
                format!("round {round}, {at:?} of {takes:?} after {step:?} began{said}")
            };
            present = checked.with_context(what)?;
        }
        ensure!(cut > rounds / 4, "only {cut} of {rounds} came in the midst of something");
        self.take(Step::Prune)?;
        let at_last = self.check()?;
        ensure!(at_last.layers == at_first.layers, "{at_first:?} became {at_last:?}");
        ensure!(at_last.used_kib <= at_first.used_kib + GROWTH, "{at_first:?} became {at_last:?}");
        Ok(())
    }

    /// One of those that are not there comes, or all go.
    fn next_step(&self, random: &mut StdRng, present: &BTreeSet<String>) -> Step {
        let absent = (0..self.subjects.len())
            .filter(|number| !present.contains(&self.subjects[*number].name))
            .collect::<Vec<_>>();
        if absent.is_empty() || (!present.is_empty() && random.random_ratio(1, 3)) {
            return Step::Prune;
        }
        Step::Bring(absent[random.random_range(0..absent.len())])
    }

    fn take(&self, step: Step) -> Result<Duration> {
        let begun = Instant::now();
        match step {
            Step::Prune => self.vm.docker_ok(&["image", "prune", "-af"])?,
            Step::Bring(number) => {
                let subject = &self.subjects[number];
                match &subject.way {
                    Way::Pulled => self.vm.docker_ok(&["pull", "-q", &subject.name])?,
                    Way::Loaded(archive) => {
                        self.vm.docker_ok(&["load", "-q", "-i", text(archive)?])?
                    }
                    Way::Committed => self.vm.docker_ok(&["commit", MAKER, &subject.name])?,
                }
            }
        };
        Ok(begun.elapsed())
    }

    /// Begins a step, kills QEMU `at` some time after that, and starts the machine again. How long
    /// the step took if it was acknowledged.
    fn power_off(&self, step: Step, at: Duration) -> Result<Option<Duration>> {
        let qemu = self.vm.qemu()?;
        let took = thread::scope(|scope| -> Result<Option<Duration>> {
            let client = scope.spawn(|| self.take(step).ok());
            wait(at);
            kill(qemu)?;
            client.join().map_err(|_| anyhow::anyhow!("the client panicked"))
        })?;
        let end = Instant::now() + NOTICED;
        while self.vm.status()?["state"] != "failed" {
            ensure!(Instant::now() < end, "nobody noticed: {}", self.vm.status()?);
        }
        self.vm.naru(&["start"])?.success().with_context(|| self.vm.console())?;
        Ok(took)
    }

    /// Whether what is there now may follow from what was there.
    fn holds(
        &self,
        step: Step,
        acknowledged: bool,
        before: &BTreeSet<String>,
        after: &BTreeSet<String>,
    ) -> Result<()> {
        let (kept, may_come) = match step {
            Step::Bring(number) => (before.clone(), Some(&self.subjects[number].name)),
            Step::Prune => (BTreeSet::new(), None),
        };
        let lost: Vec<_> = kept.difference(after).collect();
        ensure!(lost.is_empty(), "{lost:?} are gone");
        let came: Vec<_> = after.difference(before).collect();
        ensure!(came.iter().all(|name| Some(*name) == may_come), "{came:?} came by themselves");
        let is_done = match may_come {
            Some(name) => after.contains(name),
            None => after.is_empty(),
        };
        ensure!(is_done || !acknowledged, "what was acknowledged is not so: {after:?}");
        Ok(())
    }

    /// Holds if every image that is listed runs, nothing half-done lies about, and the sizes that
    /// are told are those on disk.
    fn check(&self) -> Result<Found> {
        let listed = self.vm.docker_ok(&["images", "--format", "{{.Repository}}:{{.Tag}}"])?;
        let mut listed: BTreeSet<String> = listed.lines().map(str::to_owned).collect();
        for name in &listed {
            let run = [&["run", "--rm", "--network=none", name], &PartedImage::ASK[..]].concat();
            let says = if name == BASE {
                &self.base_says
            } else {
                let subject = self.subjects.iter().find(|subject| subject.name == *name);
                &subject.with_context(|| format!("{name} is listed"))?.says
            };
            ensure!(self.vm.docker_ok(&run)? == *says, "{name} is not whole");
        }
        ensure!(listed.remove(BASE), "the image that has a container is gone");
        let containers = self.vm.docker_ok(&["ps", "-a", "--format", "{{.Names}}"])?;
        ensure!(containers == MAKER, "there are the containers {containers:?}");

        let store = self.store()?;
        let entries = |name: &str| -> Result<BTreeSet<String>> {
            Ok(fs::read_to_string(store.path().join(name))?.lines().map(str::to_owned).collect())
        };
        let ingest = entries("ingest")?;
        ensure!(ingest.is_empty(), "half-done work is left: {ingest:?}");
        let layers: BTreeMap<_, _> =
            indexed_layers(&store.path().join("index.db"))?.into_iter().collect();
        let names: BTreeSet<String> = layers.keys().cloned().collect();
        for directory in ["layers", "records"] {
            let found = entries(directory)?;
            ensure!(found == names, "{found:?} are in {directory}, {names:?} in the index");
        }
        let sizes = entries("sizes")?;
        let told: BTreeSet<String> =
            layers.iter().map(|(name, size)| format!("{name} {size}")).collect();
        ensure!(sizes == told, "the layers have {sizes:?}, not {told:?}");
        let used = fs::read_to_string(store.path().join("used"))?;
        let (used_kib, index_kib) = used.trim().split_once(' ').context("two numbers")?;
        let index_kib: u64 = index_kib.parse()?;
        ensure!(index_kib <= INDEX, "the index has {index_kib} KiB");
        let used_kib = used_kib.parse()?;
        Ok(Found { subjects: listed, layers, used_kib })
    }

    /// What is in the machine's directory of images, seen by a container that sees the machine:
    /// the index, and lists of all else.
    fn store(&self) -> Result<TempDir> {
        let script = "set -e; mkdir /seen; cd /proc/1/root/var/lib/naru/images; \
            cp index.db* /seen; rm -f /seen/*-shm; \
            for d in ingest layers records; do ls $d > /seen/$d; done; \
            for l in $(ls layers); do \
              echo $l $(find layers/$l ! -type d -exec stat -c %s {} + | \
                        awk '{ all += $1 } END { print all + 0 }'); \
            done > /seen/sizes; \
            { du -sk .; du -k index.db*; } | \
              awk 'NR == 1 { all = $1 } NR > 1 { own += $1 } END { print all - own, own }' \
              > /seen/used; \
            tar -C /seen -cf - .";
        let run = ["run", "--rm", "--network=none", "--privileged", "--pid=host", BASE];
        let mut command = self.vm.docker_command(&[&run[..], &["sh", "-c", script]].concat());
        let output = command.output()?;
        let said = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "looking into the machine: {said}");
        let directory = tempfile::tempdir_in(self.scratch.path())?;
        tar::Archive::new(&*output.stdout).unpack(directory.path())?;
        Ok(directory)
    }
}

/// What is there.
#[derive(Debug)]
struct Found {
    /// The names of the subjects that are listed.
    subjects: BTreeSet<String>,
    /// Sizes of the layers by their names.
    layers: BTreeMap<String, u64>,
    /// The store without its index, in KiB.
    used_kib: u64,
}

/// The instant is as random as can be: nothing is waited for.
fn wait(time: Duration) {
    // A process of its own: `std::thread::sleep` is not allowed, so that no test waits by it.
    drop(Command::new("sleep").arg(time.as_secs_f64().to_string()).status());
}

fn text(path: &Path) -> Result<&str> {
    path.to_str().context("a path that is text")
}
