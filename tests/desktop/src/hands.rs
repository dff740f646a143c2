//! A person's ways to press and to type: with the mouse, or with the keyboard alone.

use anyhow::bail;
use thirtyfour::Key;

use crate::Desktop;

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
    pub async fn press(self, desktop: &Desktop, role: &str, name: &str) -> anyhow::Result<()> {
        let element = desktop.find(role, name).await?;
        match self {
            Self::Mouse => element.click().await?,
            Self::Keyboard => {
                tab_to(desktop, role, name).await?;
                desktop.key(Key::Enter).await?;
            }
        }
        Ok(())
    }

    /// Types into the field of this name.
    pub async fn fill(self, desktop: &Desktop, name: &str, text: &str) -> anyhow::Result<()> {
        let element = desktop.find("textbox", name).await?;
        match self {
            Self::Mouse => element.click().await?,
            Self::Keyboard => tab_to(desktop, "textbox", name).await?,
        }
        desktop.keys(text).await
    }

    /// Chooses the tab of this name; by keyboard with the arrows, as tabs want it.
    pub async fn choose_tab(self, desktop: &Desktop, from: &str, name: &str) -> anyhow::Result<()> {
        match self {
            Self::Mouse => desktop.find("tab", name).await?.click().await?,
            Self::Keyboard => {
                desktop.find("tab", name).await?;
                tab_to(desktop, "tab", from).await?;
                desktop.key(Key::Right).await?;
            }
        }
        Ok(())
    }
}

async fn tab_to(desktop: &Desktop, role: &str, name: &str) -> anyhow::Result<()> {
    for _ in 0..MOST_TABS {
        if desktop.has_focus(role, name).await? {
            return Ok(());
        }
        desktop.key(Key::Tab).await?;
    }
    bail!("the Tab key never reaches {role} {name:?}")
}
