//! A display and a driver, each a process of ours.

use std::io::{BufRead, BufReader};
use std::net::{Ipv4Addr, TcpListener};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use anyhow::Context;

/// A process that ends with its handle.
#[derive(Debug)]
pub(crate) struct Process(Child);

impl Process {
    fn start(command: &mut Command) -> anyhow::Result<Self> {
        let program = command.get_program().to_string_lossy().into_owned();
        Ok(Self(command.spawn().with_context(|| format!("start {program}"))?))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended by itself, which is as good.
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

/// A running X server without a screen.
#[derive(Debug)]
pub(crate) struct Display {
    /// As `DISPLAY` has it.
    pub(crate) name: String,
    _server: Process,
}

impl Display {
    /// Starts Xvfb on a display that is free.
    pub(crate) fn start() -> anyhow::Result<Self> {
        let mut server = Process::start(
            Command::new("Xvfb")
                .args(["-displayfd", "1", "-screen", "0", "1280x900x24", "-nolisten", "tcp"])
                .stdin(Stdio::null())
                .stdout(Stdio::piped())
                .stderr(Stdio::null()),
        )?;
        let output = server.0.stdout.take().context("Xvfb's output is piped")?;
        let mut number = String::new();
        BufReader::new(output).read_line(&mut number).context("Xvfb names its display")?;
        anyhow::ensure!(!number.trim().is_empty(), "Xvfb ended without a display");
        Ok(Self { name: format!(":{}", number.trim()), _server: server })
    }
}

/// A running `WebKitWebDriver`; the program it starts inherits its environment.
#[derive(Debug)]
pub(crate) struct Driver {
    pub(crate) url: String,
    _process: Process,
}

impl Driver {
    /// Starts the driver on a free port of the loopback.
    pub(crate) fn start(display: &Display, home: &Path, vm_images: &Path) -> anyhow::Result<Self> {
        let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port();
        let process = Process::start(
            Command::new("WebKitWebDriver")
                .arg(format!("--port={port}"))
                .env("DISPLAY", &display.name)
                .env("LANG", "en_US.UTF-8")
                // Without it, the window has no automation, and a session never begins.
                .env("TAURI_WEBVIEW_AUTOMATION", "true")
                .env("NARU_HOME", home)
                .env("NARU_VM_IMAGES", vm_images)
                .env("XDG_DATA_HOME", home.join("xdg"))
                .stdin(Stdio::null()),
        )?;
        Ok(Self { url: format!("http://127.0.0.1:{port}"), _process: process })
    }
}
