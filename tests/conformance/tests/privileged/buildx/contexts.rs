//! Where a build's files come from.

use std::fs;
use std::io::Write as _;
use std::process::{Command, Stdio};

use naru_test_framework::Running;

use super::Buildx;
use crate::build_git::GitServer;

/// How many bytes of the context were sent; none are not shown.
fn sent(said: &str) -> Option<&str> {
    let line = said.lines().find(|line| line.contains("transferring context: "))?;
    let rest = line.split("transferring context: ").nth(1)?;
    Some(rest.split(' ').next().filter(|word| word.ends_with('B')).unwrap_or("0B"))
}

#[test]
fn only_what_has_changed_is_sent_again() -> anyhow::Result<()> {
    let buildx = Buildx::with("FROM busybox\nCOPY . /files\nCMD [\"cat\", \"/files/small\"]\n")?;
    buildx.write("context/.dockerignore", "*.log\nDockerfile\n")?;
    buildx.write("context/big", &"x".repeat(1_000_000))?;
    buildx.write("context/small", "one")?;
    buildx.write("context/hidden.log", "not sent")?;
    let said = buildx.build(&["-t", "app", "context"])?;
    assert_eq!(sent(&said), Some("1.00MB"), "{said}");
    assert_eq!(buildx.app(&["ls", "-a", "/files"])?, ".\n..\n.dockerignore\nbig\nsmall");
    let said = buildx.build(&["-t", "app", "context"])?;
    assert_eq!(sent(&said), Some("0B"), "{said}");
    assert!(said.contains("CACHED"), "{said}");
    buildx.write("context/small", "other")?;
    let said = buildx.build(&["-t", "app", "context"])?;
    assert_eq!(sent(&said), Some("5B"), "{said}");
    assert_eq!(buildx.app(&[])?, "other");
    fs::remove_file(buildx.path("context/big"))?;
    buildx.build(&["-t", "app", "context"])?;
    assert_eq!(buildx.app(&["ls", "/files"])?, "small");
    Ok(())
}

#[test]
fn what_no_instruction_needs_is_not_sent() -> anyhow::Result<()> {
    let buildx = Buildx::with("FROM busybox\nCOPY needed /\n")?;
    buildx.write("context/needed", "abc")?;
    buildx.write("context/large", &"x".repeat(1_000_000))?;
    let said = buildx.build(&["context"])?;
    assert_eq!(sent(&said), Some("3B"), "{said}");
    Ok(())
}

#[test]
fn a_dockerfile_may_have_its_own_list_of_what_is_ignored() -> anyhow::Result<()> {
    let buildx = Buildx::new()?;
    buildx.write("context/app.Dockerfile", "FROM busybox\nCOPY . /files\n")?;
    buildx.write("context/app.Dockerfile.dockerignore", "*\n!kept\n")?;
    buildx.write("context/.dockerignore", "kept\n")?;
    buildx.write("context/kept", "")?;
    buildx.build(&["-t", "app", "-f", "context/app.Dockerfile", "context"])?;
    assert_eq!(buildx.app(&["ls", "/files"])?, "kept");
    Ok(())
}

#[test]
fn a_context_comes_on_standard_input() -> anyhow::Result<()> {
    let buildx = Buildx::with("FROM busybox\nCOPY a /a\nCMD [\"cat\", \"/a\"]\n")?;
    buildx.write("context/a", "streamed")?;
    let archive =
        Command::new("tar").args(["czC"]).arg(buildx.path("context")).arg(".").output()?;
    let mut running = Running::start(buildx.engine.command(&["buildx", "build", "-tapp", "-"]))?;
    running.write(&archive.stdout)?;
    running.finish()?.success()?;
    assert_eq!(buildx.app(&[])?, "streamed");
    let mut running = Running::start(buildx.engine.command(&["buildx", "build", "-tapp", "-"]))?;
    running.write(b"FROM busybox\nCMD [\"echo\", \"alone\"]\n")?;
    running.finish()?.success()?;
    assert_eq!(buildx.app(&[])?, "alone");
    Ok(())
}

#[test]
fn named_contexts_take_the_places_of_images_and_stages() -> anyhow::Result<()> {
    let buildx = Buildx::with(
        "FROM base AS first\nFROM first\nCOPY --from=files a /a\nCMD [\"cat\", \"/a\"]\n",
    )?;
    buildx.write("files/a", "from a directory")?;
    let base = ["--build-context", "base=docker-image://busybox"];
    let files = ["--build-context", "files=files", "-t", "app", "context"];
    buildx.build(&[&base[..], &files].concat())?;
    assert_eq!(buildx.app(&[])?, "from a directory");
    Ok(())
}

#[test]
fn repositories_are_built_and_copied_from() -> anyhow::Result<()> {
    let buildx = Buildx::with("FROM scratch\n")?;
    let server = GitServer::start(buildx.path("repositories"))?;
    let dockerfile =
        "FROM busybox\nCOPY a /a\nCOPY --from=other b /b\nCMD [\"cat\", \"/a\", \"/b\"]\n";
    server.commit("app.git", &[("Dockerfile", dockerfile), ("a", "of the repository, ")])?;
    server.commit("other.git", &[("b", "of another")])?;
    let other = format!("other={}", server.url("other.git"));
    buildx.build(&["--build-context", &other, "-t", "app", &server.url("app.git")])?;
    assert_eq!(buildx.app(&[])?, "of the repository, of another");
    Ok(())
}

#[test]
fn thousands_of_files_come_once() -> anyhow::Result<()> {
    let buildx = Buildx::with("FROM busybox\nCOPY . /files\n")?;
    for directory in 0..10 {
        fs::create_dir(buildx.path(&format!("context/{directory}")))?;
        for file in 0..500 {
            let path = buildx.path(&format!("context/{directory}/{file}"));
            fs::File::create(path)?.write_all(b"0123456789")?;
        }
    }
    let said = buildx.build(&["-t", "app", "context"])?;
    assert_ne!(sent(&said), Some("0B"), "{said}");
    let said = buildx.build(&["-t", "app", "context"])?;
    assert_eq!(sent(&said), Some("0B"), "{said}");
    assert_eq!(buildx.app(&["sh", "-c", "find /files -type f | wc -l"])?, "5001");
    Ok(())
}

#[test]
fn two_builds_of_one_directory_do_not_disturb_each_other() -> anyhow::Result<()> {
    let buildx = Buildx::with("FROM busybox\nCOPY . /files\nRUN sleep 1\n")?;
    buildx.write("context/a", "abc")?;
    let build = |tag: &str| -> anyhow::Result<std::process::Child> {
        let mut command = buildx.engine.command(&["buildx", "build", "--no-cache", "-t", tag]);
        Ok(command.arg("context").stdin(Stdio::null()).stderr(Stdio::null()).spawn()?)
    };
    let mut builds = [build("one")?, build("two")?, build("three")?];
    for build in &mut builds {
        assert!(build.wait()?.success());
    }
    Ok(())
}
