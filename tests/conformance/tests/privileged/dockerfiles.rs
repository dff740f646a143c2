//! Dockerfiles, each built by the engine under test and by Docker's two builders: what comes out
//! is the same, but for what `dockerfile-differences.toml` lists with its reason.
//!
//! The cases are in `dockerfiles/*.toml`. Each is built by Naru through `POST /build`, by another
//! Naru through buildx, by the classic builder and by the BuildKit of Debian's docker.io, unless it
//! says why not. Compared are the files with all that they have, the configuration, the history, and
//! for cases that build more than once which steps were done before. By hand,
//! `NARU_DOCKERFILES=WORD` picks cases by name, and `NARU_DOCKERFILES_PEERS=1` compares Docker's two
//! builders with each other.

mod bases;
mod case;
mod context;
mod image;
mod outcome;
mod side;

use std::collections::VecDeque;
use std::env::var_os;
use std::fs;
use std::iter;
use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::Instant;

use anyhow::{Context as _, bail, ensure};
use naru_test_framework::{DockerHost, Dockerd, NativeEngine, clients};

use crate::compare::differences::{self, Answers, Difference, Table};
use case::Case;
use outcome::{check, shown};
use side::{Builder, Built, Files, Side};

pub(crate) use side::cached;

const DIFFERENCES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/dockerfile-differences.toml");
/// As many as are worth it on two processors: builds wait most of the time.
const WORKERS: usize = 4;
/// As many cases are built before their images are looked at together.
const BATCH: usize = 8;

#[test]
#[expect(clippy::print_stdout, reason = "how long it took is worth knowing")]
fn every_dockerfile_holds_against_docker() -> anyhow::Result<()> {
    let picked = var_os("NARU_DOCKERFILES").map(|word| word.to_string_lossy().into_owned());
    let mut cases = case::all()?;
    ensure!(cases.len() >= 150, "only {} Dockerfiles are compared", cases.len());
    cases.retain(|case| picked.as_ref().is_none_or(|word| case.name.contains(word)));
    let (naru, docker) = (NativeEngine::start()?, Dockerd::in_memory()?);
    // What the one has built must not be there already for the other.
    let through_buildx = NativeEngine::start()?;
    let socket = docker.socket();
    let hosts = [naru.host(), through_buildx.host(), format!("unix://{}", socket.display())];
    load_bases(&naru, &hosts)?;
    let buildx = clients::buildx()?;
    let served = Files::serve(&docker, naru.scratch())?;
    let (first, others) = match var_os("NARU_DOCKERFILES_PEERS") {
        None => (Builder::Naru, &[Builder::Buildx, Builder::Classic, Builder::BuildKit][..]),
        Some(_) => (Builder::Classic, &[Builder::BuildKit][..]),
    };
    let suite = Suite {
        naru: &naru,
        through_buildx: &through_buildx,
        docker: &socket,
        buildx: &buildx,
        url: served.url(),
        first,
        others,
    };
    let begun = Instant::now();
    let compared = suite.run(&cases);
    println!("{} Dockerfiles in {} s", cases.len(), begun.elapsed().as_secs());

    let table = fs::read_to_string(DIFFERENCES)?;
    let mut table = Table::read(&table).context("dockerfile-differences.toml")?;
    let (mut failed, mut unlisted) = (Vec::new(), Vec::new());
    for (case, compared) in compared {
        let of_this = match compared {
            Ok(found) => found,
            Err(error) if case.not_yet.is_empty() => {
                failed.push(format!("{}: {error:#}", case.name));
                continue;
            }
            Err(_) => continue,
        };
        let mut new = Vec::new();
        for (builder, difference) in &of_this {
            if !table.covers(difference, &builder.as_peer(), "") {
                new.push(format!("{builder:?} {difference}"));
            }
        }
        if case.not_yet.is_empty() {
            unlisted.extend(new);
        } else if new.is_empty() {
            failed.push(format!("{} works now: it is \"not yet\" no more", case.name));
        }
    }
    let peers = others.iter().map(|builder| builder.as_peer());
    let stale: Vec<String> = match picked {
        None => table.stale(&peers.collect::<Vec<_>>(), &[""]),
        Some(_) => Vec::new(),
    };
    if unlisted.is_empty() && stale.is_empty() && failed.is_empty() {
        return Ok(());
    }
    bail!(
        "failed:\n{}\n\nunlike Docker and not listed:\n{}\n\nlisted and not so:\n{}",
        failed.join("\n"),
        unlisted.join("\n"),
        stale.join("\n")
    )
}

/// All have the same images, by the same names.
fn load_bases(client: &DockerHost, hosts: &[String]) -> anyhow::Result<()> {
    for (image, names) in bases::all()? {
        let archive = image.docker_archive(names[0])?;
        for host in hosts {
            client.docker_with_input(&["--host", host, "load"], &archive)?.success()?;
            for name in &names[1..] {
                client.docker(&["--host", host, "tag", names[0], name])?.success()?;
            }
        }
    }
    Ok(())
}

