//! Images and what is made of them, by pointing and clicking and by keyboard alone, in both
//! languages, over a native engine.

mod build;
mod compose;
mod disk;
mod person;
mod volumes;
mod words;

use anyhow::ensure;
use naru_desktop_tests::Browser;
use naru_test_framework::images::busybox_with;
use naru_test_framework::{Guard, NativeEngine, PASSWORD, Registry, USER};
use person::in_every_way;
use serde_json::json;
use std::time::Duration;
use thirtyfour::Key;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep};

/// How long what is on its way may take, and how often to look for it.
const PATIENCE: Duration = Duration::from_mins(2);
const LOOK_AGAIN: Duration = Duration::from_millis(100);
/// Journey 1, from where the machine runs.
#[tokio::test]
async fn a_first_container_is_run_from_the_bundled_image() -> anyhow::Result<()> {
    const DEMO: &str = "naru/demo:latest";
    let browser = Browser::open(NativeEngine::start()?).await?;
    in_every_way(&browser, async |person| {
        let common = &person.words.common;
        // Offered for as long as there is no container; the image need not be loaded yet.
        person.press("button", common.demo).await?;
        browser.find("dialog", common.run_title).await?;
        person.fill(common.name, "first").await?;
        person.fill(common.command, "sh -c 'echo $((6000 + 66)); exec sleep 3600'").await?;
        person.start("first").await?;
        browser.find("log", "first").await?;
        browser.sees("6066").await?;
        person.remove_container("first").await?;
        person.remove_image(DEMO).await
    })
    .await?;
    browser.close().await
}

/// Journey 2.
#[tokio::test]
async fn an_image_is_found_pulled_run_and_opened_in_the_browser() -> anyhow::Result<()> {
    const PORT: u16 = 18473;
    let script = "echo landing > /index.html; exec busybox httpd -f -p 18473 -h /";
    let settings = json!({ "Cmd": ["sh", "-c", script], "ExposedPorts": { "18473/tcp": {} } });
    let registry = Registry::start()?;
    registry.push("team/web", "1", &busybox_with(&settings)?)?;
    let image = registry.reference("team/web", "1");
    let repository = registry.reference("team/web", "").trim_end_matches(':').to_owned();
    let browser = Browser::open(NativeEngine::start()?).await?;
    in_every_way(&browser, async |person| {
        let words = &person.words;
        person.fill(words.common.pull_box, &repository).await?;
        browser.key(Key::Enter).await?;
        person.press("button", &repository).await?;
        person.press("button", &words.pull_of(&image)).await?;
        browser.find("row", &image).await?;
        person.run(&image, "web", "").await?;
        // The image's own port, which nobody has here.
        browser.sees(&format!("127.0.0.1:{PORT}:{PORT}")).await?;
        person.start("web").await?;
        person.press("button", words.common.close).await?;
        let before = browser.opened().len();
        person.press_at("web", &words.open_port(PORT)).await?;
        let until = Instant::now() + PATIENCE;
        while browser.opened().len() == before {
            ensure!(Instant::now() < until, "nothing is opened");
            sleep(LOOK_AGAIN).await;
        }
        ensure!(browser.opened()[before..] == [format!("http://localhost:{PORT}/")]);
        // The container may run for a moment before its server listens.
        while !served(PORT).await.is_ok_and(|answer| answer.contains("landing")) {
            ensure!(Instant::now() < until, "the port does not answer");
            sleep(LOOK_AGAIN).await;
        }
        person.remove_container("web").await?;
        person.remove_image(&image).await
    })
    .await?;
    browser.close().await
}

/// What a browser would get.
async fn served(port: u16) -> anyhow::Result<String> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).await?;
    stream.write_all(b"GET / HTTP/1.0\r\n\r\n").await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    Ok(answer)
}

/// Journey 3.
#[tokio::test]
async fn data_in_a_volume_survives_its_container_being_made_anew() -> anyhow::Result<()> {
    // What is looked for in the log must not be in the command, which is shown too.
    let command = "sh -c 'cat /data/mark || echo $((8000 + 88)); echo $((7000 + 77)) > /data/mark; sleep 3600'";
    let browser = Browser::open(NativeEngine::with_busybox()?).await?;
    in_every_way(&browser, async |person| {
        let words = &person.words;
        for said in ["8088", "7077"] {
            person.run("busybox:latest", "database", command).await?;
            person.press("button", words.add_mount).await?;
            person.fill(words.volume_name, "records").await?;
            person.fill(words.target, "/data").await?;
            browser.sees("-v records:/data").await?;
            person.start("database").await?;
            browser.find("log", "database").await?;
            browser.sees(said).await?;
            person.remove_container("database").await?;
        }
        browser.with_engine(|engine| {
            engine.docker(&["volume", "rm", "records"])?.success()?;
            Ok(())
        })
    })
    .await?;
    browser.close().await
}

