//! What the window says when something is wrong.

use std::path::Path;

use anyhow::ensure;
use naru_desktop_tests::{Browser, Desktop, Hands, Home, StallingQemu, Violation};
use naru_test_framework::{NativeEngine, Registry};

use crate::looks::picture_in_every_look;
use crate::words::{EN, Words};

/// What is said beside what the engine said last.
const ENGINE_AWAY: &str = "The engine does not answer.";

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
async fn a_list_is_greyed_while_the_engine_is_away_and_comes_back_by_itself() -> anyhow::Result<()>
{
    let engine = NativeEngine::with_busybox()?;
    let run = ["run", "-d", "--name", "ferry", "busybox", "sleep", "3600"];
    engine.docker(&run)?.success()?;
    let browser = Browser::open(engine).await?;
    browser.find("row", "Running").await?;
    browser.kill_engine()?;
    browser.sees(ENGINE_AWAY).await?;
    // What is known stays.
    browser.find("row", "ferry").await?;
    browser
        .holds("getComputedStyle(document.querySelector('.rows')).filter === 'grayscale(1)'")
        .await?;
    browser.picture("browser-engine-away").await?;
    let serious: Vec<_> =
        browser.violations().await?.into_iter().filter(Violation::is_serious).collect();
    ensure!(serious.is_empty(), "{serious:#?}");
    browser.restart_engine()?;
    browser.holds(&format!("!document.body.innerText.includes({ENGINE_AWAY:?})")).await?;
    browser.find("row", "Running").await?;
    browser.with_engine(|engine| {
        engine.docker(&["kill", "ferry"])?.success()?;
        Ok(())
    })?;
    // What happens is heard of again.
    browser.find("row", "Exited").await?;
    browser.close().await
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
