//! A person's ways to press and to type: with the mouse, or with the keyboard alone.

use anyhow::{bail, ensure};
use thirtyfour::Key;

use crate::Page;

/// More things than any screen has.
const MOST_TABS: usize = 80;
/// More items than any menu has.
const MOST_ITEMS: usize = 20;

/// How the person works.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hands {
    /// Points and clicks; types only into fields.
    Mouse,
    /// Never touches the mouse: Tab to get there, Enter to press.
    Keyboard,
}

impl Hands {
    /// Presses the thing of this role and name.
    pub async fn press(self, page: &Page, role: &str, name: &str) -> anyhow::Result<()> {
        match self {
            Self::Mouse => page.click(role, name).await?,
            Self::Keyboard => {
                page.find(role, name).await?;
                tab_to(page, role, name).await?;
                page.key(Key::Enter).await?;
            }
        }
        Ok(())
    }

    /// Types into the field of this name.
    pub async fn fill(self, page: &Page, name: &str, text: &str) -> anyhow::Result<()> {
        match self {
            Self::Mouse => page.click("textbox", name).await?,
            Self::Keyboard => {
                page.find("textbox", name).await?;
                tab_to(page, "textbox", name).await?;
            }
        }
        page.keys(text).await
    }

    /// Chooses the tab of this name; by keyboard with the arrows, as tabs want it.
    pub async fn choose_tab(self, page: &Page, from: &str, name: &str) -> anyhow::Result<()> {
        match self {
            Self::Mouse => page.click("tab", name).await?,
            Self::Keyboard => {
                page.find("tab", name).await?;
                tab_to(page, "tab", from).await?;
                page.key(Key::Right).await?;
            }
        }
        Ok(())
    }

    /// Presses the thing of this role and name in a row of a list; a list is one stop of the
    /// Tab key, and the arrows go from row to row.
    pub async fn press_in_row(
        self,
        page: &Page,
        row: &str,
        role: &str,
        name: &str,
    ) -> anyhow::Result<()> {
        page.find(role, name).await?;
        if self == Self::Keyboard {
            // Any row: it is the one that was left last.
            tab_to(page, "row", "").await?;
            page.key(Key::Home).await?;
            let mut rows = 0;
            while !page.has_focus("row", row).await? {
                rows += 1;
                ensure!(rows < MOST_TABS, "the arrow keys never reach the row {row:?}");
                page.key(Key::Down).await?;
            }
        }
        self.press(page, role, name).await
    }

    /// Opens the menu of this name and picks an item of it.
    pub async fn pick(self, page: &Page, menu: &str, item: &str) -> anyhow::Result<()> {
        self.press(page, "button", menu).await?;
        match self {
            Self::Mouse => page.click("menuitem", item).await?,
            Self::Keyboard => {
                page.find("menuitem", item).await?;
                for _ in 0..MOST_ITEMS {
                    if page.has_focus("menuitem", item).await? {
                        return page.key(Key::Enter).await;
                    }
                    page.key(Key::Down).await?;
                }
                bail!("the arrow keys never reach {item:?}");
            }
        }
        Ok(())
    }

    /// Chooses the radio button of this name; by keyboard with an arrow from the one before.
    pub async fn choose_radio(self, page: &Page, from: &str, name: &str) -> anyhow::Result<()> {
        match self {
            Self::Mouse => page.click("radio", name).await?,
            Self::Keyboard => {
                page.find("radio", name).await?;
                tab_to(page, "radio", from).await?;
                page.key(Key::Down).await?;
            }
        }
        Ok(())
    }
}

async fn tab_to(page: &Page, role: &str, name: &str) -> anyhow::Result<()> {
    for _ in 0..MOST_TABS {
        if page.has_focus(role, name).await? {
            return Ok(());
        }
        page.key(Key::Tab).await?;
    }
    bail!("the Tab key never reaches {role} {name:?}")
}
