//! From the first start to the last container removed.

use naru_desktop_tests::{Browser, Desktop, Hands, Home, Page};
use naru_test_framework::images::busybox;
use naru_test_framework::{NativeEngine, Registry};
use thirtyfour::Key;

use crate::looks::LOOKS;
use crate::words::{EN, Words};

/// What the container says.
const GREETING: &str = "hello from the landing";

/// One way through the window.
struct Journey<'a> {
    page: &'a Page,
    words: Words,
    hands: Hands,
    /// The image to pull.
    image: &'a str,
    /// What the names of the screenshots begin with.
    prefix: String,
}

#[tokio::test]
async fn an_image_is_pulled_and_run_by_mouse_in_every_look() -> anyhow::Result<()> {
    let registry = Registry::start()?;
    registry.push("team/busybox", "1", &busybox()?)?;
    let image = registry.reference("team/busybox", "1");
    let home = Home::new()?;
    let desktop = Desktop::open(&home).await?;
    desktop.find("list", "Start-up steps").await?;
    desktop.picture("first-start").await?;
    desktop.sees(EN.machine_running).await?;

    for look in LOOKS {
        look.put_on(&desktop).await?;
        let (words, prefix) = (look.words, look.name());
        let journey = Journey { page: &desktop, words, hands: Hands::Mouse, image: &image, prefix };
        journey.still_screens().await?;
        journey.pull_to_remove().await?;
    }
    desktop.close().await
}

#[tokio::test]
async fn an_image_is_pulled_and_run_by_keyboard_alone() -> anyhow::Result<()> {
    let registry = Registry::start()?;
    registry.push("team/busybox", "1", &busybox()?)?;
    let image = registry.reference("team/busybox", "1");
    let home = Home::new()?;
    let desktop = Desktop::open(&home).await?;
    desktop.sees(EN.machine_running).await?;
    let prefix = "keyboard".to_owned();
    let journey =
        Journey { page: &desktop, words: EN, hands: Hands::Keyboard, image: &image, prefix };
    journey.pull_to_remove().await?;
    desktop.close().await
}

#[tokio::test]
async fn an_image_is_pulled_and_run_in_a_browser_by_mouse_and_by_keyboard() -> anyhow::Result<()> {
    let registry = Registry::start()?;
    registry.push("team/busybox", "1", &busybox()?)?;
    let image = registry.reference("team/busybox", "1");
    let browser = Browser::open(NativeEngine::start()?).await?;
    browser.sees(EN.machine_running).await?;
    for (look, hands) in [(LOOKS[3], Hands::Mouse), (LOOKS[0], Hands::Keyboard)] {
        look.put_on(&browser).await?;
        let (words, prefix) = (look.words, format!("browser-{}", look.name()));
        let journey = Journey { page: &browser, words, hands, image: &image, prefix };
        journey.pull_to_remove().await?;
    }
    browser.close().await
}

impl Journey<'_> {
    async fn picture(&self, screen: &str) -> anyhow::Result<()> {
        self.page.picture(&format!("{}-{screen}", self.prefix)).await
    }

    /// The screens on which nothing happens.
    async fn still_screens(&self) -> anyhow::Result<()> {
        let Self { page, words, hands, .. } = self;
        page.find("heading", words.settings).await?;
        self.picture("settings").await?;
        hands.press(page, "button", words.machine_running).await?;
        page.find("heading", words.machine_title).await?;
        self.picture("machine").await?;
        let lists = [
            (words.volumes, "volumes"),
            (words.networks, "networks"),
            (words.projects, "projects"),
        ];
        for (name, screen) in lists {
            hands.press(page, "button", name).await?;
            page.find("heading", name).await?;
            self.picture(screen).await?;
        }
        // Every engine has it.
        hands.press(page, "button", words.networks).await?;
        page.find("row", "bridge").await?;
        hands.press(page, "button", words.containers).await?;
        page.sees(words.no_containers).await?;
        self.picture("no-containers").await
    }

    async fn pull_to_remove(&self) -> anyhow::Result<()> {
        self.pull().await?;
        self.run().await?;
        self.use_terminal().await?;
        self.stop_and_remove().await
    }

    async fn pull(&self) -> anyhow::Result<()> {
        let Self { page, words, hands, image, .. } = self;
        hands.press(page, "button", words.images).await?;
        // Offered for as long as there is no container.
        page.find("button", words.demo).await?;
        self.picture("demo").await?;
        hands.fill(page, words.pull_box, image).await?;
        hands.press(page, "button", words.pull).await?;
        page.sees(words.ready).await?;
        page.find("row", image).await?;
        self.picture("images").await
    }

    async fn run(&self) -> anyhow::Result<()> {
        let Self { page, words, hands, image, .. } = self;
        hands.press(page, "button", &self.verb(words.run, image)).await?;
        page.find("dialog", words.run_title).await?;
        hands.fill(page, words.name, "ferry").await?;
        // It ends when it is told to; process 1 of a container has to see to that itself.
        let command =
            format!("sh -c 'trap exit TERM; echo {GREETING}; echo oops >&2; sleep 3600 & wait'");
        hands.fill(page, words.command, &command).await?;
        // The equal line shows up once all of it is typed.
        page.sees("docker --context naru run -d --name ferry").await?;
        page.sees("& wait").await?;
        self.picture("run").await?;
        hands.press(page, "button", words.run).await?;
        page.find("log", words.log).await?;
        page.sees(GREETING).await?;
        page.sees("oops").await?;
        self.picture("logs").await
    }

    async fn use_terminal(&self) -> anyhow::Result<()> {
        let Self { page, words, hands, .. } = self;
        hands.choose_tab(page, "Logs", words.terminal).await?;
        page.find("textbox", "ferry").await?;
        page.sees("#").await?;
        page.keys("echo landing $((40 + 2))").await?;
        page.key(Key::Enter).await?;
        page.sees("landing 42").await?;
        self.picture("terminal").await?;
        // The terminal takes the Tab key itself; F6 is the way out.
        page.key(Key::F6).await
    }

    async fn stop_and_remove(&self) -> anyhow::Result<()> {
        let Self { page, words, hands, .. } = self;
        hands.press(page, "button", &self.verb(words.stop, "ferry")).await?;
        page.sees(words.exited).await?;
        self.picture("containers").await?;
        hands.press(page, "button", &self.verb(words.remove, "ferry")).await?;
        page.find("dialog", "ferry").await?;
        self.picture("remove").await?;
        hands.press(page, "button", words.remove).await?;
        page.sees(words.no_containers).await
    }

    /// What a button that does `verb` to `object` is called.
    fn verb(&self, verb: &str, object: &str) -> String {
        if self.words.locale == EN.locale {
            format!("{verb} {object}")
        } else {
            format!("{object} {verb}")
        }
    }
}
