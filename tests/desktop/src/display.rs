//! A display, a session bus and a driver, each a process of ours.

use std::io::{BufRead, BufReader};
use std::net::{Ipv4Addr, TcpListener};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::{env, fs};

use anyhow::Context;
use tempfile::TempDir;

/// Of a page without layers the driver takes no screenshot, and waits for ever: there are layers
/// unless whoever measures says `1`, as Naru does by itself where no GPU draws.
const COMPOSITING: &str = "WEBKIT_DISABLE_COMPOSITING_MODE";

/// A process that ends with its handle.
#[derive(Debug)]
pub(crate) struct Process(Child);

impl Process {
    pub(crate) fn start(command: &mut Command) -> anyhow::Result<Self> {
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
        let number = first_line(&mut server, "Xvfb")?;
        Ok(Self { name: format!(":{number}"), _server: server })
    }
}

/// A running session bus with nobody on it and nothing to start: a desktop's services
/// would outlive the test.
#[derive(Debug)]
pub struct Bus {
    /// As `DBUS_SESSION_BUS_ADDRESS` has it.
    pub(crate) address: String,
    _daemon: Process,
    _folder: TempDir,
}

impl Bus {
    /// Starts a bus.
    pub fn start() -> anyhow::Result<Self> {
        let folder = TempDir::new()?;
        let config = folder.path().join("bus.conf");
        let listen = folder.path().join("bus").display().to_string();
        fs::write(&config, BUS_CONFIG.replace("PATH", &listen))?;
        let mut daemon = Process::start(
            Command::new("dbus-daemon")
                .arg("--config-file")
                .arg(&config)
                .args(["--nofork", "--nosyslog", "--print-address=1"])
                .stdin(Stdio::null())
                .stdout(Stdio::piped())
                .stderr(Stdio::null()),
        )?;
        let address = first_line(&mut daemon, "dbus-daemon")?;
        Ok(Self { address, _daemon: daemon, _folder: folder })
    }
}

const BUS_CONFIG: &str = r#"<!DOCTYPE busconfig PUBLIC
 "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  <type>session</type>
  <listen>unix:path=PATH</listen>
  <policy context="default">
    <allow send_destination="*" eavesdrop="true"/>
    <allow eavesdrop="true"/>
    <allow own="*"/>
  </policy>
</busconfig>
"#;

/// What a server prints once it can be reached.
fn first_line(server: &mut Process, name: &str) -> anyhow::Result<String> {
    let output = server.0.stdout.take().with_context(|| format!("{name}'s output is piped"))?;
    let mut line = String::new();
    BufReader::new(output).read_line(&mut line).with_context(|| format!("listen to {name}"))?;
    anyhow::ensure!(!line.trim().is_empty(), "{name} ended before it could be reached");
    Ok(line.trim().to_owned())
}

/// A running `WebKitWebDriver`; the program it starts inherits its environment.
#[derive(Debug)]
pub(crate) struct Driver {
    pub(crate) url: String,
    process: Process,
}

impl Driver {
    /// Starts the driver on a free port of the loopback.
    pub(crate) fn start(
        display: &Display,
        bus: &Bus,
        home: &Path,
        vm_images: &Path,
    ) -> anyhow::Result<Self> {
        let port = free_port()?;
        let mut command = Command::new("WebKitWebDriver");
        set_up(&mut command, display, bus, home, vm_images);
        let process = Process::start(command.arg(format!("--port={port}")).stdin(Stdio::null()))?;
        Ok(Self { url: format!("http://127.0.0.1:{port}"), process })
    }

    pub(crate) fn pid(&self) -> u32 {
        self.process.0.id()
    }
}

/// The environment of a window on `display` and `bus` that lives in `home`.
pub(crate) fn set_up(
    command: &mut Command,
    display: &Display,
    bus: &Bus,
    home: &Path,
    vm_images: &Path,
) {
    command
        .env("DISPLAY", &display.name)
        .env("DBUS_SESSION_BUS_ADDRESS", &bus.address)
        // The bus has no accessibility service to look for.
        .env("NO_AT_BRIDGE", "1")
        .env("LANG", "en_US.UTF-8")
        // Without it, the window has no automation, and a session never begins.
        .env("TAURI_WEBVIEW_AUTOMATION", "true")
        .env(COMPOSITING, env::var_os(COMPOSITING).unwrap_or_else(|| "0".into()))
        .env("NARU_HOME", home)
        .env("NARU_VM_IMAGES", vm_images)
        .env("XDG_DATA_HOME", home.join("xdg"));
}

/// A port of the loopback that nobody listens on.
pub(crate) fn free_port() -> anyhow::Result<u16> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port())
}
