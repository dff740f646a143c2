//! What the real window takes, and how smoothly it goes: measured, not asserted, for a computer
//! with nothing else to do, as CONTRIBUTING.md has it. `target/measured/` has the numbers.

use std::thread;

use naru_desktop_tests::{Desktop, Frames, Hands, Home, NativeDesktop, keep};
use naru_test_framework::NativeEngine;
use serde_json::json;

use crate::words::EN;

/// How long frames are looked at, in milliseconds.
const SPAN_MS: u32 = 10_000;
/// How many clients fill the engine at a time.
const CLIENTS: usize = 8;
const LIST: &str = ".pane";

/// Five thousand lines of a hundred bytes, ten times a second.
const LOUD: &str = "i=0; while [ $i -lt 5000 ]; do printf '%-99s\\n' \"line $i of a busy log\"; i=$((i+1)); done > /lines; \
     while :; do cat /lines; usleep 100000; done";

/// Does the same for each number below `count`, several at once.
fn many(
    engine: &NativeEngine,
    count: usize,
    arguments: impl Fn(usize) -> Vec<String> + Sync,
) -> anyhow::Result<()> {
    let work = |client: usize| -> anyhow::Result<()> {
        for number in (client..count).step_by(CLIENTS) {
            let arguments = arguments(number);
            let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
            engine.docker(&arguments)?.success()?;
        }
        Ok(())
    };
    thread::scope(|scope| {
        let clients: Vec<_> =
            (0..CLIENTS).map(|client| scope.spawn(move || work(client))).collect();
        clients.into_iter().try_for_each(|client| client.join().expect("a client does not panic"))
    })
}

fn words(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

#[tokio::test]
#[ignore = "measures, which is done by hand: see CONTRIBUTING.md"]
async fn a_window_at_rest_and_with_a_busy_log() -> anyhow::Result<()> {
    let engine = NativeEngine::with_busybox()?;
    for number in 0..5 {
        let name = format!("rest{number}");
        engine.docker(&["run", "-d", "--name", &name, "busybox", "sleep", "3600"])?.success()?;
    }
    engine.docker(&["run", "-d", "--name", "loud", "busybox", "sh", "-c", LOUD])?.success()?;
    let desktop = NativeDesktop::open(engine).await?;
    let first_rows = desktop.time_to_rows().await?;
    let at_rest = desktop.frames(SPAN_MS).await?;
    let memory_at_rest = desktop.memory()?;
    Hands::Mouse.press(&desktop, "button", "Show loud").await?;
    // The command has other numbers.
    desktop.sees("line 4999 of").await?;
    let wrapped = desktop.frames(SPAN_MS).await?;
    Hands::Mouse.press(&desktop, "checkbox", "Wrap lines").await?;
    let unwrapped = desktop.frames(SPAN_MS).await?;
    let memory_after_logs = desktop.memory()?;
    keep(
        "window",
        &json!({
            "first_rows_ms": first_rows.as_millis(), "frames_at_rest": at_rest,
            "memory_at_rest": memory_at_rest, "frames_of_a_busy_log_wrapped": wrapped,
            "frames_of_a_busy_log": unwrapped, "memory_after_logs": memory_after_logs,
        }),
    )?;
    desktop.close().await
}

#[tokio::test]
#[ignore = "measures, which is done by hand: see CONTRIBUTING.md"]
async fn an_empty_window() -> anyhow::Result<()> {
    let desktop = Desktop::open_empty(&Home::new()?).await?;
    let frames = desktop.frames(SPAN_MS).await?;
    keep("empty", &json!({ "frames": frames, "memory": desktop.memory()? }))?;
    desktop.close().await
}

#[tokio::test]
#[ignore = "measures, which is done by hand: see CONTRIBUTING.md"]
async fn a_thousand_containers_and_two_thousand_images() -> anyhow::Result<()> {
    let engine = NativeEngine::with_busybox()?;
    many(&engine, 1000, |number| {
        words(&["create", "--name", &format!("many{number:04}"), "busybox", "true"])
    })?;
    many(&engine, 2000, |number| words(&["tag", "busybox:latest", &format!("many:{number:04}")]))?;
    let desktop = NativeDesktop::open(engine).await?;
    let first_rows = desktop.time_to_rows().await?;
    let containers: Frames = desktop.frames_scrolling(LIST, SPAN_MS).await?;
    Hands::Mouse.press(&desktop, "button", EN.images).await?;
    desktop.find("row", "many:0000").await?;
    let images = desktop.frames_scrolling(LIST, SPAN_MS).await?;
    let memory = desktop.memory()?;
    keep(
        "many",
        &json!({
            "first_rows_ms": first_rows.as_millis(), "frames_of_1000_containers": containers,
            "frames_of_2000_images": images, "memory": memory,
        }),
    )?;
    desktop.close().await
}
