//! Chromium without a screen, under its driver.

use std::ffi::OsStr;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::Context;
use serde_json::json;
use tempfile::TempDir;
use thirtyfour::{Capabilities, WebDriver};

use crate::display::{Process, free_port};
use crate::page;

/// The window's usual size.
const SIZE: &str = "1100,720";

/// A running browser with a profile of its own.
#[derive(Debug)]
pub(crate) struct Chromium {
    // In this order: the driver writes to the profile to the last.
    _driver: Process,
    profile: TempDir,
}

impl Chromium {
    /// Starts the driver, and by it the browser.
    pub(crate) async fn start() -> anyhow::Result<(Self, WebDriver)> {
        let profile = tempfile::Builder::new().prefix("naru-chromium").tempdir()?;
        let port = free_port()?;
        let driver = Process::start(
            Command::new("chromedriver")
                .arg(format!("--port={port}"))
                .env("HOME", profile.path())
                .env("LANG", "en_US.UTF-8")
                .stdin(Stdio::null())
                .stdout(Stdio::null())
                .stderr(Stdio::null()),
        )?;
        let chromium = Self { _driver: driver, profile };
        let mut capabilities = Capabilities::new();
        let folder = format!("--user-data-dir={}", chromium.profile.path().display());
        let size = format!("--window-size={SIZE}");
        // The tests run as root, for whom Chromium has no sandbox.
        let arguments =
            ["--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--hide-scrollbars"];
        let arguments: Vec<&str> =
            arguments.into_iter().chain([folder.as_str(), size.as_str()]).collect();
        let options = json!({ "binary": "/usr/bin/chromium", "args": arguments });
        capabilities.set("goog:chromeOptions", options)?;
        let session = page::session(&format!("http://127.0.0.1:{port}"), capabilities).await?;
        Ok((chromium, session.context("chromedriver began no session")?))
    }
}

impl Drop for Chromium {
    fn drop(&mut self) {
        // A test that failed did not tell the driver to end the browser.
        for pid in processes_of(self.profile.path()) {
            drop(Command::new("kill").arg("-KILL").arg(&pid).stderr(Stdio::null()).status());
        }
    }
}

/// The ids of the processes that were started with this profile.
fn processes_of(profile: &Path) -> Vec<String> {
    let processes = fs::read_dir("/proc").into_iter().flatten().flatten();
    let name = |entry: &fs::DirEntry| entry.file_name().to_string_lossy().into_owned();
    let wanted = format!("--user-data-dir={}", profile.display());
    processes
        .filter(|entry| entry.file_name().as_encoded_bytes().iter().all(u8::is_ascii_digit))
        .filter(|entry| {
            let line = fs::read(entry.path().join("cmdline")).unwrap_or_default();
            let mut words = line.split(|byte| *byte == 0);
            words.any(|word| OsStr::new(&wanted).as_encoded_bytes() == word)
        })
        .map(|entry| name(&entry))
        .collect()
}
