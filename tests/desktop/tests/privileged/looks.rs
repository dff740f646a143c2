//! The window's languages and themes.

use naru_desktop_tests::Page;
use thirtyfour::components::SelectElement;

use crate::words::{EN, KO, Words};

/// A language and a theme.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Look {
    pub(crate) words: Words,
    theme: &'static str,
}

/// Every look; the first is the one that a test's home begins with.
pub(crate) const LOOKS: [Look; 4] = [
    Look { words: EN, theme: "light" },
    Look { words: EN, theme: "dark" },
    Look { words: KO, theme: "light" },
    Look { words: KO, theme: "dark" },
];

impl Look {
    /// Sets it in the settings, whatever language they are in now.
    pub(crate) async fn put_on(&self, page: &Page) -> anyhow::Result<()> {
        let Self { words, theme } = self;
        let now = page.driver().execute("return document.documentElement.lang", vec![]).await?;
        let shown = if now.convert::<String>()? == KO.locale { KO } else { EN };
        page.find("button", shown.settings).await?.click().await?;
        for (label, value) in [(shown.theme_label, theme), (shown.language_label, &words.locale)] {
            let choice = page.find("combobox", label).await?;
            SelectElement::new(&choice).await?.select_by_value(value).await?;
        }
        page.find("heading", words.settings).await?;
        page.holds(&format!("document.documentElement.dataset.theme === {theme:?}")).await
    }

    /// What its screenshots' names begin with.
    pub(crate) fn name(&self) -> String {
        format!("{}-{}", self.words.locale, self.theme)
    }
}

/// Keeps a screenshot of one screen in every look, and comes back to the first.
/// `way` is the button that leads to the screen from the settings, and the screen's heading.
pub(crate) async fn picture_in_every_look(
    page: &Page,
    screen: &str,
    way: impl Fn(&Words) -> (&'static str, &'static str),
) -> anyhow::Result<()> {
    let go = async |look: &Look| {
        look.put_on(page).await?;
        let (button, heading) = way(&look.words);
        page.find("button", button).await?.click().await?;
        page.find("heading", heading).await
    };
    for look in &LOOKS {
        go(look).await?;
        page.picture(&format!("{}-{screen}", look.name())).await?;
    }
    go(&LOOKS[0]).await?;
    Ok(())
}
