//! The projects in `projects/`, written as people write theirs: with the tools of their languages,
//! of Debian, in stages, as another user than root, and with a check of their health. Each is built
//! through both doors, answers, and is built again when it has changed, from what has not.

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
use crate::dockerfiles::cached;
use crate::{buildx, compose};

/// How long one may take to be healthy, or to answer.
const PATIENCE: Duration = Duration::from_mins(1);
/// What each answers: it knows who asks, its version, and that it is not root.
const GREETING: &str = "hello you from 1.2.0 as 1000";

/// As the images of these names have it: where Java is, and where Go and Rust keep what they fetch.
const ENVIRONMENT: [&str; 3] = [
    "PATH=/usr/lib/jvm/default-java/bin:/usr/local/bin:/usr/bin:/bin",
    "GOPATH=/go",
    "CARGO_HOME=/usr/local/cargo",
];

struct Project {
    engine: Engine,
    folder: PathBuf,
}

impl Project {
    /// A project, on an engine that has the images that it stands on: each is one of Debian's roots
    /// by the name that people know such an image by.
    fn new(name: &str, bases: &[(&str, &str)]) -> anyhow::Result<Self> {
        let engine = Engine::with_busybox()?;
        buildx::install(&engine)?;
        for (root, image) in bases {
            let base = clients::image(root, &[], &json!({ "Env": ENVIRONMENT }))?;
            engine.load(&base, &format!("docker.io/library/{image}"))?;
        }
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

    /// Builds it through both doors, and gives what each has said.
    fn comes_out(&self, expected: &str) -> anyhow::Result<[String; 2]> {
        let built = |tag: &str, output: Output| {
            output.success()?;
            self.answers(tag, expected).context(tag.to_owned())?;
            anyhow::Ok(output.stdout + &output.stderr)
        };
        let by_buildx = built("buildx", self.by_buildx("buildx")?)?;
        Ok([by_buildx, built("classic", self.classic("classic")?)?])
    }

    /// Builds it before and after `file` is another, which is nothing to the step `kept`. Gives
    /// what buildx, the first to do what is done, has said each time.
    fn is_built(&self, file: &str, kept: &str, expected: &str) -> anyhow::Result<[String; 2]> {
        let [first, _] = self.comes_out(expected)?;
        let path = self.folder.join(file);
        let changed = fs::read_to_string(&path)?.replace("hello", "goodbye");
        fs::write(&path, changed)?;
        let second = self.comes_out(&expected.replace("hello", "goodbye"))?;
        for said in &second {
            ensure!(cached(said).get(kept) == Some(&true), "{kept} was done again: {said}");
        }
        let [second, _] = second;
        Ok([first, second])
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
    let project = Project::new("node", &[("node", "node:20-slim")])?;
    fs::create_dir(project.folder.join("node_modules"))?;
    for name in ["npm-debug.log", ".env.local"] {
        fs::write(project.folder.join(name), "")?;
    }
    project.is_built("src/greeting.js", "COPY package.json ./", GREETING)?;
    let sources = [".env.example", "build.js", "package.json", "src", "test"];
    for tag in ["classic", "buildx"] {
        assert_eq!(project.sources(tag, "/app/sources")?, sources, "{tag}");
    }
    Ok(())
}

#[test]
fn a_server_of_pythons() -> anyhow::Result<()> {
    let project = Project::new("python", &[("python", "python:3.13-slim")])?;
    fs::write(project.folder.join("notes.txt"), "")?;
    project.is_built("Dockerfile", "WORKDIR /src", GREETING)?;
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
    let project = Project::new("c", &[("gcc", "gcc:14")])?;
    fs::create_dir(project.folder.join("build"))?;
    fs::write(project.folder.join("left.o"), "")?;
    project.is_built("src/greeting.c", "COPY Makefile ./", GREETING)?;
    for tag in ["classic", "buildx"] {
        assert_eq!(project.sources(tag, "/sources")?, ["Makefile", "src"], "{tag}");
    }
    Ok(())
}

/// Whether a line of what a step has said ends with these words.
fn is_said(output: &str, words: &str) -> bool {
    output.lines().any(|line| line.ends_with(&format!(" {words}")))
}

#[test]
fn a_server_in_go() -> anyhow::Result<()> {
    let project = Project::new("go", &[("go", "golang:1.24")])?;
    fs::create_dir(project.folder.join("bin"))?;
    for name in ["bin/greeter", "notes.md"] {
        fs::write(project.folder.join(name), "")?;
    }
    let kept = "RUN --mount=type=cache,target=/go/pkg/mod go mod download";
    let [first, second] = project.is_built("greeting/greeting.go", kept, GREETING)?;
    // What Go has of its own is compiled once: the rest is in the cache that is mounted.
    for (package, is_again) in [("net", false), ("example.com/greeter/greeting", true)] {
        ensure!(is_said(&first, package), "{package} is not compiled: {first}");
        ensure!(is_said(&second, package) == is_again, "{package}: {second}");
    }
    for tag in ["classic", "buildx"] {
        assert_eq!(project.sources(tag, "/sources")?, ["cmd", "go.mod", "greeting"], "{tag}");
    }
    Ok(())
}

#[test]
fn a_server_in_rust() -> anyhow::Result<()> {
    let bases = [("rust", "rust:1-slim"), ("slim", "debian:trixie-slim")];
    let project = Project::new("rust", &bases)?;
    fs::create_dir(project.folder.join("target"))?;
    fs::write(project.folder.join(".env"), "")?;
    let kept = "COPY wording ./wording";
    let [first, second] = project.is_built("src/main.rs", kept, GREETING)?;
    // The crate that has not changed is in the cache that is mounted.
    for (name, is_again) in
        [("wording v1.2.0 (/src/wording)", false), ("greeter v1.2.0 (/src)", true)]
    {
        let compiling = format!("Compiling {name}");
        ensure!(is_said(&first, &compiling), "{name} is not compiled: {first}");
        ensure!(is_said(&second, &compiling) == is_again, "{name}: {second}");
    }
    let sources = ["Cargo.lock", "Cargo.toml", "src", "wording"];
    for tag in ["classic", "buildx"] {
        assert_eq!(project.sources(tag, "/app/sources")?, sources, "{tag}");
    }
    Ok(())
}

#[test]
fn a_server_in_java() -> anyhow::Result<()> {
    // Debian's runtime is within its kit.
    let bases = [("java", "eclipse-temurin:21-jdk")];
    let project = Project::new("java", &bases)?;
    let tag = ["tag", "eclipse-temurin:21-jdk", "eclipse-temurin:21-jre"];
    project.engine.docker(&tag)?.success()?;
    fs::create_dir(project.folder.join("build"))?;
    fs::write(project.folder.join("src/greeter/Left.class"), "")?;
    project.is_built("src/greeter/Greeting.java", "COPY manifest.mf ./", GREETING)?;
    for tag in ["classic", "buildx"] {
        assert_eq!(project.sources(tag, "/app/sources")?, ["manifest.mf", "src"], "{tag}");
        let left = ["run", "--rm", "--entrypoint", "ls", tag, "sources/src/greeter"];
        let left = project.engine.docker(&left)?;
        assert_eq!(left.success()?, "Greeting.java\nHealth.java\nMain.java", "{tag}");
    }
    Ok(())
}