/// Journey 4.
#[tokio::test]
async fn two_versions_of_one_program_run_side_by_side() -> anyhow::Result<()> {
    let engine = NativeEngine::start()?;
    for version in ["20", "22"] {
        let settings = json!({ "Env": [format!("VERSION={version}")] });
        engine.load(&busybox_with(&settings)?, &format!("runtime:{version}"))?;
    }
    let command = "sh -c 'echo this is $VERSION; exec sleep 3600'";
    let browser = Browser::open(engine).await?;
    in_every_way(&browser, async |person| {
        for version in ["20", "22"] {
            let (image, name) = (format!("runtime:{version}"), format!("run{version}"));
            person.run(&image, &name, command).await?;
            person.start(&name).await?;
            browser.sees(&format!("this is {version}")).await?;
        }
        // Both run on.
        browser.find("row", "run20").await?;
        for name in ["run20", "run22"] {
            browser.find("button", &person.to(person.words.common.stop, name)).await?;
        }
        person.remove_container("run20").await?;
        person.remove_container("run22").await
    })
    .await?;
    browser.close().await
}

/// Journey 8.
#[tokio::test]
async fn an_image_is_saved_to_a_file_and_loaded_back() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("ferry.tar");
    let browser = Browser::open(NativeEngine::with_busybox()?).await?;
    in_every_way(&browser, async |person| {
        let words = &person.words;
        person.press_at("busybox:latest", &words.show("busybox:latest")).await?;
        browser.will_choose([file.clone()]);
        person.hands.pick(&browser, words.more, words.save).await?;
        browser.sees(&words.written("ferry.tar")).await?;
        ensure!(file.exists(), "the file is not there");
        person.press("button", words.common.close).await?;
        person.remove_image("busybox:latest").await?;
        browser.will_choose([file.clone()]);
        person.hands.pick(&browser, words.menu, words.load).await?;
        browser.find("row", "busybox:latest").await?;
        // What was done stays in sight until it is put away.
        person.press("button", words.dismiss).await?;
        person.press("button", words.dismiss).await?;
        std::fs::remove_file(&file)?;
        Ok(())
    })
    .await?;
    let left = std::fs::read_dir(folder.path())?.count();
    ensure!(left == 0, "{left} files were left beside it");
    browser.close().await
}

/// Journey 9.
#[tokio::test]
async fn a_push_that_is_refused_goes_on_after_the_log_in() -> anyhow::Result<()> {
    let browser = Browser::open(NativeEngine::with_busybox()?).await?;
    in_every_way(&browser, async |person| {
        // One that nobody has logged in to before.
        let registry = Registry::start_guarded(&Guard::Password)?;
        let words = &person.words;
        let name = registry.reference("team/ferry", "1");
        person.press_at("busybox:latest", &words.show("busybox:latest")).await?;
        person.hands.pick(&browser, words.more, words.tag).await?;
        person.fill(words.new_name, &name).await?;
        person.press("button", words.add).await?;
        person.press_at(&name, &words.show(&name)).await?;
        person.hands.pick(&browser, words.more, words.push).await?;
        person.press("button", words.log_in_to).await?;
        person.fill(words.username, USER).await?;
        person.fill(words.password, PASSWORD).await?;
        person.press("button", words.log_in).await?;
        browser.sees(&words.pushed(&name)).await?;
        person.press("button", words.dismiss).await?;
        person.press("button", words.common.close).await?;
        person.remove_image(&name).await
    })
    .await?;
    browser.close().await
}

/// Journey 10, as far as it is images that fill the disk.
#[tokio::test]
async fn unused_images_are_removed_after_a_look_at_what_comes_free() -> anyhow::Result<()> {
    let browser = Browser::open(NativeEngine::with_busybox()?).await?;
    let spare = busybox_with(&json!({ "Env": ["SPARE=1"] }))?;
    let run = ["run", "-d", "--name", "keeper", "busybox:latest", "busybox", "sleep", "3600"];
    browser.with_engine(|engine| {
        engine.docker(&run)?.success()?;
        Ok(())
    })?;
    in_every_way(&browser, async |person| {
        let words = &person.words;
        browser.with_engine(|engine| engine.load(&spare, "spare:1"))?;
        browser.find("row", "spare:1").await?;
        person.hands.pick(&browser, words.menu, words.prune).await?;
        browser.sees(words.nothing_unused).await?;
        person.hands.choose_radio(&browser, words.dangling, words.all_unused).await?;
        browser.sees("spare:1").await?;
        person.press("button", words.common.remove).await?;
        browser.gone("row", "spare:1").await?;
        browser.find("row", "busybox:latest").await.map(drop)
    })
    .await?;
    browser.close().await
}
