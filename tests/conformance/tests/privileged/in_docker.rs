//! The cases of the clients beside `docker`, and those of images, once more against Docker
//! itself: what they expect of Naru is what they get there.
//!
//! These tests run their own program again, with these cases and dockerd's address.

use std::env::current_exe;
use std::time::Instant;

use anyhow::ensure;
use naru_test_framework::{Dockerd, TEST_HOST};

/// By the beginning of their names.
const CLIENTS: [&str; 4] = ["compose::", "devcontainers::", "python::", "rust_clients::"];
const IMAGES: [&str; 15] = [
    "commit::",
    "events::images_",
    "image_commands::",
    "image_parents::",
    "image_prune::",
    "images::",
    "import::",
    "import_url::",
    "pull::",
    "pull_all::",
    "registries::a_",
    "registries::other_",
    "registries::what_",
    "registry_commands::",
    "save_load::",
];
/// Those of them that hold a `NativeEngine`, or ask for what Docker, or Debian's, does not have.
const OURS: [&str; 14] = [
    "commit::a_container_whose_image",
    "commit::an_engine_that_dies",
    "image_prune::a_plan",
    "image_prune::what_is_large",
    "images::a_platform",
    "images::images_are_listed_up_to",
    "registries::a_pulled_image_is_pushed",
    "registries::a_registrys_own",
    "registries::a_repositorys_tags",
    "registries::what_a_registry_has",
    "save_load::a_platform",
    "save_load::an_",
    "save_load::several",
    "save_load::what_cannot",
];

#[test]
fn every_case_of_the_clients_holds_against_docker() -> anyhow::Result<()> {
    hold_against_docker(&CLIENTS, &[]).map(drop)
}

#[test]
fn every_case_of_images_holds_against_docker() -> anyhow::Result<()> {
    let passed = hold_against_docker(&IMAGES, &OURS)?;
    ensure!(passed >= 60, "only {passed} cases compare images with Docker's");
    Ok(())
}

/// Gives how many have passed.
#[expect(clippy::print_stdout, reason = "how long it took is worth knowing")]
fn hold_against_docker(cases: &[&str], but: &[&str]) -> anyhow::Result<usize> {
    let docker = Dockerd::start()?;
    let begun = Instant::now();
    let ran = docker
        .inside(current_exe()?)
        .arg("--test-threads=1")
        .args(cases)
        .args(but.iter().flat_map(|case| ["--skip", case]))
        .env(TEST_HOST, format!("unix://{}", docker.socket().display()))
        .output()?;
    let said = String::from_utf8_lossy(&ran.stdout);
    let passed = said.lines().filter(|line| line.ends_with(" ... ok")).count();
    let summary = format!("{passed} cases passed in {} s", begun.elapsed().as_secs());
    println!("{summary}");
    let errors = String::from_utf8_lossy(&ran.stderr);
    ensure!(ran.status.success() && passed > 0, "{summary}\n{said}\n{errors}\n{}", docker.log());
    Ok(passed)
}
