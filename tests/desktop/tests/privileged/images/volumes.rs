//! A volume's files: looked into, backed up to a file, cloned, and restored.

use anyhow::ensure;
use naru_desktop_tests::Browser;
use naru_test_framework::NativeEngine;

use super::person::in_every_way;
use crate::words::EN;

struct VolumeWords {
    overview: &'static str,
    files: &'static str,
    open_old: &'static str,
    open_page: &'static str,
    back_up: &'static str,
    backed_up: &'static str,
    clone: &'static str,
    clone_title: &'static str,
    clone_now: &'static str,
    cloned: &'static str,
    restore: &'static str,
    lost: &'static str,
    replace: &'static str,
    restored: &'static str,
}

const ENGLISH: VolumeWords = VolumeWords {
    overview: "Overview",
    files: "Files",
    open_old: "Open old",
    open_page: "Open page",
    back_up: "Back up…",
    backed_up: "notes was backed up",
    clone: "Clone…",
    clone_title: "Clone notes",
    clone_now: "Clone",
    cloned: "notes-copy is ready",
    restore: "Restore from a file…",
    lost: "All files that are in notes now are lost",
    replace: "Replace all files",
    restored: "notes was restored",
};

const KOREAN: VolumeWords = VolumeWords {
    overview: "개요",
    files: "파일",
    open_old: "old 열기",
    open_page: "page 열기",
    back_up: "백업…",
    backed_up: "notes 백업 완료",
    clone: "복제…",
    clone_title: "notes 복제",
    clone_now: "복제",
    cloned: "notes-copy 준비 완료",
    restore: "파일에서 복원…",
    lost: "지금 notes 볼륨에 있는 파일",
    replace: "모든 파일 바꾸기",
    restored: "notes 복원 완료",
};

#[tokio::test]
async fn a_volume_is_looked_into_backed_up_cloned_and_restored() -> anyhow::Result<()> {
    let home = tempfile::tempdir()?;
    let file = home.path().join("notes.tar");
    let browser = Browser::open(NativeEngine::with_busybox()?).await?;
    in_every_way(&browser, async |person| {
        let (common, more) = (&person.words.common, person.words.more);
        let words = if common.locale == EN.locale { ENGLISH } else { KOREAN };
        inside(&browser, "mkdir /notes/old; echo $((4000 + 44)) > /notes/old/page")?;

        person.press("button", common.volumes).await?;
        person.press_at("notes", &person.words.show("notes")).await?;
        person.hands.choose_tab(&browser, words.overview, words.files).await?;
        person.press_at("old", words.open_old).await?;
        person.press_at("page", words.open_page).await?;
        browser.sees("4044").await?;
        browser.picture(&format!("{}-volume-file", person.look)).await?;

        browser.will_choose([file.clone()]);
        person.hands.pick(&browser, more, words.back_up).await?;
        browser.sees(words.backed_up).await?;
        person.hands.pick(&browser, more, words.clone).await?;
        browser.find("dialog", words.clone_title).await?;
        browser.picture(&format!("{}-volume-clone", person.look)).await?;
        person.press("button", words.clone_now).await?;
        browser.sees(words.cloned).await?;

        inside(&browser, "rm -r /notes/old; echo new > /notes/new")?;
        browser.will_choose([file.clone()]);
        person.hands.pick(&browser, more, words.restore).await?;
        browser.find("dialog", "notes.tar").await?;
        browser.sees(words.lost).await?;
        browser.picture(&format!("{}-volume-restore", person.look)).await?;
        person.press("button", words.replace).await?;
        browser.sees(words.restored).await?;
        browser.picture(&format!("{}-volume-restored", person.look)).await?;
        ensure!(inside(&browser, "cat /notes/old/page; ls /notes")? == "4044\nold");
        for _ in 0..3 {
            person.press("button", person.words.dismiss).await?;
        }
        // The next one opens them anew.
        person.press("button", common.close).await?;
        docker(&browser, &["volume", "rm", "notes", "notes-copy"])?;
        browser.gone("row", "notes").await
    })
    .await?;
    let left = std::fs::read_dir(home.path())?.count();
    ensure!(left == 1, "{left} files are where one backup should be");
    browser.close().await
}

/// What a shell says that has the volume at `/notes`.
fn inside(browser: &Browser, script: &str) -> anyhow::Result<String> {
    docker(browser, &["run", "--rm", "-v", "notes:/notes", "busybox:latest", "sh", "-c", script])
}

fn docker(browser: &Browser, arguments: &[&str]) -> anyhow::Result<String> {
    browser.with_engine(|engine| Ok(engine.docker(arguments)?.success()?.to_owned()))
}
