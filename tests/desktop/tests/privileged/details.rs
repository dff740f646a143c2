//! One container, looked at closely and worked on, in a browser over a native engine.

use std::fs;

use anyhow::{Context, ensure};
use naru_desktop_tests::{Browser, Hands};
use naru_test_framework::NativeEngine;
use thirtyfour::Key;

use crate::words::EN;

const MOUSE: Hands = Hands::Mouse;

/// What the container does: it says something, changes a file, and stays.
const COMMAND: &str = "for i in 1 2 3; do echo line $i; done; echo broken >&2; \
     mkdir /cargo; echo apples > /cargo/list; rm /etc/group; exec sleep 3600";

async fn opened() -> anyhow::Result<Browser> {
    let engine = NativeEngine::with_busybox()?;
    let run = ["run", "-d", "--name", "ferry", "-v", "hold:/hold", "-p", "127.0.0.1:0:80"];
    let more = ["-e", "HARBOUR=busan", "-e", "DB_PASSWORD=hush", "--restart", "on-failure:3"];
    engine.docker(&[&run[..], &more, &["busybox", "sh", "-c", COMMAND]].concat())?.success()?;
    // The last that it does.
    let done = "while [ -e /etc/group ]; do sleep 0.1; done";
    engine.docker(&["exec", "ferry", "sh", "-c", done])?.success()?;
    let browser = Browser::open(engine).await?;
    browser.sees(EN.machine_running).await?;
    MOUSE.press(&browser, "button", "Show ferry").await?;
    Ok(browser)
}

#[tokio::test]
async fn a_container_is_looked_at_from_all_sides_in_a_browser() -> anyhow::Result<()> {
    let browser = opened().await?;
    browser.sees("line 3").await?;
    MOUSE.press(&browser, "tab", "Overview").await?;
    for text in ["hold", "HARBOUR", "busan", "DB_PASSWORD", "at most 3 times"] {
        browser.sees(text).await?;
    }
    ensure!(!browser.text().await?.contains("hush"), "a password is shown unasked");
    browser.picture("browser-details-overview").await?;
    MOUSE.press(&browser, "button", "Show values").await?;
    browser.sees("hush").await?;

    MOUSE.press(&browser, "tab", "Activity").await?;
    browser.find("img", "Memory over the last two minutes").await?;
    browser.sees("sleep 3600").await?;
    browser.picture("browser-details-activity").await?;

    MOUSE.press(&browser, "tab", "Inspect").await?;
    browser.sees("\"RestartPolicy\"").await?;
    browser.close().await
}

#[tokio::test]
async fn a_containers_output_is_searched_and_saved_in_a_browser() -> anyhow::Result<()> {
    let browser = opened().await?;
    let folder = tempfile::tempdir()?;
    browser.sees("line 3").await?;
    MOUSE.fill(&browser, "Search the output", "LINE").await?;
    browser.sees("3 matches").await?;
    browser.key(Key::Enter).await?;
    MOUSE.press(&browser, "checkbox", "Only lines with it").await?;
    browser.holds("!document.querySelector('[role=log]').innerText.includes('broken')").await?;
    MOUSE.press(&browser, "checkbox", "Times").await?;
    browser.holds(r"/\d\d:\d\d:\d\d\.\d{3} *line 1/.test(document.body.innerText)").await?;
    browser.picture("browser-details-logs").await?;

    let log = folder.path().join("ferry.log");
    browser.will_choose([log.clone()]);
    MOUSE.press(&browser, "button", "Save to a file").await?;
    browser.sees("was saved").await?;
    let saved = fs::read_to_string(&log)?;
    let lines: Vec<&str> = saved.lines().collect();
    ensure!(lines.len() == 4 && saved.contains("broken"), "{saved}");
    // The times are on, here too.
    ensure!(lines.iter().all(|line| line.starts_with("20")), "{saved}");
    browser.close().await
}

