//! The projects in `projects/`, written as people write theirs: with the tools of their languages,
//! of Debian, in stages, as another user than root, and with a check of their health. Each is built
//! through both doors, answers, and is built again when it has changed.

use std::collections::BTreeMap;
use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::PathBuf;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use naru_test_framework::{Engine, Output, Running, clients};
use serde_json::json;

use crate::build::start;
use crate::{buildx, compose};

/// How long one may take to be healthy, or to answer.
const PATIENCE: Duration = Duration::from_mins(1);

struct Project {
    engine: Engine,
    folder: PathBuf,
}

impl Project {
    /// A project, on an engine that has the image of its tools.
    fn new(name: &str, tools: &str, image: &str) -> anyhow::Result<Self> {
        let engine = Engine::with_busybox()?;
        buildx::install(&engine)?;
        let path = json!({ "Env": ["PATH=/usr/local/bin:/usr/bin:/bin"] });
        engine.load(&clients::image(tools, &[], &path)?, &format!("docker.io/library/{image}"))?;
        let folder = compose::copy_of(&format!("projects/{name}"), &engine)?;
        Ok(Self { engine, folder })
    }

    fn classic(&self, tag: &str) -> anyhow::Result<Output> {
        start(&self.engine, &["-t", tag, &self.folder.display().to_string()])?.finish()
    }

    fn by_buildx(&self, tag: &str) -> anyhow::Result<Output> {
        let folder = self.folder.display().to_string();
        let build = ["buildx", "build", "--progress=plain", "-t", tag, &folder];
        Running::start(self.engine.command(&build))?.finish()
    }

    /// Holds if what was built is healthy, and says `expected` to somebody who says who they are.
    fn answers(&self, tag: &str, expected: &str) -> anyhow::Result<()> {
        let run = ["run", "-d", "--name", "app", "-p", "127.0.0.1::8080", tag];
        self.engine.docker(&run)?.success()?;
        let format = "{{.State.Status}} {{.State.Health.Status}}";
        let begun = Instant::now();
        loop {
            let state = self.engine.docker(&["inspect", "-f", format, "app"])?;
            if state.success()? == "running healthy" {
                break;
            }
            ensure!(
                begun.elapsed() < PATIENCE,
                "{state:?} {:?}",
                self.engine.docker(&["logs", "app"])
            );
            thread::yield_now();
        }
        let port = self.engine.docker(&["port", "app", "8080"])?;
        let said = visit(port.success()?)?;
        ensure!(said == expected, "{said} in place of {expected}");
        self.engine.docker(&["rm", "-f", "app"])?.success()?;
        Ok(())
    }

    /// The names of the files that were sent to be copied, by the copy in the image.
    fn sources(&self, tag: &str, directory: &str) -> anyhow::Result<Vec<String>> {
        let container = self.engine.docker(&["create", tag])?.success()?.to_owned();
        let copied = self.engine.scratch().join("sources");
        let from = format!("{container}:{directory}");
        self.engine.docker(&["cp", &from, &copied.display().to_string()])?.success()?;
        self.engine.docker(&["rm", &container])?.success()?;
        let entries = fs::read_dir(&copied)?;
        let mut names: Vec<String> = entries
            .flatten()
            .map(|entry| entry.file_name().to_string_lossy().into_owned())
            .collect();
        names.sort();
        fs::remove_dir_all(copied)?;
        Ok(names)
    }

    /// Builds it through both doors, before and after `file` is another.
    fn is_built(&self, file: &str, expected: &str) -> anyhow::Result<()> {
        type Door = fn(&Project, &str) -> anyhow::Result<Output>;
        let doors: BTreeMap<_, Door> =
            [("classic", Self::classic as Door), ("buildx", Self::by_buildx)].into();
        for (tag, build) in &doors {
            build(self, tag)?.success()?;
            self.answers(tag, expected).context(*tag)?;
        }
        let path = self.folder.join(file);
        let changed = fs::read_to_string(&path)?.replace("hello", "goodbye");
        fs::write(&path, changed)?;
        for (tag, build) in &doors {
            build(self, tag)?.success()?;
            self.answers(tag, &expected.replace("hello", "goodbye")).context(*tag)?;
        }
        Ok(())
    }
}

/// One visit, by who is called `you`.
fn visit(address: &str) -> anyhow::Result<String> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.write_all(b"GET /you HTTP/1.1\r\nHost: app\r\nConnection: close\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let (_, body) = answer.split_once("\r\n\r\n").context("an answer")?;
    Ok(body.to_owned())
}

#[test]
fn a_server_of_nodes() -> anyhow::Result<()> {
    let project = Project::new("node", "node", "node:20-slim")?;
    fs::create_dir(project.folder.join("node_modules"))?;
    for name in ["npm-debug.log", ".env.local"] {
        fs::write(project.folder.join(name), "")?;
    }
    project.is_built("src/greeting.js", "hello you from 1.2.0 as 1000")?;
    let sources = [".env.example", "build.js", "package.json", "src", "test"];
    for tag in ["classic", "buildx"] {
        assert_eq!(project.sources(tag, "/app/sources")?, sources, "{tag}");
    }
    Ok(())
}

#[test]
fn a_server_of_pythons() -> anyhow::Result<()> {
    let project = Project::new("python", "python", "python:3.13-slim")?;
    fs::write(project.folder.join("notes.txt"), "")?;
    project.is_built("Dockerfile", "hello you from 1.2.0 as 1000")?;
    for tag in ["classic", "buildx"] {
        assert_eq!(project.sources(tag, "/app/sources")?, ["greeter", "tests"], "{tag}");
    }
    // A test that fails is a build that fails, and says why.
    let test = project.folder.join("tests/test_greeting.py");
    let wrong = fs::read_to_string(&test)?.replace("hello", "good day");
    fs::write(&test, wrong)?;
    for failed in [project.classic("failed")?, project.by_buildx("failed")?] {
        let said = format!("{}{}", failed.stdout, failed.stderr);
        ensure!(failed.code != 0 && said.contains("Regex didn't match"), "{said}");
    }
    assert_eq!(project.engine.docker(&["images", "-q", "failed"])?.success()?, "");
    Ok(())
}

#[test]
fn a_server_in_c() -> anyhow::Result<()> {
    let project = Project::new("c", "gcc", "gcc:14")?;
    fs::create_dir(project.folder.join("build"))?;
    fs::write(project.folder.join("left.o"), "")?;
    project.is_built("src/greeting.c", "hello you from 1.2.0 as 1000")?;
    for tag in ["classic", "buildx"] {
        assert_eq!(project.sources(tag, "/sources")?, ["Makefile", "src"], "{tag}");
    }
    Ok(())
}
