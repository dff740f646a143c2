//! The window under test.

use std::env::consts::ARCH;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, bail};
use rustls::crypto::ring;
use serde_json::{Value, json};
use tempfile::TempDir;
use thirtyfour::{Capabilities, Key, WebDriver, WebElement};
use tokio::net::TcpStream;
use tokio::time::{Instant, interval, timeout};

use crate::display::{Bus, Display, Driver};

/// How long a thing may take to show up; the machine starts without acceleration here.
pub(crate) const PATIENCE: Duration = Duration::from_mins(2);
/// How often to look again.
pub(crate) const LOOK_AGAIN: Duration = Duration::from_millis(100);
/// How long the driver may take to begin a session; rarely, it hangs.
const SESSION_PATIENCE: Duration = Duration::from_secs(30);
const SESSION_ATTEMPTS: usize = 2;

/// Finds the visible elements of a role and name as assistive technology sees them.
const FIND: &str = r"
const [role, name] = arguments;
const native = {
  button: 'button:not([role])', heading: 'h1, h2, h3', textbox: 'input:not([type=checkbox]):not([type=number]), textarea',
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

/// Where one Naru lives.
#[derive(Debug)]
pub struct Home(TempDir);

impl Home {
    /// A new one; its settings name the accelerator that works everywhere.
    pub fn new() -> anyhow::Result<Self> {
        Self::write(&json!({ "accelerator": "tcg", "language": "en", "theme": "light" }))
    }

    /// A new one whose settings name this program as QEMU.
    pub fn with_qemu(program: &Path) -> anyhow::Result<Self> {
        let program = program.display().to_string();
        Self::write(&json!({
            "accelerator": "tcg", "language": "en", "theme": "light", "qemu_path": program,
        }))
    }

    fn write(settings: &Value) -> anyhow::Result<Self> {
        let home = Self(TempDir::new()?);
        let config = home.path().join("config");
        fs::create_dir_all(&config)?;
        fs::write(config.join("settings.json"), settings.to_string())?;
        Ok(home)
    }

    /// What the machine wrote to its console.
    pub fn console(&self) -> anyhow::Result<String> {
        let log = self.path().join("data/serial.log");
        Ok(String::from_utf8_lossy(&fs::read(&log)?).into_owned())
    }

    fn path(&self) -> &Path {
        self.0.path()
    }
}

/// The program with its window, on a display and a session bus of its own.
#[derive(Debug)]
pub struct Desktop {
    driver: WebDriver,
    // In this order: the program ends before its display and its bus.
    _process: Driver,
    _display: Display,
    _bus: Bus,
}

impl Desktop {
    /// Starts the program in `home`.
    pub async fn open(home: &Home) -> anyhow::Result<Self> {
        Self::open_on(Bus::start()?, home).await
    }

    /// Starts the program in `home`, with the desktop that is on `bus`.
    pub async fn open_on(bus: Bus, home: &Home) -> anyhow::Result<Self> {
        let display = Display::start()?;
        for _ in 0..SESSION_ATTEMPTS {
            let process = Driver::start(&display, &bus, home.path(), &vm_images())?;
            if let Ok(driver) = timeout(SESSION_PATIENCE, session(&process.url)).await {
                return Ok(Self {
                    driver: driver?,
                    _process: process,
                    _display: display,
                    _bus: bus,
                });
            }
        }
        bail!("WebKitWebDriver began no session in {SESSION_ATTEMPTS} attempts")
    }

    /// The driver behind it.
    pub fn driver(&self) -> &WebDriver {
        &self.driver
    }

    /// Ends the window.
    pub async fn close(self) -> anyhow::Result<()> {
        Ok(self.driver.quit().await?)
    }

    /// Lets go of a window that has ended by itself: its driver would wait for its answer.
    pub fn let_go(self) -> anyhow::Result<()> {
        Ok(self.driver.leak()?)
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
        self.driver.execute_async(SETTLE, vec![]).await?;
        let png = self.driver.screenshot_as_png().await?;
        fs::write(folder.join(format!("{name}.png")), png)?;
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

async fn session(url: &str) -> anyhow::Result<WebDriver> {
    let program = program()?;
    let mut again = interval(LOOK_AGAIN);
    // The driver listens a moment after it starts; the caller's deadline ends this.
    while TcpStream::connect(url.trim_start_matches("http://")).await.is_err() {
        again.tick().await;
    }
    let mut capabilities = Capabilities::new();
    let options = json!({ "binary": program, "args": [] });
    capabilities.set("webkitgtk:browserOptions", options)?;
    // Built with the whole workspace the client has TLS, which it never uses here, but no
    // provider for it. An error only says that one is installed already.
    drop(ring::default_provider().install_default());
    Ok(WebDriver::new(url, capabilities).await?)
}

/// `naru-desktop`, which the same build puts beside the tests.
fn program() -> anyhow::Result<PathBuf> {
    let test = std::env::current_exe()?;
    let folder = test.parent().and_then(Path::parent).context("a test lies in target/*/deps")?;
    let program = folder.join("naru-desktop");
    anyhow::ensure!(program.is_file(), "build the window first: {}", program.display());
    Ok(program)
}

fn target() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target")
}

fn vm_images() -> PathBuf {
    std::env::var_os("NARU_VM_IMAGES")
        .map_or_else(|| target().join("vm-images").join(ARCH), PathBuf::from)
}