#[tokio::test]
async fn a_containers_files_are_browsed_and_copied_in_a_browser() -> anyhow::Result<()> {
    let browser = opened().await?;
    let folder = tempfile::tempdir()?;
    MOUSE.press(&browser, "tab", "Files").await?;
    MOUSE.press(&browser, "button", "Open cargo").await?;
    MOUSE.press(&browser, "button", "Open list").await?;
    browser.sees("apples").await?;
    browser.picture("browser-details-file").await?;
    let list = folder.path().join("list");
    browser.will_choose([list.clone()]);
    MOUSE.press(&browser, "button", "Download").await?;
    browser.sees("list was saved").await?;
    ensure!(fs::read_to_string(&list)? == "apples\n");
    MOUSE.press(&browser, "button", "Edit").await?;
    browser.find("textbox", "Content of list").await?;
    // To the end of the first line, wherever one began.
    browser.key(Key::Up).await?;
    browser.key(Key::End).await?;
    browser.keys(" and plums").await?;
    MOUSE.press(&browser, "button", "Save").await?;
    browser.sees("list was changed").await?;
    let changed = browser.with_engine(|engine| {
        let cat = ["exec", "ferry", "cat", "/cargo/list"];
        Ok(engine.docker(&cat)?.success()?.to_owned())
    })?;
    ensure!(changed == "apples and plums", "{changed}");
    MOUSE.press(&browser, "button", "Back to the folder").await?;

    let pears = folder.path().join("pears.txt");
    fs::write(&pears, "pears\n")?;
    browser.will_choose([pears]);
    MOUSE.press(&browser, "button", "Upload a file").await?;
    browser.find("row", "pears.txt").await?;
    browser.picture("browser-details-files").await?;
    let inside = browser.with_engine(|engine| {
        let cat = ["exec", "ferry", "cat", "/cargo/pears.txt"];
        Ok(engine.docker(&cat)?.success()?.to_owned())
    })?;
    ensure!(inside == "pears", "{inside}");

    MOUSE.press(&browser, "radio", "Only what changed").await?;
    for change in ["/cargo/list", "/etc/group"] {
        browser.find("row", change).await?;
    }
    browser.sees("Removed").await?;
    browser.picture("browser-details-changes").await?;
    browser.close().await
}

#[tokio::test]
async fn a_container_is_renamed_made_an_image_exported_paused_and_killed_in_a_browser()
-> anyhow::Result<()> {
    let browser = opened().await?;
    let folder = tempfile::tempdir()?;
    let choose = async |item: &str| -> anyhow::Result<()> {
        MOUSE.press(&browser, "button", "More actions").await?;
        MOUSE.press(&browser, "menuitem", item).await
    };
    choose("Rename").await?;
    browser.find("dialog", "Rename ferry").await?;
    browser.key(Key::End).await?;
    browser.keys("boat").await?;
    browser.sees("rename ferry ferryboat").await?;
    browser.key(Key::Enter).await?;
    browser.find("row", "ferryboat").await?;

    choose("Make an image of it").await?;
    browser.find("dialog", "Make an image of ferryboat").await?;
    browser.keys("team/ferry:2").await?;
    browser.key(Key::Enter).await?;
    browser.sees("team/ferry:2 was made").await?;

    let archive = folder.path().join("ferry.tar");
    browser.will_choose([archive.clone()]);
    choose("Export its files").await?;
    browser.sees("were saved").await?;
    let size = fs::metadata(&archive).context("the archive is there")?.len();
    ensure!(size > 500_000, "{size} bytes are not busybox");

    choose("Pause").await?;
    browser.sees("Paused").await?;
    choose("Resume").await?;
    browser.find("row", "Running").await?;
    choose("Kill").await?;
    browser.find("dialog", "Kill ferryboat?").await?;
    MOUSE.press(&browser, "button", "Kill").await?;
    // Its restart policy starts it only where it failed by itself.
    browser.sees("Exited (137)").await?;
    browser.close().await
}

#[tokio::test]
async fn a_container_is_looked_at_by_keyboard_alone_in_a_browser() -> anyhow::Result<()> {
    let keyboard = Hands::Keyboard;
    let browser = opened().await?;
    // Closed again, to be opened by keys.
    MOUSE.press(&browser, "button", "Close").await?;
    keyboard.press(&browser, "button", "Show ferry").await?;
    browser.sees("line 3").await?;
    keyboard.fill(&browser, "Search the output", "line 2").await?;
    browser.sees("1 match").await?;
    // Out to the list, and back to the views.
    browser.key(Key::F6).await?;
    ensure!(browser.has_focus("button", "Show ferry").await?, "F6 does not lead to the list");
    browser.key(Key::F6).await?;
    browser.key(Key::Left).await?;
    browser.sees("HARBOUR").await?;
    // Round the corner: past what the engine says and what is used.
    for _ in 0..3 {
        browser.key(Key::Left).await?;
    }
    browser.find("row", "cargo").await?;
    keyboard.press(&browser, "button", "Upload a file").await?;
    browser.close().await
}
