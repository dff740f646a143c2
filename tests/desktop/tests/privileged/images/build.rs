//! Journey 6: an image is built from a folder, and run.

use std::fs;
use std::path::Path;

use anyhow::ensure;
use naru_desktop_tests::{Browser, Violation};
use naru_test_framework::NativeEngine;

use super::person::{Person, in_every_way};
use crate::words::EN;

/// The fourth line cannot work; what comes after it is said by the container.
const BROKEN: &str = "FROM busybox:latest\nARG GREETING=hello\nCOPY . /app\nRUN cat /app/missing\n\
    ENV SAID=$GREETING\nCMD [\"sh\", \"-c\", \"cat /app/page; echo I say $SAID; exec sleep 3600\"]\n";

struct BuildWords {
    open: &'static str,
    choose: &'static str,
    build: &'static str,
    failed: &'static str,
    next: &'static str,
    again: &'static str,
    cached: &'static str,
    built: &'static str,
    run: &'static str,
    dockerfile: &'static str,
    steps: &'static str,
}

const ENGLISH: BuildWords = BuildWords {
    open: "Build from a folder",
    choose: "Choose…",
    build: "Build",
    failed: "Line 4 of Dockerfile failed",
    next: "What the program said last is under Steps",
    again: "Build again",
    cached: "cached",
    built: "was built in",
    run: "Run the image",
    dockerfile: "Dockerfile",
    steps: "Steps",
};

const KOREAN: BuildWords = BuildWords {
    open: "폴더에서 빌드",
    choose: "고르기…",
    build: "빌드",
    failed: "Dockerfile의 4번째 줄에서 실패했습니다",
    next: "프로그램이 마지막으로 출력한 내용은 ‘단계’에 있습니다",
    again: "다시 빌드",
    cached: "캐시 사용",
    built: "빌드 완료",
    run: "이 이미지 실행",
    dockerfile: "Dockerfile 파일",
    steps: "단계",
};

#[tokio::test]
async fn an_image_is_built_from_a_folder_and_run() -> anyhow::Result<()> {
    let home = tempfile::tempdir()?;
    let folder = home.path().join("ferry");
    fs::create_dir(&folder)?;
    fs::write(folder.join("page"), "timetable\n")?;
    fs::write(folder.join(".dockerignore"), "secret\nDockerfile\n")?;
    fs::write(folder.join("secret"), "not for images\n")?;
    let browser = Browser::open(NativeEngine::with_busybox()?).await?;
    in_every_way(&browser, async |person| {
        let is_english = person.words.common.locale == EN.locale;
        let words = if is_english { ENGLISH } else { KOREAN };
        fs::write(folder.join("Dockerfile"), BROKEN)?;
        begin(&browser, person, &words, &folder).await?;
        browser.find("alert", words.failed).await?;
        browser.sees(words.next).await?;
        // What the program said.
        browser.sees("can't open '/app/missing'").await?;
        person.hands.choose_tab(&browser, words.steps, words.dockerfile).await?;
        browser.find("list", "Dockerfile").await?;
        browser.picture(&format!("{}-build-failed", person.look)).await?;
        let serious = browser.violations().await?.into_iter().filter(Violation::is_serious);
        let serious: Vec<_> = serious.collect();
        ensure!(serious.is_empty(), "{serious:#?}");

        let mended = BROKEN.replace("cat /app/missing", "test ! -e /app/secret");
        fs::write(folder.join("Dockerfile"), mended)?;
        person.press("button", words.again).await?;
        browser.sees(words.built).await?;
        browser.sees(words.cached).await?;
        browser.picture(&format!("{}-build-done", person.look)).await?;
        person.press("button", words.run).await?;
        browser.find("dialog", person.words.common.run_title).await?;
        person.fill(person.words.common.name, "quay").await?;
        person.start("quay").await?;
        browser.sees("timetable").await?;
        browser.sees("I say aye").await?;
        person.remove_container("quay").await?;
        person.press("button", person.words.common.images).await?;
        person.press("button", person.words.common.close).await?;
        person.remove_image("ferry:latest").await
    })
    .await?;
    browser.close().await
}

/// Chooses the folder, says something to its Dockerfile, and presses Build.
async fn begin(
    browser: &Browser,
    person: &Person<'_>,
    words: &BuildWords,
    folder: &Path,
) -> anyhow::Result<()> {
    browser.will_choose([folder.to_owned()]);
    person.press("button", words.open).await?;
    person.press("button", words.choose).await?;
    person.fill("GREETING", "aye").await?;
    browser.sees("--build-arg GREETING=aye").await?;
    browser.picture(&format!("{}-build-form", person.look)).await?;
    person.press("button", words.build).await
}
