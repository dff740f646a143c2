//! A person's ways to press and to type: with the mouse, or with the keyboard alone.

use anyhow::bail;
use thirtyfour::Key;

use crate::Page;

/// More things than any screen has.
const MOST_TABS: usize = 80;

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
        let element = page.find(role, name).await?;
        match self {
            Self::Mouse => element.click().await?,
            Self::Keyboard => {
                tab_to(page, role, name).await?;
                page.key(Key::Enter).await?;
            }
        }
        Ok(())
    }

    /// Types into the field of this name.
    pub async fn fill(self, page: &Page, name: &str, text: &str) -> anyhow::Result<()> {
        let element = page.find("textbox", name).await?;
        match self {
            Self::Mouse => element.click().await?,
            Self::Keyboard => tab_to(page, "textbox", name).await?,
        }
        page.keys(text).await
    }

    /// Chooses the tab of this name; by keyboard with the arrows, as tabs want it.
    pub async fn choose_tab(self, page: &Page, from: &str, name: &str) -> anyhow::Result<()> {
        match self {
            Self::Mouse => page.find("tab", name).await?.click().await?,
            Self::Keyboard => {
                page.find("tab", name).await?;
                tab_to(page, "tab", from).await?;
                page.key(Key::Right).await?;
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
