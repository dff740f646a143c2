//! The tour of the first start, over a real engine: what it says of data that lasts is true.

use anyhow::ensure;
use naru_desktop_tests::{Browser, Hands};
use naru_test_framework::NativeEngine;

use crate::looks::{LOOKS, Look};
use crate::words::{EN, Words};

/// What the tour says in one language.
struct Tour {
    take: &'static str,
    next: &'static str,
    finish: &'static str,
    image: &'static str,
    run: &'static str,
    ran: &'static str,
    with_volume: &'static str,
    wrote: &'static str,
    throw_away: &'static str,
    gone: &'static str,
    anew: &'static str,
    kept: &'static str,
}

const ENGLISH: Tour = Tour {
    take: "Take the tour",
    next: "Next",
    finish: "Finish",
    image: "An image is what a container starts from",
    run: "Run the image",
    ran: "It has done its work",
    with_volume: "Run it with a volume",
    wrote: "Its output is what the file has now",
    throw_away: "Throw it away",
    gone: "The volume is still there",
    anew: "Run it anew",
    kept: "with a new line below",
};

const KOREAN: Tour = Tour {
    take: "둘러보기 시작",
    next: "다음",
    finish: "마치기",
    image: "이미지는 컨테이너의 출발점입니다",
    run: "이미지를 실행해 보기",
    ran: "컨테이너가 일을 마쳤고",
    with_volume: "볼륨과 함께 실행해 보기",
    wrote: "출력은 지금 파일에 있는 내용입니다",
    throw_away: "버려 보기",
    gone: "볼륨은 그대로 있습니다",
    anew: "다시 실행해 보기",
    kept: "그 아래에 새 줄이 있습니다",
};

#[tokio::test]
async fn the_tour_shows_data_that_outlives_its_container_by_mouse_and_by_keyboard()
-> anyhow::Result<()> {
    let browser = Browser::open(NativeEngine::start()?).await?;
    browser.sees(EN.machine_running).await?;
    for (look, hands) in [(LOOKS[0], Hands::Mouse), (LOOKS[3], Hands::Keyboard)] {
        look.put_on(&browser).await?;
        take(&browser, &look, hands).await?;
        // The next one begins as the first did, but for what is in the volume.
        browser.with_engine(|engine| {
            engine.docker(&["rm", "first", "diary"])?.success()?;
            Ok(())
        })?;
    }
    browser.close().await
}

async fn take(browser: &Browser, look: &Look, hands: Hands) -> anyhow::Result<()> {
    let Look { words, .. } = look;
    let tour = if words.locale == EN.locale { ENGLISH } else { KOREAN };
    let press = async |name: &str| hands.press(browser, "button", name).await;
    press(tour.take).await?;
    browser.find("heading", tour.image).await?;
    serious(browser, words, look).await?;
    press(tour.next).await?;

    press(tour.run).await?;
    run(browser, words, hands).await?;
    browser.sees(tour.ran).await?;
    press(tour.next).await?;

    press(tour.with_volume).await?;
    run(browser, words, hands).await?;
    browser.sees(tour.wrote).await?;
    let before = pages(browser)?;
    press(tour.next).await?;

    press(tour.throw_away).await?;
    browser.find("dialog", "diary").await?;
    press(words.remove).await?;
    browser.sees(tour.gone).await?;
    press(tour.next).await?;

    press(tour.anew).await?;
    run(browser, words, hands).await?;
    browser.sees(tour.kept).await?;
    let after = pages(browser)?;
    let kept = after.starts_with(&before) && after.len() == before.len() + 1;
    ensure!(kept, "the volume had {before:?}, and then {after:?}");
    browser.picture(&format!("browser-{}-tour", look.name())).await?;
    press(tour.finish).await
}

/// Runs what the form has been filled in with.
async fn run(browser: &Browser, words: &Words, hands: Hands) -> anyhow::Result<()> {
    browser.find("dialog", words.run_title).await?;
    hands.press(browser, "button", words.run).await?;
    browser.gone("dialog", words.run_title).await
}

/// What the container with the volume has said, once it has ended.
fn pages(browser: &Browser) -> anyhow::Result<Vec<String>> {
    browser.with_engine(|engine| {
        engine.docker(&["wait", "diary"])?.success()?;
        let output = engine.docker(&["logs", "diary"])?;
        Ok(output.success()?.lines().map(str::to_owned).collect())
    })
}

/// Fails for what axe-core finds serious.
async fn serious(browser: &Browser, words: &Words, look: &Look) -> anyhow::Result<()> {
    let found = browser.violations().await?;
    let serious: Vec<_> = found.iter().filter(|each| each.is_serious()).collect();
    ensure!(serious.is_empty(), "{} {}: {serious:?}", look.name(), words.images);
    Ok(())
}
