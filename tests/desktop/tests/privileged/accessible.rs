//! What axe-core says of every screen.

use anyhow::ensure;
use naru_desktop_tests::{Browser, Hands};
use naru_test_framework::NativeEngine;

use crate::looks::LOOKS;
use crate::words::Words;

#[tokio::test]
async fn axe_finds_nothing_serious_on_any_screen_in_any_look() -> anyhow::Result<()> {
    let engine = NativeEngine::with_busybox()?;
    engine.docker(&["volume", "create", "data"])?.success()?;
    let run = ["run", "-d", "--name", "ferry", "-v", "data:/data", "--label"];
    let service =
        ["com.docker.compose.project=port", "--label", "com.docker.compose.service=ferry"];
    let command = ["busybox", "sh", "-c", "echo landing; exec sleep 3600"];
    engine.docker(&[&run[..], &service, &command].concat())?.success()?;
    let browser = Browser::open(engine).await?;
    let mut found = Vec::new();
    for look in LOOKS {
        look.put_on(&browser).await?;
        found.extend(on_screens(&browser, &look.words, &look.name()).await?);
    }
    ensure!(found.is_empty(), "axe-core finds:\n{}", found.join("\n"));
    browser.close().await
}

/// What is serious, a line each.
async fn on_screens(browser: &Browser, words: &Words, look: &str) -> anyhow::Result<Vec<String>> {
    let mut found = Vec::new();
    let mut check = async |screen: &str| -> anyhow::Result<()> {
        for violation in browser.violations().await?.iter().filter(|each| each.is_serious()) {
            found.push(format!("{look} {screen}: {violation:?}"));
        }
        browser.picture(&format!("browser-{look}-{screen}")).await
    };
    let mouse = Hands::Mouse;
    check("settings").await?;
    mouse.press(browser, "button", words.machine_running).await?;
    browser.find("heading", words.machine_title).await?;
    check("machine").await?;
    let lists = [
        (words.images, "busybox", "images"),
        (words.volumes, "data", "volume"),
        (words.networks, "bridge", "network"),
        (words.projects, "port", "project"),
        (words.containers, "ferry", "container"),
    ];
    for (name, row, screen) in lists {
        mouse.press(browser, "button", name).await?;
        browser.find("heading", name).await?;
        browser.find("row", row).await?;
        check(&format!("{screen}-list")).await?;
        if screen != "images" {
            mouse.press(browser, "row", row).await?;
            browser.find("heading", row).await?;
            check(screen).await?;
            mouse.press(browser, "button", words.close).await?;
        }
    }
    Ok(found)
}
