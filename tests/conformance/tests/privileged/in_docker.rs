//! The cases of the clients beside `docker` once more, against Docker itself: what they expect of
//! Naru is what they get there.
//!
//! This test runs its own program again, with these cases and dockerd's address.

use std::env::current_exe;
use std::time::Instant;

use anyhow::ensure;
use naru_test_framework::{Dockerd, TEST_HOST};

/// By the beginning of their names.
const CLIENTS: [&str; 4] = ["compose::", "devcontainers::", "python::", "rust_clients::"];

#[test]
#[expect(clippy::print_stdout, reason = "how long it took is worth knowing")]
fn every_case_of_the_clients_holds_against_docker() -> anyhow::Result<()> {
    let docker = Dockerd::start()?;
    let begun = Instant::now();
    let ran = docker
        .inside(current_exe()?)
        .arg("--test-threads=1")
        .args(CLIENTS)
        .env(TEST_HOST, format!("unix://{}", docker.socket().display()))
        .output()?;
    let said = String::from_utf8_lossy(&ran.stdout);
    let passed = said.lines().filter(|line| line.ends_with(" ... ok")).count();
    let summary = format!("{passed} cases passed in {} s", begun.elapsed().as_secs());
    println!("{summary}");
    let errors = String::from_utf8_lossy(&ran.stderr);
    ensure!(ran.status.success() && passed > 0, "{summary}\n{said}\n{errors}\n{}", docker.log());
    Ok(())
}
