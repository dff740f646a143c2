//! A page of the window, whoever shows it, as a person sees it.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::bail;
use rustls::crypto::ring;
use serde_json::{Value, json};
use thirtyfour::error::WebDriverErrorInner;
use thirtyfour::{Capabilities, Key, WebDriver, WebElement};
use tokio::net::TcpStream;
use tokio::time::{Instant, interval, timeout};

/// How long a thing may take to show up; the machine starts without acceleration here.
pub(crate) const PATIENCE: Duration = Duration::from_mins(2);
/// How often to look again.
pub(crate) const LOOK_AGAIN: Duration = Duration::from_millis(100);

/// How long a driver may take to begin a session; rarely, one hangs.
const SESSION_PATIENCE: Duration = Duration::from_secs(30);

/// Finds the visible elements of a role and name as assistive technology sees them.
const FIND: &str = r"
const [role, name] = arguments;
const native = {
  button: 'button:not([role])', heading: 'h1, h2, h3', textbox: 'input:not([type=checkbox]):not([type=radio]):not([type=number]), textarea', radio: 'input[type=radio]',
  combobox: 'select', checkbox: 'input[type=checkbox]', row: 'tr', dialog: 'dialog[open]', table: 'table',
  list: 'ol, ul',
};
const nameOf = (e) =>
  e.getAttribute('aria-label')
  ?? (e.getAttribute('aria-labelledby') && document.getElementById(e.getAttribute('aria-labelledby'))?.textContent)
  ?? (e.labels?.[0]?.textContent)
  ?? e.textContent;
const modal = document.querySelector('dialog[open]');
return [...document.querySelectorAll([native[role], `[role=${role}]`].filter(Boolean).join(','))]
  .filter((e) => !modal || modal.contains(e))
  .filter((e) => e.checkVisibility() && nameOf(e).replace(/\s+/g, ' ').trim().includes(name));
";

/// Ends once what the page is now is what the window shows: its transitions are over, and a
/// frame was painted since. What turns for ever, like a spinner, is not waited for.
const SETTLE: &str = r"
const done = arguments[0];
const frame = () => new Promise(requestAnimationFrame);
const passing = () => document.getAnimations().filter((a) => a.effect.getComputedTiming().iterations !== Infinity);
frame()
  .then(() => Promise.allSettled(passing().map((animation) => animation.finished)))
  .then(frame).then(frame).then(() => done());
";

/// The window's page under a driver. [`Page::find`] looks for things as a screen reader does.
#[derive(Debug)]
pub struct Page {
    driver: WebDriver,
    /// Whether its end is somebody else's business: where a test has failed, the client would
    /// wait for the driver's answer while nothing can carry it.
    is_let_go: bool,
}

impl Drop for Page {
    fn drop(&mut self) {
        if self.is_let_go {
            // An error only says that the session has ended already.
            drop(self.driver.clone().leak());
        }
    }
}

impl Page {
    pub(crate) fn new(driver: WebDriver) -> Self {
        Self { driver, is_let_go: false }
    }

    /// A page whose browser is ended with its process.
    pub(crate) fn of_a_process(driver: WebDriver) -> Self {
        Self { driver, is_let_go: true }
    }

    /// The driver behind it.
    pub fn driver(&self) -> &WebDriver {
        &self.driver
    }

    /// Ends the driver's session, and with it what shows the page.
    pub(crate) async fn quit(self) -> anyhow::Result<()> {
        Ok(self.driver.clone().quit().await?)
    }

    /// Lets go of a window that has ended by itself: its driver would wait for its answer.
    pub(crate) fn let_go(self) -> anyhow::Result<()> {
        Ok(self.driver.clone().leak()?)
    }

    /// The first thing of this role whose name contains `name`, as soon as there is one.
    pub async fn find(&self, role: &str, name: &str) -> anyhow::Result<WebElement> {
        let what = format!("{role} {name:?}");
        self.wait(&what, async || {
            let found = self.driver.execute(FIND, vec![json!(role), json!(name)]).await?;
            Ok(found.elements()?.into_iter().next())
        })
        .await
    }

    /// Clicks on the first thing of this role and name, as soon as one is there and can be
    /// clicked on: until then it may be drawn anew, move, or lie under something that passes.
    pub async fn click(&self, role: &str, name: &str) -> anyhow::Result<()> {
        self.wait(&format!("{role} {name:?} to click on"), async || {
            let found = self.driver.execute(FIND, vec![json!(role), json!(name)]).await?;
            let Some(element) = found.elements()?.into_iter().next() else { return Ok(None) };
            match element.click().await {
                Ok(()) => Ok(Some(())),
                Err(error) => match error.as_inner() {
                    WebDriverErrorInner::StaleElementReference(_)
                    | WebDriverErrorInner::ElementClickIntercepted(_)
                    | WebDriverErrorInner::ElementNotInteractable(_) => Ok(None),
                    _ => Err(error.into()),
                },
            }
        })
        .await
    }

