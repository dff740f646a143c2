//! A native engine under test, and the stock `docker` command against it.
//!
//! The engine runs in directories and with a bridge of its own, so that several can run
//! on one machine. It needs root. Everything it started ends with its handle.

mod command;
mod terminal;

use std::env::{current_exe, var_os};
use std::ffi::OsStr;
use std::fs;
use std::io::{BufRead as _, BufReader};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, Command, Stdio, id};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use anyhow::{Context, bail};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tempfile::TempDir;

pub use command::{Output, Running};
pub use terminal::Terminal;

use crate::oci::OciImage;
use command::wait_for_exit;

/// How long the engine may take to say that it is ready.
const START_DEADLINE: Duration = Duration::from_mins(1);
/// How long the engine may take to stop its containers and itself.
const STOP_DEADLINE: Duration = Duration::from_secs(30);
const READY: &str = "the engine is ready";

/// A running `naru-agent engine`.
#[derive(Debug)]
pub struct NativeEngine {
    agent: PathBuf,
    docker: PathBuf,
    directory: TempDir,
    bridge: String,
    child: Option<Child>,
    log: Arc<Mutex<String>>,
}

impl NativeEngine {
    /// Starts an engine without images or containers, and returns when it listens.
    ///
    /// The agent is `NARU_AGENT`, or the one that cargo built beside this test; the
    /// client is `NARU_DOCKER`, or `docker` on the `PATH`.
    pub fn start() -> anyhow::Result<Self> {
        static STARTED: AtomicU32 = AtomicU32::new(0);
        let number = STARTED.fetch_add(1, Ordering::Relaxed);
        let directory = tempfile::Builder::new().prefix("naru").tempdir()?;
        for name in ["docker", "run"] {
            fs::create_dir(directory.path().join(name))?;
        }
        let mut engine = Self {
            agent: agent_program()?,
            docker: var_os("NARU_DOCKER").map_or_else(|| "docker".into(), PathBuf::from),
            directory,
            // An interface's name has at most 15 bytes: two, seven digits of pid, and the rest.
            bridge: format!("nt{}x{number}", id()),
            child: None,
            log: Arc::default(),
        };
        engine.restart()?;
        Ok(engine)
    }

    /// An engine that has the busybox image, as `busybox:latest`.
    pub fn with_busybox() -> anyhow::Result<Self> {
        let engine = Self::start()?;
        engine.load(&crate::images::busybox()?, "docker.io/library/busybox:latest")?;
        Ok(engine)
    }

    /// Starts the engine again on what it left, after [`Self::kill`] or [`Self::stop`].
    pub fn restart(&mut self) -> anyhow::Result<()> {
        let mut child = Command::new(&self.agent)
            .arg("engine")
            .args([OsStr::new("--root"), self.root().as_os_str()])
            .args([OsStr::new("--run"), self.directory.path().join("run").as_os_str()])
            .args(["--host", &self.host(), "--bridge", &self.bridge])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .with_context(|| format!("start {}", self.agent.display()))?;
        let stderr = child.stderr.take().context("the engine's log is piped")?;
        self.child = Some(child);
        let (ready, is_ready) = channel();
        let log = Arc::clone(&self.log);
        thread::spawn(move || keep_log(stderr, &log, &ready));
        if is_ready.recv_timeout(START_DEADLINE).is_err() {
            bail!("the engine did not become ready:\n{}", self.log());
        }
        UnixStream::connect(self.socket()).context("the engine says that it listens")?;
        Ok(())
    }

    /// Ends the engine at once, in the midst of whatever it does. Containers go on.
    pub fn kill(&mut self) -> anyhow::Result<()> {
        let mut child = self.child.take().context("the engine runs")?;
        child.kill()?;
        child.wait()?;
        Ok(())
    }

    /// Ends the engine in its order: it stops its containers first.
    pub fn stop(&mut self) -> anyhow::Result<()> {
        let mut child = self.child.take().context("the engine runs")?;
        signal(child.id(), Signal::SIGTERM);
        if wait_for_exit(&mut child, STOP_DEADLINE)?.is_none() {
            child.kill()?;
            child.wait()?;
            bail!("the engine did not end by itself:\n{}", self.log());
        }
        Ok(())
    }

    /// The socket that it listens on.
    pub fn socket(&self) -> PathBuf {
        self.directory.path().join("docker.sock")
    }

    /// Its address, as `DOCKER_HOST` has it.
    pub fn host(&self) -> String {
        format!("unix://{}", self.socket().display())
    }

    /// Where it keeps images and containers.
    pub fn root(&self) -> PathBuf {
        self.directory.path().join("root")
    }

    /// A directory for the test's own files, gone at the end.
    pub fn scratch(&self) -> &Path {
        self.directory.path()
    }

    /// What it wrote to its log so far.
    pub fn log(&self) -> String {
        self.log.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The processes of its shims.
    pub fn shims(&self) -> Vec<u32> {
        let run = self.directory.path().join("run");
        let Some(run) = run.to_str() else { return Vec::new() };
        let processes = fs::read_dir("/proc").into_iter().flatten().flatten();
        processes
            .filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok())
            .filter(|pid| {
                let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
                let line = String::from_utf8_lossy(&line);
                line.contains("\0shim\0") && line.contains(run)
            })
            .collect()
    }

    /// Gives it an image through `docker load`; `name` is the whole name, host and tag.
    pub fn load(&self, image: &OciImage, name: &str) -> anyhow::Result<()> {
        self.docker_with_input(&["load"], &image.archive(name)?)?.success()?;
        Ok(())
    }
}

impl Drop for NativeEngine {
    fn drop(&mut self) {
        if self.child.is_some() {
            // Containers that ignore SIGTERM would hold up the engine's orderly end.
            if let Ok(listed) = self.docker(&["ps", "-aq"]) {
                let mut remove = vec!["rm", "-f"];
                remove.extend(listed.stdout.split_whitespace());
                if remove.len() > 2 {
                    drop(self.docker(&remove));
                }
            }
            drop(self.stop());
        }
        for shim in self.shims() {
            signal(shim, Signal::SIGKILL);
        }
    }
}

/// Sends a signal to a process of ours; it may have ended by itself.
fn signal(pid: u32, signal: Signal) {
    if let Ok(pid) = pid.try_into() {
        let _ended = kill(Pid::from_raw(pid), signal);
    }
}

/// Keeps what the engine says, and tells once when it is ready.
fn keep_log(stderr: ChildStderr, log: &Mutex<String>, ready: &Sender<()>) {
    for line in BufReader::new(stderr).lines().map_while(Result::ok) {
        if line.contains(READY) {
            let _nobody_waits = ready.send(());
        }
        let mut log = log.lock().unwrap_or_else(PoisonError::into_inner);
        log.push_str(&line);
        log.push('\n');
    }
}

/// The agent that cargo built into the directory in which this test is.
fn agent_program() -> anyhow::Result<PathBuf> {
    if let Some(path) = var_os("NARU_AGENT") {
        return Ok(path.into());
    }
    let test = current_exe()?;
    let found = test.ancestors().skip(1).map(|directory| directory.join("naru-agent"));
    let found = found.take(2).find(|path| path.is_file());
    found.context("naru-agent is not built: cargo build -p naru-agent, or set NARU_AGENT")
}
