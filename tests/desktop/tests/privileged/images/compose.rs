//! Journey 7: a compose project is brought up, watched, and taken down.

use std::fs;
use std::os::unix::fs::symlink;

use anyhow::ensure;
use naru_desktop_tests::{Browser, Violation};
use naru_test_framework::{NativeEngine, clients};
use tokio::time::{Instant, sleep};

use super::person::in_every_way;
use super::{LOOK_AGAIN, PATIENCE};
use crate::words::EN;

/// What the services say must not be in their commands, which are shown too.
const FILE: &str = r#"name: harbour
services:
  web:
    image: busybox:latest
    pull_policy: never
    stop_signal: SIGKILL
    command: ["sh", "-c", "echo $$((4000 + 44)); exec sleep 3600"]
    volumes: ["records:/data"]
  db:
    image: busybox:latest
    pull_policy: never
    stop_signal: SIGKILL
    command: ["sh", "-c", "echo $$((5000 + 55)); exec sleep 3600"]
volumes:
  records:
"#;
const VOLUME: &str = "harbour_records";

struct ComposeWords {
    open: &'static str,
    choose: &'static str,
    by: &'static str,
    bring_up: &'static str,
    services: &'static str,
    logs: &'static str,
    both_run: &'static str,
    none_runs: &'static str,
    stop_all: &'static str,
    start_all: &'static str,
    down: &'static str,
    take_down: &'static str,
    kept: &'static str,
    keep: &'static str,
    remove: &'static str,
}

const ENGLISH: ComposeWords = ComposeWords {
    open: "Open a compose file",
    choose: "Choose…",
    by: "of this computer brings it up",
    bring_up: "Bring up",
    services: "Services",
    logs: "Logs",
    both_run: "2 of 2 running",
    none_runs: "0 of 2 running",
    stop_all: "Stop all of harbour",
    start_all: "Start all of harbour",
    down: "Take down harbour",
    take_down: "Take down",
    kept: "Nothing in them is lost.",
    keep: "Keep them for the next time",
    remove: "Remove them too",
};

const KOREAN: ComposeWords = ComposeWords {
    open: "컴포즈 파일 열기",
    choose: "고르기…",
    by: "이 컴퓨터의",
    bring_up: "실행하기",
    services: "서비스",
    logs: "로그",
    both_run: "2개 중 2개 실행 중",
    none_runs: "2개 중 0개 실행 중",
    stop_all: "harbour 모두 정지",
    start_all: "harbour 모두 시작",
    down: "harbour 내리기",
    take_down: "내리기",
    kept: "볼륨 안의 데이터는 그대로 남습니다.",
    keep: "다음을 위해 남겨 두기",
    remove: "볼륨도 삭제하기",
};

#[tokio::test]
async fn a_compose_project_is_brought_up_watched_and_taken_down() -> anyhow::Result<()> {
    let home = tempfile::tempdir()?;
    let file = home.path().join("compose.yaml");
    fs::write(&file, FILE)?;
    let browser = Browser::open(NativeEngine::with_busybox()?).await?;
    let plugins = browser.docker_config().join("cli-plugins");
    fs::create_dir_all(&plugins)?;
    symlink(clients::compose()?, plugins.join("docker-compose"))?;
    in_every_way(&browser, async |person| {
        let is_english = person.words.common.locale == EN.locale;
        let words = if is_english { ENGLISH } else { KOREAN };
        person.press("button", person.words.common.projects).await?;
        browser.will_choose([file.clone()]);
        person.press("button", words.open).await?;
        browser.sees(words.by).await?;
        person.press("button", words.choose).await?;
        browser.sees("compose.yaml up -d").await?;
        browser.picture(&format!("{}-compose-form", person.look)).await?;
        person.press("button", words.bring_up).await?;
        browser.find("heading", "harbour").await?;
        browser.sees(words.both_run).await?;

        person.hands.choose_tab(&browser, words.services, words.logs).await?;
        browser.sees("4044").await?;
        browser.sees("5055").await?;
        browser.picture(&format!("{}-project-logs", person.look)).await?;
        let serious = browser.violations().await?.into_iter().filter(Violation::is_serious);
        let serious: Vec<_> = serious.collect();
        ensure!(serious.is_empty(), "{serious:#?}");
        person.press("button", words.stop_all).await?;
        browser.sees(words.none_runs).await?;
        person.press("button", words.start_all).await?;
        browser.sees(words.both_run).await?;

        person.press("button", words.down).await?;
        browser.sees(VOLUME).await?;
        browser.sees(words.kept).await?;
        browser.picture(&format!("{}-project-down", person.look)).await?;
        // What is lost is asked for once, and else kept.
        let is_lost = is_english;
        if is_lost {
            person.hands.choose_radio(&browser, words.keep, words.remove).await?;
            browser.sees("down --volumes").await?;
        }
        person.press("button", words.take_down).await?;
        browser.gone("row", "harbour").await?;
        // Its containers are gone, and after them compose removes the network and what is lost.
        let until = Instant::now() + PATIENCE;
        let gone = |kind: &str, name: &str| {
            browser.with_engine(|engine| {
                let listed = engine.docker(&[kind, "ls", "--format", "{{.Name}}"])?;
                Ok(!listed.success()?.lines().any(|each| each == name))
            })
        };
        while !gone("network", "harbour_default")? || (is_lost && !gone("volume", VOLUME)?) {
            ensure!(Instant::now() < until, "compose does not take its things down");
            sleep(LOOK_AGAIN).await;
        }
        let left = browser.with_engine(|engine| {
            let listed = engine.docker(&["volume", "ls", "-q"])?;
            Ok(listed.success()?.lines().any(|name| name == VOLUME))
        })?;
        ensure!(left != is_lost, "the volume is left: {left}");
        Ok(())
    })
    .await?;
    browser.close().await
}
