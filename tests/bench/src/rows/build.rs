//! Images built through both doors: the first time, again, and after a change.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Result, ensure};
use hyper::Method;
use naru_test_framework::clients;

use super::{EngineBench, LONG_ROUNDS, row_of_engines};
use crate::engine::{Builder, Engine};
use crate::http::Body;
use crate::row::{NARU, Row};

const BUILDERS: [Builder; 2] = [Builder::Classic, Builder::BuildKit];
const NAME: &str = "built";
/// Of a project as people have it.
const SOURCES: usize = 300;
/// Of one that has its dependencies in the context.
const MANY: usize = 20_000;
const PER_DIRECTORY: usize = 100;
const STAGES: usize = 10;
/// Takes a shell a second or so.
const WORK: &str = "i=0; while [ $i -lt 200000 ]; do i=$((i+1)); done; echo $i";

pub(super) async fn measure(bench: &EngineBench<'_>) -> Result<Vec<Row>> {
    for engine in &bench.engines {
        let plugins = engine.directory().join("cli-plugins");
        fs::create_dir_all(&plugins)?;
        symlink(clients::buildx()?, plugins.join("docker-buildx"))?;
    }
    let mut rows = Vec::new();
    for files in [SOURCES, MANY] {
        let project = Project::make(&bench.state.join(format!("project-{files}")), bench, files)?;
        for builder in BUILDERS {
            rows.extend(again_and_again(bench, &project, builder, files).await?);
        }
    }
    for builder in BUILDERS {
        rows.push(stages(bench, builder).await?);
    }
    Ok(rows)
}

/// A context with a Dockerfile.
struct Project {
    directory: PathBuf,
}

impl Project {
    fn make(directory: &Path, bench: &EngineBench<'_>, files: usize) -> Result<Self> {
        let project = Self { directory: directory.to_owned() };
        for number in 0..files {
            let place = directory.join(format!("src/{}", number / PER_DIRECTORY));
            fs::create_dir_all(&place)?;
            fs::write(place.join(number.to_string()), format!("content of file {number}\n"))?;
        }
        let dockerfile = format!(
            "FROM {}\nENV A=b\nRUN mkdir /deps && for i in 1 2 3 4 5; do \
             head -c 1000000 /dev/zero > /deps/$i; done\nWORKDIR /app\nCOPY src src\n\
             RUN find src -type f | wc -l > count\nCMD [\"cat\", \"count\"]\n",
            bench.busybox
        );
        fs::write(directory.join("Dockerfile"), dockerfile)?;
        Ok(project)
    }

    /// Changes one of the files: each time to something else.
    fn change(&self, change: usize) -> Result<()> {
        let path = self.directory.join("src/0/0");
        Ok(fs::write(path, format!("changed for the time number {change}\n"))?)
    }

    /// Builds it as an archive that is there already: what the engine takes without its client.
    async fn build_alone(&self, engine: &Engine) -> Result<f64> {
        let mut archive = tar::Builder::new(Vec::new());
        archive.append_dir_all(".", &self.directory)?;
        let archive = Body::Tar(archive.into_inner()?.into());
        let begun = Instant::now();
        let answer = engine.ask(Method::POST, &format!("/build?t={NAME}"), archive).await?;
        let took = begun.elapsed().as_secs_f64();
        let answer = String::from_utf8_lossy(&answer);
        ensure!(answer.contains("Successfully built"), "{}: {answer}", engine.name);
        Ok(took)
    }

    /// Builds it; gives how long that took.
    async fn build(&self, engine: &Engine, builder: Builder, flags: &[&str]) -> Result<f64> {
        let directory = self.directory.display().to_string();
        let build = [&["build", "--quiet", "--tag", NAME], flags, &[directory.as_str()]].concat();
        let begun = Instant::now();
        engine.docker_through(builder, &build).await?;
        Ok(begun.elapsed().as_secs_f64())
    }
}

/// Builds a project anew, as it was, and with one file changed.
async fn again_and_again(
    bench: &EngineBench<'_>,
    project: &Project,
    builder: Builder,
    files: usize,
) -> Result<Vec<Row>> {
    let what = format!("docker build ({builder:?}), {files} files");
    let mut first = row_of_engines(format!("{what}: everything"), "s");
    let mut again = row_of_engines(format!("{what}: nothing changed"), "s");
    let mut alone = row_of_engines(format!("{what}: the same, without the client"), "s");
    let mut changed = row_of_engines(format!("{what}: one file changed"), "s");
    let mut change = 0;
    for _ in 0..bench.rounds.min(LONG_ROUNDS) {
        for engine in &bench.engines {
            let everything = project.build(engine, builder, &["--no-cache"]).await;
            // One that builds otherwise is as good as not here.
            if engine.name != NARU && everything.is_err() {
                continue;
            }
            first.push(engine.name, everything?);
            // What was done anew is not what all find again.
            project.build(engine, builder, &[]).await?;
            again.push(engine.name, project.build(engine, builder, &[]).await?);
            if builder == Builder::Classic {
                project.build_alone(engine).await?;
                alone.push(engine.name, project.build_alone(engine).await?);
            }
            change += 1;
            project.change(change)?;
            changed.push(engine.name, project.build(engine, builder, &[]).await?);
            engine.docker(&["image", "rm", "--force", NAME]).await?;
            engine.docker(&["image", "prune", "--force"]).await?;
        }
    }
    Ok(match builder {
        Builder::Classic => vec![first, again, alone, changed],
        Builder::BuildKit => vec![first, again, changed],
    })
}

/// Stages that need not wait for each other.
async fn stages(bench: &EngineBench<'_>, builder: Builder) -> Result<Row> {
    let what = format!("docker build ({builder:?}), {STAGES} independent stages");
    let mut row = row_of_engines(what, "s");
    let directory = bench.state.join("stages");
    fs::create_dir_all(&directory)?;
    let stages = (0..STAGES).map(|number| {
        format!("FROM {} AS stage{number}\nRUN {WORK} > /out{number}\n", bench.busybox)
    });
    let copies = (0..STAGES).map(|number| format!("COPY --from=stage{number} /out{number} /\n"));
    let (stages, copies): (String, String) = (stages.collect(), copies.collect());
    fs::write(directory.join("Dockerfile"), format!("{stages}FROM {}\n{copies}", bench.busybox))?;
    let project = Project { directory };
    for _ in 0..bench.rounds.min(LONG_ROUNDS) {
        for engine in &bench.engines {
            match project.build(engine, builder, &["--no-cache"]).await {
                Err(_) if engine.name != NARU => {}
                took => row.push(engine.name, took?),
            }
        }
    }
    Ok(row)
}
