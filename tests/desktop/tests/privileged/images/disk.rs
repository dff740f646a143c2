//! Journey 10: what fills the disk is found, and freed.

use std::fs;

use anyhow::ensure;
use naru_desktop_tests::Browser;
use naru_test_framework::NativeEngine;

use super::person::in_every_way;
use crate::words::EN;

/// What nobody needs any more: a step of a build, and five MiB in a volume.
const DOCKERFILE: &str = "FROM busybox:latest\nRUN head -c 3000000 /dev/urandom > /fill\n";
const FILL: [&str; 5] = ["dd", "if=/dev/urandom", "of=/hold/cargo", "bs=1M", "count=5"];

struct DiskWords {
    free_label: &'static str,
    free_title: &'static str,
    stays: &'static str,
    free: &'static str,
    nothing_left: &'static str,
    show_volumes: &'static str,
    size: &'static str,
    five_mib: &'static str,
}

const ENGLISH: DiskWords = DiskWords {
    free_label: "Free the build cache",
    free_title: "Free the build cache?",
    stays: "Images and containers stay",
    free: "Free",
    nothing_left: "Nothing in it is unused.",
    show_volumes: "Show Volumes",
    size: "Size",
    five_mib: "5.2 MB",
};

const KOREAN: DiskWords = DiskWords {
    free_label: "빌드 캐시 비우기",
    free_title: "빌드 캐시를 비울까요?",
    stays: "이미지와 컨테이너는 그대로",
    free: "비우기",
    nothing_left: "쓰이지 않는 항목이 없습니다.",
    show_volumes: "볼륨 보기",
    size: "크기",
    five_mib: "5.2MB",
};

#[tokio::test]
async fn what_fills_the_disk_is_found_and_freed() -> anyhow::Result<()> {
    let home = tempfile::tempdir()?;
    fs::write(home.path().join("Dockerfile"), DOCKERFILE)?;
    let folder = home.path().display().to_string();
    let browser = Browser::open(NativeEngine::with_busybox()?).await?;
    in_every_way(&browser, async |person| {
        let common = &person.words.common;
        let words = if common.locale == EN.locale { ENGLISH } else { KOREAN };
        docker(&browser, &["build", "-t", "filled", &folder])?;
        docker(&browser, &["rmi", "filled"])?;
        let run = ["run", "--rm", "-v", "hold:/hold", "busybox:latest"];
        docker(&browser, &[&run[..], &FILL].concat())?;
        docker(&browser, &["volume", "create", "spare"])?;

        person.press("button", common.machine_running).await?;
        browser.find("heading", common.machine_title).await?;
        person.press("button", words.free_label).await?;
        browser.find("dialog", words.free_title).await?;
        browser.sees(words.stays).await?;
        browser.picture(&format!("{}-free-cache", person.look)).await?;
        person.press("button", words.free).await?;
        browser
            .holds(&format!("document.querySelector('[title={:?}]') !== null", words.nothing_left))
            .await?;
        let usage = docker(&browser, &["system", "df", "--format", "{{.Type}} {{.Size}}"])?;
        ensure!(usage.contains("Build Cache 0B"), "{usage}");

        // What was freed is told in a notice, above the buttons in a window as low as this one.
        browser.holds("document.querySelector('.toast') === null").await?;
        person.press("button", words.show_volumes).await?;
        browser.sees(words.five_mib).await?;
        // The second time turns it round: the largest first.
        person.press("button", words.size).await?;
        person.press("button", words.size).await?;
        browser.holds("document.querySelector('tr[data-key]').dataset.key === 'hold'").await?;
        person.press_at("hold", &person.to(common.remove, "hold")).await?;
        browser.find("dialog", "hold").await?;
        browser.sees(words.five_mib).await?;
        person.press("button", common.remove).await?;
        browser.gone("row", "hold").await?;
        ensure!(docker(&browser, &["volume", "ls", "-q"])? == "spare", "another volume is gone");
        docker(&browser, &["volume", "rm", "spare"])?;
        Ok(())
    })
    .await?;
    browser.close().await
}

fn docker(browser: &Browser, arguments: &[&str]) -> anyhow::Result<String> {
    browser.with_engine(|engine| Ok(engine.docker(arguments)?.success()?.to_owned()))
}
