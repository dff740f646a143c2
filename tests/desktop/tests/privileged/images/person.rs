//! Who goes the journeys.

use naru_desktop_tests::{Browser, Hands};

use super::words::ImageWords;
use crate::looks::{LOOKS, Look};

/// A language and a way to work; all of them in turn.
const WAYS: [(Look, Hands); 4] = [
    (LOOKS[0], Hands::Mouse),
    (LOOKS[3], Hands::Keyboard),
    (LOOKS[2], Hands::Mouse),
    (LOOKS[1], Hands::Keyboard),
];

/// A person at the window.
pub(super) struct Person<'a> {
    browser: &'a Browser,
    pub(super) hands: Hands,
    pub(super) words: ImageWords,
    /// What its screenshots' names begin with.
    pub(super) look: String,
}

/// Does the same in every way; it leaves the engine as it found it.
pub(super) async fn in_every_way(
    browser: &Browser,
    journey: impl AsyncFn(&Person<'_>) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    for (look, hands) in WAYS {
        look.put_on(browser).await?;
        let words = ImageWords::of(&look.words);
        let person = Person { browser, hands, words, look: look.name() };
        person.press("button", look.words.images).await?;
        browser.find("heading", look.words.images).await?;
        journey(&person).await?;
    }
    Ok(())
}

impl Person<'_> {
    pub(super) async fn press(&self, role: &str, name: &str) -> anyhow::Result<()> {
        self.hands.press(self.browser, role, name).await
    }

    /// Presses a button of the row of this name.
    pub(super) async fn press_at(&self, row: &str, name: &str) -> anyhow::Result<()> {
        self.hands.press_in_row(self.browser, row, "button", name).await
    }

    pub(super) async fn fill(&self, name: &str, text: &str) -> anyhow::Result<()> {
        self.hands.fill(self.browser, name, text).await
    }

    /// What a button that does `verb` to `object` is called.
    pub(super) fn to(&self, verb: &str, object: &str) -> String {
        self.words.verb(verb, object)
    }

    /// Runs the image with this command, and comes to its details.
    pub(super) async fn run(&self, image: &str, name: &str, command: &str) -> anyhow::Result<()> {
        let common = &self.words.common;
        self.press("button", common.images).await?;
        self.press_at(image, &self.to(common.run, image)).await?;
        self.browser.find("dialog", common.run_title).await?;
        self.fill(common.name, name).await?;
        if !command.is_empty() {
            self.fill(common.command, command).await?;
        }
        Ok(())
    }

    /// Presses Run, and waits for the container's details.
    pub(super) async fn start(&self, name: &str) -> anyhow::Result<()> {
        self.press("button", self.words.common.run).await?;
        self.browser.find("heading", name).await.map(drop)
    }

    pub(super) async fn remove_container(&self, name: &str) -> anyhow::Result<()> {
        let common = &self.words.common;
        self.press("button", common.containers).await?;
        self.press_at(name, &self.to(common.remove, name)).await?;
        self.browser.find("dialog", name).await?;
        self.press("button", common.remove).await?;
        self.browser.gone("row", name).await
    }

    pub(super) async fn remove_image(&self, name: &str) -> anyhow::Result<()> {
        let common = &self.words.common;
        self.press("button", common.images).await?;
        self.press_at(name, &self.to(common.remove, name)).await?;
        self.browser.find("dialog", name).await?;
        self.press("button", common.remove).await?;
        self.browser.gone("row", name).await
    }
}