    /// Waits until nothing of this role and name is left.
    pub async fn gone(&self, role: &str, name: &str) -> anyhow::Result<()> {
        self.wait(&format!("the end of {role} {name:?}"), async || {
            let found = self.driver.execute(FIND, vec![json!(role), json!(name)]).await?;
            Ok(found.elements()?.is_empty().then_some(()))
        })
        .await
    }

    /// Waits until the window's text contains `text`.
    pub async fn sees(&self, text: &str) -> anyhow::Result<()> {
        self.wait(&format!("the text {text:?}"), async || {
            Ok(self.text().await?.contains(text).then_some(()))
        })
        .await
    }

    /// Waits until this expression of JavaScript is true.
    pub async fn holds(&self, condition: &str) -> anyhow::Result<()> {
        let script = format!("return {condition}");
        self.wait(condition, async || {
            let holds: bool = self.driver.execute(script.as_str(), vec![]).await?.convert()?;
            Ok(holds.then_some(()))
        })
        .await
    }

    /// All text in the window.
    pub async fn text(&self) -> anyhow::Result<String> {
        let script = "return (document.querySelector('dialog[open]') ?? document.body).innerText";
        let text: Value = self.driver.execute(script, vec![]).await?.convert()?;
        Ok(text.as_str().unwrap_or_default().to_owned())
    }

    /// Whether the thing of this role and name has the focus.
    pub async fn has_focus(&self, role: &str, name: &str) -> anyhow::Result<bool> {
        let found = FIND.replace("return [...", "const found = [...");
        let script = format!("{found} return found.includes(document.activeElement);");
        let focused = self.driver.execute(script, vec![json!(role), json!(name)]).await?;
        Ok(focused.convert()?)
    }

    /// Types `text` to whatever has the focus.
    pub async fn keys(&self, text: &str) -> anyhow::Result<()> {
        Ok(self.driver.action_chain().send_keys(text).perform().await?)
    }

    /// Presses one key for whatever has the focus.
    pub async fn key(&self, key: Key) -> anyhow::Result<()> {
        self.keys(&key.value().to_string()).await
    }

    /// Keeps what the window looks like as `target/screenshots/<name>.png`.
    pub async fn picture(&self, name: &str) -> anyhow::Result<()> {
        let folder = target().join("screenshots");
        fs::create_dir_all(&folder)?;
        self.settle().await?;
        let png = self.driver.screenshot_as_png().await?;
        fs::write(folder.join(format!("{name}.png")), png)?;
        Ok(())
    }

    /// Waits until what the page is now is what the window shows.
    pub async fn settle(&self) -> anyhow::Result<()> {
        self.driver.execute_async(SETTLE, vec![]).await?;
        Ok(())
    }

    async fn wait<T>(
        &self,
        what: &str,
        look: impl AsyncFn() -> anyhow::Result<Option<T>>,
    ) -> anyhow::Result<T> {
        let deadline = Instant::now() + PATIENCE;
        let mut again = interval(LOOK_AGAIN);
        while Instant::now() < deadline {
            again.tick().await;
            if let Some(found) = look().await? {
                return Ok(found);
            }
        }
        self.picture("failure").await?;
        bail!("{what} did not show up; the window says:\n{}", self.text().await?)
    }
}

/// Begins a session with the driver at `url`; none when the driver hangs.
pub(crate) async fn session(
    url: &str,
    capabilities: Capabilities,
) -> anyhow::Result<Option<WebDriver>> {
    // Built with the whole workspace the client has TLS, which it never uses here, but no
    // provider for it. An error only says that one is installed already.
    drop(ring::default_provider().install_default());
    let begin = async {
        let mut again = interval(LOOK_AGAIN);
        // The driver listens a moment after it starts.
        while TcpStream::connect(url.trim_start_matches("http://")).await.is_err() {
            again.tick().await;
        }
        WebDriver::new(url, capabilities).await
    };
    Ok(timeout(SESSION_PATIENCE, begin).await.ok().transpose()?)
}

/// Where cargo builds, and the tests leave their pictures.
pub(crate) fn target() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target")
}
