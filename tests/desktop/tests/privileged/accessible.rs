//! What axe-core says of every screen, of the views of details and of dialogs.

use anyhow::ensure;
use naru_desktop_tests::{Browser, Hands};
use naru_test_framework::NativeEngine;
use thirtyfour::{By, Key};

use crate::looks::LOOKS;
use crate::words::{EN, Words};

/// A service of a project that runs, with a volume.
fn engine() -> anyhow::Result<NativeEngine> {
    let engine = NativeEngine::with_busybox()?;
    engine.docker(&["volume", "create", "data"])?.success()?;
    let run = ["run", "-d", "--name", "ferry", "-v", "data:/data", "--label"];
    let service =
        ["com.docker.compose.project=port", "--label", "com.docker.compose.service=ferry"];
    let command = ["busybox", "sh", "-c", "echo landing; exec sleep 3600"];
    engine.docker(&[&run[..], &service, &command].concat())?.success()?;
    Ok(engine)
}

#[tokio::test]
async fn axe_finds_nothing_serious_on_any_screen_in_any_look() -> anyhow::Result<()> {
    let browser = Browser::open(engine()?).await?;
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

/// A word in English and in Korean.
type Word = (&'static str, &'static str);

/// Dialogs by the list, the menu there and the item that opens them.
const MORE: Word = ("More actions", "작업 더 보기");
const IN_IMAGES: Word = ("More to do with images", "이미지 관리");
const OF_A_CONTAINER: [Word; 4] = [
    ("Edit", "설정 바꾸기"),
    ("Rename", "이름 바꾸기"),
    ("Make an image of it", "이미지로 만들기"),
    ("Kill", "강제 종료"),
];
const OF_AN_IMAGE: [Word; 1] = [("Add a name", "이름 추가")];
const OF_IMAGES: [Word; 2] =
    [("Log in to a registry", "레지스트리 로그인"), ("Remove unused", "쓰지 않는 이미지 삭제")];
const SHOW_CONTAINER: Word = ("Show ferry", "ferry 보기");
const SHOW_IMAGE: Word = ("Show busybox:latest", "busybox:latest 보기");
const RUN_IMAGE: Word = ("Run busybox:latest", "busybox:latest 실행");
const SEARCH: Word = ("Search", "찾기와 실행");
const NEW_VOLUME: Word = ("Create volume", "볼륨 만들기");
const NEW_NETWORK: Word = ("Create network", "네트워크 만들기");
const STOP_MACHINE: Word = ("Stop machine", "가상 머신 종료");
const START_MACHINE: Word = ("Start machine", "가상 머신 시작");
const OFF: Word = ("The machine is off", "가상 머신이 꺼져 있습니다");

/// Where axe-core looks closely, in one look.
struct Look<'a> {
    browser: &'a Browser,
    words: Words,
    name: String,
    found: Vec<String>,
}

#[tokio::test]
async fn axe_finds_nothing_serious_in_details_and_dialogs() -> anyhow::Result<()> {
    let browser = Browser::open(engine()?).await?;
    let mut found = Vec::new();
    for look in [LOOKS[0], LOOKS[3]] {
        look.put_on(&browser).await?;
        let (words, name) = (look.words, look.name());
        let mut look = Look { browser: &browser, words, name, found: Vec::new() };
        look.containers().await?;
        look.images().await?;
        look.new_things().await?;
        found.append(&mut look.found);
    }
    // What has run does not run any more after it.
    for look in [LOOKS[0], LOOKS[3]] {
        look.put_on(&browser).await?;
        let (words, name) = (look.words, look.name());
        let mut look = Look { browser: &browser, words, name, found: Vec::new() };
        look.machine().await?;
        found.append(&mut look.found);
    }
    ensure!(found.is_empty(), "axe-core finds:\n{}", found.join("\n"));
    browser.close().await
}

impl Look<'_> {
    fn say(&self, (english, korean): Word) -> &'static str {
        if self.words.locale == EN.locale { english } else { korean }
    }

    async fn press(&self, role: &str, name: &str) -> anyhow::Result<()> {
        Hands::Mouse.press(self.browser, role, name).await
    }

    async fn check(&mut self, place: &str) -> anyhow::Result<()> {
        for violation in self.browser.violations().await?.iter().filter(|each| each.is_serious()) {
            self.found.push(format!("{} {place}: {violation:?}", self.name));
        }
        self.browser.picture(&format!("browser-{}-{place}", self.name)).await
    }

    async fn containers(&mut self) -> anyhow::Result<()> {
        self.press("button", self.words.containers).await?;
        self.press("button", self.say(SHOW_CONTAINER)).await?;
        self.tabs("container").await?;
        self.dialogs(MORE, &OF_A_CONTAINER).await?;
        self.press("button", self.words.close).await
    }

    async fn images(&mut self) -> anyhow::Result<()> {
        self.press("button", self.words.images).await?;
        self.press("button", self.say(RUN_IMAGE)).await?;
        self.dialog("run").await?;
        self.dialogs(IN_IMAGES, &OF_IMAGES).await?;
        self.press("button", self.say(SHOW_IMAGE)).await?;
        self.tabs("image").await?;
        self.dialogs(MORE, &OF_AN_IMAGE).await?;
        self.press("button", self.words.close).await?;
        self.press("button", self.say(SEARCH)).await?;
        self.dialog("palette").await
    }

    async fn new_things(&mut self) -> anyhow::Result<()> {
        for (list, new) in [(self.words.volumes, NEW_VOLUME), (self.words.networks, NEW_NETWORK)] {
            self.press("button", list).await?;
            self.press("button", self.say(new)).await?;
            self.dialog(&new.0.replace(' ', "-").to_lowercase()).await?;
        }
        Ok(())
    }

    /// The question before the machine stops, and the screen when it is off.
    async fn machine(&mut self) -> anyhow::Result<()> {
        self.press("button", self.words.machine_running).await?;
        self.press("button", self.say(STOP_MACHINE)).await?;
        self.browser.find("dialog", "").await?;
        self.check("dialog-stop-machine").await?;
        self.press("button", self.say(STOP_MACHINE)).await?;
        self.browser.find("heading", self.say(OFF)).await?;
        self.check("off").await?;
        self.press("button", self.say(START_MACHINE)).await?;
        self.browser.find("heading", self.words.machine_title).await.map(drop)
    }

    /// Each view of the details that are open.
    async fn tabs(&mut self, of: &str) -> anyhow::Result<()> {
        let tabs = self.browser.driver().find_all(By::Css("[role=tab]")).await?;
        for (at, tab) in tabs.into_iter().enumerate() {
            tab.click().await?;
            self.browser
                .holds("document.querySelector('[role=tabpanel] .spinner') === null")
                .await?;
            self.check(&format!("{of}-view-{at}")).await?;
        }
        Ok(())
    }

    /// Each dialog that an item of the menu opens.
    async fn dialogs(&mut self, menu: Word, items: &[Word]) -> anyhow::Result<()> {
        for item in items {
            Hands::Mouse.pick(self.browser, self.say(menu), self.say(*item)).await?;
            self.dialog(&item.0.replace(' ', "-").to_lowercase()).await?;
        }
        Ok(())
    }

    /// The dialog that is open, which is closed.
    async fn dialog(&mut self, place: &str) -> anyhow::Result<()> {
        self.browser.find("dialog", "").await?;
        self.check(&format!("dialog-{place}")).await?;
        self.browser.key(Key::Escape).await?;
        self.browser.gone("dialog", "").await
    }
}
