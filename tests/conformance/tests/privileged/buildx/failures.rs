//! Builds that do not come to their end.

use std::time::{Duration, Instant};

use anyhow::Context as _;
use naru_test_framework::Running;
use nix::sys::signal::Signal;

use super::Buildx;

#[test]
fn a_failing_program_shows_its_line_and_its_output() -> anyhow::Result<()> {
    let run = "seq 40 && echo why >&2 && exit 7";
    let buildx = Buildx::with(&format!("FROM busybox\nRUN {run}\n"))?;
    let said = buildx.failure(&["context"])?;
    let error = format!(
        "ERROR: failed to solve: process \"/bin/sh -c {run}\" did not complete successfully: \
         exit code: 7"
    );
    assert!(said.contains(&error), "{said}");
    // Behind all that was said of the build: the last lines, in order, then the instruction.
    let (_, told) = said.split_once("\n------\n").context("an excerpt")?;
    let lines: Vec<&str> =
        told.lines().map(|line| line.rsplit(' ').next().unwrap_or(line)).collect();
    assert!(told.starts_with(&format!(" > [2/2] RUN {run}:\n")), "{told}");
    assert!(lines.windows(3).any(|last| last == ["39", "40", "why"]), "{told}");
    assert!(!lines.contains(&"2"), "{told}");
    assert!(told.contains("------\nDockerfile:2\n"), "{told}");
    assert!(told.contains(&format!("   2 | >>> RUN {run}\n")), "{told}");
    // Who asks for an id alone is told as much.
    let quiet = buildx.run(&["build", "-q", "context"])?;
    assert!(quiet.failure(1)?.contains(&error), "{quiet:?}");
    Ok(())
}

#[test]
fn a_dockerfile_that_is_none_shows_the_line() -> anyhow::Result<()> {
    let buildx = Buildx::with("FROM busybox\nFRM x\n")?;
    let said = buildx.failure(&["context"])?;
    let error = "dockerfile parse error on line 2: unknown instruction: FRM (did you mean FROM?); \
                 at column 1; expected: an instruction, as COPY or RUN";
    assert!(said.contains(error), "{said}");
    assert!(said.contains(">>> FRM x"), "{said}");
    let missing = buildx.failure(&["-f", "context/Other", "context"])?;
    assert!(missing.contains("Other"), "{missing}");
    Ok(())
}

#[test]
fn what_is_copied_must_be_there() -> anyhow::Result<()> {
    let buildx = Buildx::with("FROM busybox\nCOPY missing /\n")?;
    let said = buildx.failure(&["context"])?;
    assert!(said.contains("missing"), "{said}");
    assert!(said.contains(">>> COPY missing /"), "{said}");
    // The client has more than it was asked for.
    buildx.write("context/folder/deep.txt", "")?;
    buildx.write("context/folder/hidden.txt", "")?;
    buildx.write("context/.dockerignore", "**/hidden.txt\n")?;
    for (source, meant) in [
        ("fodler", "(did you mean /folder?)"),
        ("folder/deep.tx", "(did you mean /folder/deep.txt?)"),
        ("folder/hidden.tx", "\"/folder/hidden.tx\": not found\n"),
    ] {
        buildx.write("context/Dockerfile", &format!("FROM busybox\nCOPY {source} /\n"))?;
        let said = buildx.failure(&["context"])?;
        assert!(said.contains(meant), "{said}");
    }
    Ok(())
}

#[test]
fn a_client_that_goes_away_ends_its_build() -> anyhow::Result<()> {
    // So long that nobody else's does: other cases sleep beside this one.
    let time = format!("{}", 1_000_000 + std::process::id());
    let buildx = Buildx::with(&format!("FROM busybox\nRUN echo began && sleep {time}\n"))?;
    let command = buildx.engine.command(&["buildx", "build", "context"]);
    let running = Running::start(command)?;
    let began = Instant::now();
    while !is_sleeping(&time)? {
        assert!(began.elapsed() < Duration::from_mins(1), "it has not begun");
        std::thread::yield_now();
    }
    running.signal(Signal::SIGKILL);
    let ended = Instant::now();
    while is_sleeping(&time)? {
        assert!(ended.elapsed() < Duration::from_mins(1), "it goes on");
        std::thread::yield_now();
    }
    Ok(())
}

fn is_sleeping(time: &str) -> anyhow::Result<bool> {
    for entry in std::fs::read_dir("/proc")? {
        // It may have ended meanwhile.
        let Ok(line) = std::fs::read(entry?.path().join("cmdline")) else { continue };
        if line == format!("sleep\0{time}\0").as_bytes() {
            return Ok(true);
        }
    }
    Ok(false)
}
