//! The window under test.

use std::env::consts::ARCH;
use std::fs;
use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use serde_json::{Value, json};
use tempfile::TempDir;
use thirtyfour::{Capabilities, WebDriver};

use crate::display::{Bus, Display, Driver, set_up};
use crate::measured::memory_below;
use crate::page::{self, Page};

/// What people start, and a window with nothing in it for comparison, below the tests' own folder.
const NARU: &str = "naru-desktop";
const EMPTY: &str = "examples/empty";

/// Rarely, the driver hangs where it should begin a session.
const SESSION_ATTEMPTS: usize = 2;

/// Where one Naru lives.
#[derive(Debug)]
pub struct Home(TempDir);

impl Home {
    /// A new one; its settings name the accelerator that works everywhere, and nobody is new to it.
    pub fn new() -> anyhow::Result<Self> {
        Self::write(&json!({
            "accelerator": "tcg", "language": "en", "theme": "light", "tour": false,
        }))
    }

    /// A new one whose settings name this program as QEMU.
    pub fn with_qemu(program: &Path) -> anyhow::Result<Self> {
        let program = program.display().to_string();
        Self::write(&json!({
            "accelerator": "tcg", "language": "en", "theme": "light", "tour": false,
            "qemu_path": program,
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

    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }
}

/// The program with its window, on a display and a session bus of its own.
#[derive(Debug)]
pub struct Desktop {
    page: Page,
    started: Instant,
    // In this order: the program ends before its display and its bus.
    process: Driver,
    display: Display,
    bus: Bus,
    home: PathBuf,
}

impl Desktop {
    /// Starts the program in `home`.
    pub async fn open(home: &Home) -> anyhow::Result<Self> {
        Self::open_on(Bus::start()?, home).await
    }

    /// Starts the program in `home`, with the desktop that is on `bus`.
    pub async fn open_on(bus: Bus, home: &Home) -> anyhow::Result<Self> {
        Self::start(&program(NARU)?, bus, home).await
    }

    /// Starts a program with a window and nothing in it.
    pub async fn open_empty(home: &Home) -> anyhow::Result<Self> {
        Self::start(&program(EMPTY)?, Bus::start()?, home).await
    }

    async fn start(program: &Path, bus: Bus, home: &Home) -> anyhow::Result<Self> {
        let display = Display::start()?;
        for _ in 0..SESSION_ATTEMPTS {
            let process = Driver::start(&display, &bus, home.path(), &vm_images())?;
            let started = Instant::now();
            if let Some(driver) = session(&process.url, program).await? {
                return Ok(Self {
                    page: Page::new(driver),
                    started,
                    process,
                    display,
                    bus,
                    home: home.path().to_owned(),
                });
            }
        }
        bail!("WebKitWebDriver began no session in {SESSION_ATTEMPTS} attempts")
    }

    /// How long ago the program was started.
    pub(crate) fn since_start(&self) -> Duration {
        self.started.elapsed()
    }

    /// What the window's processes take of the computer's memory, in bytes.
    pub fn memory(&self) -> anyhow::Result<u64> {
        memory_below(self.process.pid())
    }

    /// Starts the program once more, as somebody does who does not see its window, and waits
    /// until that one has ended.
    pub async fn start_again(&self) -> anyhow::Result<ExitStatus> {
        let mut command = Command::new(program(NARU)?);
        set_up(&mut command, &self.display, &self.bus, &self.home, &vm_images());
        command.stdin(Stdio::null());
        Ok(tokio::task::spawn_blocking(move || command.status()).await??)
    }

    /// Ends the window.
    pub async fn close(self) -> anyhow::Result<()> {
        self.page.quit().await
    }

    /// Lets go of a window that has ended by itself: its driver would wait for its answer.
    pub fn let_go(self) -> anyhow::Result<()> {
        self.page.let_go()
    }
}

impl Deref for Desktop {
    type Target = Page;

    fn deref(&self) -> &Page {
        &self.page
    }
}

async fn session(url: &str, program: &Path) -> anyhow::Result<Option<WebDriver>> {
    let mut capabilities = Capabilities::new();
    let options = json!({ "binary": program, "args": [] });
    capabilities.set("webkitgtk:browserOptions", options)?;
    page::session(url, capabilities).await
}

/// A program that the build puts beside the tests.
fn program(name: &str) -> anyhow::Result<PathBuf> {
    let test = std::env::current_exe()?;
    let folder = test.parent().and_then(Path::parent).context("a test lies in target/*/deps")?;
    let program = folder.join(name);
    anyhow::ensure!(program.is_file(), "build it first: {}", program.display());
    Ok(program)
}

fn vm_images() -> PathBuf {
    std::env::var_os("NARU_VM_IMAGES")
        .map_or_else(|| page::target().join("vm-images").join(ARCH), PathBuf::from)
}
