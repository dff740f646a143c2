//! What the window says when something is wrong.

use std::path::Path;

use naru_desktop_tests::{Desktop, Hands, Home, StallingQemu};
use naru_test_framework::Registry;

use crate::looks::picture_in_every_look;
use crate::words::{EN, Words};

/// The way to a machine that has failed.
fn failed(words: &Words) -> (&'static str, &'static str) {
    (words.machine_failed, words.not_started)
}

#[tokio::test]
async fn an_unknown_image_is_explained_in_a_sentence() -> anyhow::Result<()> {
    let registry = Registry::start()?;
    let home = Home::new()?;
    let desktop = Desktop::open(&home).await?;
    desktop.sees(EN.machine_running).await?;
    Hands::Mouse.press(&desktop, "button", EN.images).await?;
    Hands::Mouse.fill(&desktop, EN.pull_box, &registry.reference("no/such", "tag")).await?;
    Hands::Mouse.press(&desktop, "button", EN.pull).await?;
    desktop.find("alert", EN.pull_failed).await?;
    picture_in_every_look(&desktop, "pull-failed", |words| (words.images, words.images)).await?;
    desktop.close().await
}

#[tokio::test]
async fn a_missing_qemu_is_explained_with_what_to_do() -> anyhow::Result<()> {
    let home = Home::with_qemu(Path::new("/nowhere/qemu"))?;
    let desktop = Desktop::open(&home).await?;
    desktop.find("alert", "Install QEMU").await?;
    desktop.sees("/nowhere/qemu").await?;
    picture_in_every_look(&desktop, "no-qemu", failed).await?;
    desktop.close().await
}

#[tokio::test]
async fn a_machine_that_ends_at_its_start_can_be_started_again() -> anyhow::Result<()> {
    let qemu = StallingQemu::new()?;
    let home = Home::with_qemu(qemu.program())?;
    let desktop = Desktop::open(&home).await?;
    desktop.find("heading", EN.starting).await?;
    qemu.started().await?;
    let starting = |words: &Words| (words.machine_starting, words.starting);
    picture_in_every_look(&desktop, "starting", starting).await?;
    qemu.kill()?;
    desktop.find("heading", EN.not_started).await?;
    desktop.find("alert", "the machine ended").await?;
    picture_in_every_look(&desktop, "not-started", failed).await?;
    Hands::Mouse.press(&desktop, "button", EN.retry).await?;
    desktop.sees(EN.machine_running).await?;
    desktop.close().await
}
