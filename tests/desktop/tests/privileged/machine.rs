//! The machine and the settings, in a browser over a native engine.

use anyhow::ensure;
use naru_desktop_tests::{Browser, Hands};
use naru_test_framework::NativeEngine;
use thirtyfour::components::SelectElement;

use crate::words::EN;

const MOUSE: Hands = Hands::Mouse;

async fn opened() -> anyhow::Result<Browser> {
    let engine = NativeEngine::with_busybox()?;
    let command = ["busybox", "sh", "-c", "trap exit TERM; sleep 3600 & wait"];
    engine
        .docker(&[&["run", "-d", "--name", "ferry", "-v", "hold:/hold"][..], &command].concat())?
        .success()?;
    let browser = Browser::open(engine).await?;
    browser.sees(EN.machine_running).await?;
    Ok(browser)
}

#[tokio::test]
async fn the_machine_says_where_the_bytes_are_and_restarts_in_a_browser() -> anyhow::Result<()> {
    let browser = opened().await?;
    MOUSE.press(&browser, "button", EN.machine_running).await?;
    browser.find("heading", EN.machine_title).await?;
    for text in ["on the data disk", "Linux ", "Images (1)", "Volumes (1)"] {
        browser.sees(text).await?;
    }
    browser.picture("browser-machine").await?;
    // A machine that never was started has no console.
    MOUSE.press(&browser, "button", "Show the console").await?;
    browser.find("alert", "It does not exist").await?;

    MOUSE.press(&browser, "button", "Restart machine").await?;
    browser.find("dialog", "Restart the machine?").await?;
    browser.sees("1 running container stops with it").await?;
    MOUSE.press(&browser, "button", "Restart machine").await?;
    browser.gone("dialog", "Restart the machine?").await?;
    browser.sees(EN.machine_running).await?;
    browser.find("heading", EN.machine_title).await?;
    MOUSE.press(&browser, "button", EN.containers).await?;
    browser.find("row", "Exited").await?;
    browser.close().await
}

#[tokio::test]
async fn the_machine_shows_what_it_uses_and_is_reset_in_a_browser() -> anyhow::Result<()> {
    let browser = opened().await?;
    MOUSE.press(&browser, "button", EN.machine_running).await?;
    browser.find("img", "Memory over the last two minutes").await?;

    MOUSE.press(&browser, "button", "Reset machine…").await?;
    browser.find("dialog", "Reset the machine?").await?;
    browser.sees("1 running container stops for that").await?;
    MOUSE.press(&browser, "button", "Reset machine").await?;
    browser.gone("dialog", "Reset the machine?").await?;
    browser.sees("The machine begins anew").await?;
    browser.find("heading", EN.machine_title).await?;
    browser.sees("Images (0)").await?;
    browser.close().await
}

#[tokio::test]
async fn a_machine_that_is_off_is_started_in_a_browser() -> anyhow::Result<()> {
    let browser = opened().await?;
    MOUSE.press(&browser, "button", EN.machine_running).await?;
    MOUSE.press(&browser, "button", "Stop machine").await?;
    browser.find("dialog", "Stop the machine?").await?;
    MOUSE.press(&browser, "button", "Stop machine").await?;
    browser.find("heading", "The machine is off").await?;
    MOUSE.press(&browser, "button", "Start machine").await?;
    browser.find("heading", EN.machine_title).await?;
    browser.close().await
}

#[tokio::test]
async fn registries_and_text_size_are_set_in_a_browser() -> anyhow::Result<()> {
    let browser = opened().await?;
    MOUSE.press(&browser, "button", EN.settings).await?;
    MOUSE.fill(&browser, "Mirrors of Docker Hub", "mirror.example.com:5000").await?;
    browser.driver().execute("document.activeElement.form.requestSubmit()", vec![]).await?;
    browser.sees("Saved").await?;
    // The engine has it, not the file alone.
    let mirrors = browser.with_engine(|engine| {
        let info = ["info", "--format", "{{json .RegistryConfig.IndexConfigs}}"];
        Ok(engine.docker(&info)?.success()?.to_owned())
    })?;
    ensure!(mirrors.contains("mirror.example.com:5000"), "{mirrors}");

    let before = width(&browser).await?;
    let size = browser.find("combobox", "Text size").await?;
    SelectElement::new(&size).await?.select_by_value("150").await?;
    browser.holds("document.documentElement.style.zoom === '150%'").await?;
    let after = width(&browser).await?;
    ensure!(after > before * 1.4, "the sidebar was {before} wide and is {after}");
    browser.holds("document.documentElement.scrollHeight <= innerHeight").await?;
    browser.picture("browser-large-text").await?;
    browser.close().await
}

/// How wide the sidebar stands on the screen.
async fn width(browser: &Browser) -> anyhow::Result<f64> {
    let script = "return document.querySelector('nav').getBoundingClientRect().width";
    Ok(browser.driver().execute(script, vec![]).await?.convert()?)
}
