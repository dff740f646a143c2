//! Journey 5: a container that fails is looked into, and its settings are changed.

use anyhow::ensure;
use naru_desktop_tests::{Browser, Hands};
use naru_test_framework::NativeEngine;
use thirtyfour::Key;

use crate::looks::{LOOKS, Look};
use crate::words::EN;

/// It wants a variable, keeps a count in a volume, and writes a file beside it.
const COMMAND: &str = "echo run >> /data/runs; touch /left; \
     test -n \"$HARBOUR\" || { echo HARBOUR is missing >&2; exit 1; }; \
     echo landing at $HARBOUR, run $(wc -l < /data/runs); exec sleep 3600";

/// What is said in one language.
struct Words {
    edit: &'static str,
    make: &'static str,
    add_variable: &'static str,
    variable: &'static str,
    value: &'static str,
    change: &'static str,
    lost: &'static str,
    show: &'static str,
    more: &'static str,
    failed: &'static str,
    image: &'static str,
    cancel: &'static str,
}

const ENGLISH: Words = Words {
    edit: "Edit",
    make: "Make it anew",
    add_variable: "Add a variable",
    variable: "Variable",
    value: "Value",
    change: "Variable HARBOUR",
    lost: "Lost are its output so far",
    show: "Show ferry",
    more: "More actions",
    failed: "Exited (1)",
    image: "Image",
    cancel: "Cancel",
};

const KOREAN: Words = Words {
    edit: "설정 바꾸기",
    make: "새로 만들기",
    add_variable: "변수 추가",
    variable: "변수",
    value: "값",
    change: "변수 HARBOUR",
    lost: "지금까지의 출력",
    show: "ferry 보기",
    more: "작업 더 보기",
    failed: "종료됨 (1)",
    image: "이미지",
    cancel: "취소",
};

/// A language and a way to work; all of them in turn.
const WAYS: [(Look, Hands); 4] = [
    (LOOKS[0], Hands::Mouse),
    (LOOKS[3], Hands::Keyboard),
    (LOOKS[2], Hands::Mouse),
    (LOOKS[1], Hands::Keyboard),
];

fn docker(browser: &Browser, arguments: &[&str]) -> anyhow::Result<String> {
    browser.with_engine(|engine| Ok(engine.docker(arguments)?.success()?.to_owned()))
}

#[tokio::test]
async fn a_failing_container_is_looked_into_and_its_settings_are_changed() -> anyhow::Result<()> {
    let browser = Browser::open(NativeEngine::with_busybox()?).await?;
    browser.sees(EN.machine_running).await?;
    for (look, hands) in WAYS {
        let words = if look.words.locale == EN.locale { &ENGLISH } else { &KOREAN };
        let run = ["run", "-d", "--name", "ferry", "-v", "hold:/data", "-v", "/spare"];
        let more = ["--label", "made=here", "--user", "0:0", "busybox", "sh", "-c", COMMAND];
        docker(&browser, &[&run[..], &more].concat())?;
        look.put_on(&browser).await?;
        mend(&browser, hands, &look, words).await?;
        docker(&browser, &["rm", "-f", "-v", "ferry"])?;
        docker(&browser, &["volume", "prune", "-a", "-f"])?;
    }
    browser.close().await
}

async fn mend(browser: &Browser, hands: Hands, look: &Look, words: &Words) -> anyhow::Result<()> {
    hands.press(browser, "button", look.words.containers).await?;
    browser.find("row", words.failed).await?;
    let spare = volume_at(browser, "/spare")?;
    hands.press_in_row(browser, "ferry", "button", words.show).await?;
    browser.sees("HARBOUR is missing").await?;

    hands.pick(browser, words.more, words.edit).await?;
    browser.find("dialog", words.edit).await?;
    // How many files are lost is found out a moment later.
    browser.sees(words.lost).await?;
    hands.press(browser, "button", words.add_variable).await?;
    hands.fill(browser, words.variable, "HARBOUR").await?;
    hands.fill(browser, words.value, "busan").await?;
    browser.sees(words.change).await?;
    browser.picture(&format!("browser-{}-edit", look.name())).await?;
    hands.press(browser, "button", words.make).await?;

    // The same volume: it is its second run.
    browser.sees("landing at busan, run 2").await?;
    browser.gone("row", words.failed).await?;
    browser.find("heading", "ferry").await?;
    ensure!(
        docker(browser, &["ps", "-a", "--format", "{{.Names}} {{.State}}"])? == "ferry running"
    );
    let kept = "{{index .Config.Labels \"made\"}} {{.Config.User}}";
    ensure!(docker(browser, &["inspect", "ferry", "--format", kept])? == "here 0:0");
    ensure!(volume_at(browser, "/spare")? == spare, "the volume without a name is another one");
    Ok(())
}

fn volume_at(browser: &Browser, place: &str) -> anyhow::Result<String> {
    let format = format!(
        "{{{{range .Mounts}}}}{{{{if eq .Destination {place:?}}}}}{{{{.Name}}}}{{{{end}}}}{{{{end}}}}"
    );
    docker(browser, &["inspect", "ferry", "--format", &format])
}

#[tokio::test]
async fn a_container_that_cannot_be_made_anew_runs_on_as_it_was() -> anyhow::Result<()> {
    let mouse = Hands::Mouse;
    let words = &ENGLISH;
    let browser = Browser::open(NativeEngine::with_busybox()?).await?;
    browser.sees(EN.machine_running).await?;
    let command = ["busybox", "sh", "-c", "trap 'exit 0' TERM; touch /left; sleep 3600 & wait"];
    docker(&browser, &[&["run", "-d", "--name", "ferry", "-v", "/spare"][..], &command].concat())?;
    let id = docker(&browser, &["inspect", "ferry", "--format", "{{.Id}}"])?;
    mouse.press(&browser, "button", words.show).await?;
    mouse.pick(&browser, words.more, words.edit).await?;

    // One that is refused at once.
    mouse.fill(&browser, words.image, "-nowhere").await?;
    mouse.press(&browser, "button", words.make).await?;
    browser.find("alert", "No such image").await?;
    mouse.press(&browser, "button", words.cancel).await?;

    // One that is not started, when the old one has been stopped for it.
    mouse.pick(&browser, words.more, words.edit).await?;
    mouse.fill(&browser, EN.command, "").await?;
    let all = browser.driver().action_chain().key_down(Key::Control).send_keys("a");
    all.key_up(Key::Control).perform().await?;
    browser.keys("/no/such/program").await?;
    mouse.press(&browser, "button", words.make).await?;
    browser.find("alert", "/no/such/program").await?;
    browser.picture("browser-edit-failed").await?;
    mouse.press(&browser, "button", words.cancel).await?;
    browser.find("row", "Running").await?;
    let format = "{{.Names}} {{.State}} {{.ID}}";
    let left = docker(&browser, &["ps", "-a", "--no-trunc", "--format", format])?;
    ensure!(left == format!("ferry running {id}"), "{left}");
    docker(&browser, &["exec", "ferry", "ls", "/left", "/spare"])?;
    browser.close().await
}