/// What all cases share.
struct Suite<'a> {
    naru: &'a DockerHost,
    /// One more, for buildx alone.
    through_buildx: &'a DockerHost,
    /// Where Docker listens.
    docker: &'a Path,
    /// The program.
    buildx: &'a Path,
    /// Of files that `ADD` fetches.
    url: &'a str,
    first: Builder,
    others: &'a [Builder],
}

type Found = Vec<(Builder, Difference)>;

impl Suite<'_> {
    /// All cases, side by side: what differs, or what fails.
    fn run<'c>(&self, cases: &'c [Case]) -> Vec<(&'c Case, anyhow::Result<Found>)> {
        let waiting: Mutex<VecDeque<&[Case]>> = Mutex::new(cases.chunks(BATCH).collect());
        let done = Mutex::new(Vec::new());
        thread::scope(|scope| {
            for _ in 0..WORKERS {
                scope.spawn(|| {
                    loop {
                        let next =
                            waiting.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
                        let Some(cases) = next else { return };
                        let compared = self.compare_all(cases);
                        let mut done = done.lock().unwrap_or_else(PoisonError::into_inner);
                        done.extend(cases.iter().zip(compared));
                    }
                });
            }
        });
        let mut done = done.into_inner().unwrap_or_else(PoisonError::into_inner);
        done.sort_by_key(|(case, _)| case.name.as_str());
        done
    }

    fn compare_all(&self, cases: &[Case]) -> Vec<anyhow::Result<Found>> {
        let cases: Vec<Case> = cases.iter().map(|case| case.at(self.url)).collect();
        let builders = iter::once(self.first).chain(self.others.iter().copied());
        let mut answers: Vec<_> = builders
            .map(|builder| (builder, self.answers_of_all(&cases, builder).into_iter()))
            .collect();
        let compared = cases.iter().map(|case| {
            let mut of_this = Vec::new();
            // One after the other, whatever becomes of them.
            for (builder, answers) in &mut answers {
                of_this.push((*builder, answers.next().context("each case has an answer")));
            }
            let of_this = of_this.into_iter().map(|(builder, answers)| {
                anyhow::Ok((builder, answers.flatten().with_context(|| format!("{builder:?}"))?))
            });
            Ok(compare(case, of_this.collect::<anyhow::Result<_>>()?))
        });
        compared.collect()
    }

    /// What comes of these cases with one builder.
    fn answers_of_all(&self, cases: &[Case], builder: Builder) -> Vec<anyhow::Result<Answers>> {
        let naru = if builder == Builder::Buildx { self.through_buildx } else { self.naru };
        let side = Side { builder, naru, docker: self.docker, buildx: self.buildx };
        let mut built: Vec<_> = cases.iter().map(|case| self.build(case, &side)).collect();
        let looked = side.look(built.iter_mut().flatten().flatten());
        let answers = cases.iter().zip(built).map(|(case, built)| {
            let built = built?;
            if let Err(error) = &looked {
                bail!("{error:#}");
            }
            answers(case, builder, built)
        });
        answers.collect()
    }

    /// All builds of a case.
    fn build(&self, case: &Case, side: &Side<'_>) -> anyhow::Result<Vec<Built>> {
        if !case.is_compared_with(side.builder) {
            return Ok(Vec::new());
        }
        let folder = self.naru.scratch().join(format!("{:?}", side.builder)).join(&case.name);
        fs::create_dir_all(&folder)?;
        context::write(&folder, case, !side.builder.is_naru())?;
        let mut options = &case.options;
        let mut built = Vec::new();
        for number in 0..=case.then.len() {
            if let Some(change) = number.checked_sub(1).and_then(|number| case.then.get(number)) {
                context::change(&folder, case, change)?;
                options = change.options.as_ref().unwrap_or(options);
            }
            built.push(side.build(&folder, &format!("{}:{}", case.name, number + 1), options)?);
        }
        Ok(built)
    }
}

/// A case's answers build by build: `name`, `name/2`, …
fn answers(case: &Case, builder: Builder, built: Vec<Built>) -> anyhow::Result<Answers> {
    let mut answers = Answers::new();
    for (number, built) in built.into_iter().enumerate() {
        check(case, builder, &built, number == case.then.len())?;
        let name =
            if number == 0 { case.name.clone() } else { format!("{}/{}", case.name, number + 1) };
        answers.insert(name, shown(built, !case.then.is_empty()));
    }
    Ok(answers)
}

/// What differs from the first that builds the case at all.
fn compare(case: &Case, answers: Vec<(Builder, Answers)>) -> Found {
    let mut answers = answers.into_iter().filter(|(_, answers)| !answers.is_empty());
    let Some((_, first)) = answers.next() else { return Found::new() };
    let mut found = Vec::new();
    for (builder, mut other) in answers {
        let mut first = first.clone();
        if case.docker.is_some() && !builder.is_naru() {
            for answer in first.values_mut().chain(other.values_mut()) {
                answer.as_object_mut().map(|answer| answer.remove("history"));
            }
        }
        let differences = differences::between(&other, &first);
        found.extend(differences.into_iter().map(|difference| (builder, difference)));
    }
    found
}
