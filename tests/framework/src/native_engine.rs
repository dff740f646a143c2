//! A native engine under test: it runs in directories and with a bridge of its own, so that several
//! can run on one machine. It needs root. Everything it started ends with its handle.

use std::env::{current_exe, var_os};
use std::ffi::OsStr;
use std::fs;
use std::io::{BufRead as _, BufReader};
use std::ops::Deref;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::{Child, ChildStderr, Command, Stdio, id};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use nix::sys::signal::Signal;

use crate::DockerHost;
use crate::docker_host::{signal, wait_for_end, wait_for_exit};

/// How long the engine may take to say that it is ready.
const START_DEADLINE: Duration = Duration::from_mins(1);
/// How long the engine may take to stop its containers and itself.
const STOP_DEADLINE: Duration = Duration::from_secs(30);
/// How long what comes after an answer may take: that a line is read, or that a shim ends.
const SETTLING: Duration = Duration::from_mins(1);
const READY: &str = "the engine is ready";

/// A running `naru-agent engine`.
#[derive(Debug)]
pub struct NativeEngine {
    host: DockerHost,
    agent: PathBuf,
    bridge: String,
    /// What it is told besides where it lives.
    arguments: Vec<String>,
    child: Option<Child>,
    log: Arc<Log>,
}

/// What the engine has said, and whom to tell that it has said more.
type Log = (Mutex<String>, Condvar);

impl NativeEngine {
    /// Starts an engine without images or containers, and returns when it listens.
    ///
    /// The agent is `NARU_AGENT`, or the one that cargo built beside this test.
    pub fn start() -> anyhow::Result<Self> {
        Self::start_with(&[])
    }

    /// The same with more arguments, which it also gets when it is started again.
    pub fn start_with(arguments: &[&str]) -> anyhow::Result<Self> {
        static STARTED: AtomicU32 = AtomicU32::new(0);
        let number = STARTED.fetch_add(1, Ordering::Relaxed);
        let host = DockerHost::new()?;
        fs::create_dir(host.scratch().join("run"))?;
        let mut engine = Self {
            host,
            agent: agent_program()?,
            // An interface's name has at most 15 bytes: two, seven digits of pid, and the rest.
            bridge: format!("nt{}x{number}", id()),
            arguments: arguments.iter().map(|argument| (*argument).to_owned()).collect(),
            child: None,
            log: Arc::default(),
        };
        engine.restart()?;
        Ok(engine)
    }

    /// An engine that has the busybox image, as `busybox:latest`.
    pub fn with_busybox() -> anyhow::Result<Self> {
        let engine = Self::start()?;
        engine.load_busybox()?;
        Ok(engine)
    }

    /// Starts the engine again on what it left, after [`Self::kill`] or [`Self::stop`].
    pub fn restart(&mut self) -> anyhow::Result<()> {
        let mut child = Command::new(&self.agent)
            .arg("engine")
            .args([OsStr::new("--root"), self.root().as_os_str()])
            .args([OsStr::new("--run"), self.run_dir().as_os_str()])
            .args(["--host", &self.host(), "--bridge", &self.bridge])
            .args(&self.arguments)
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

    /// Where it keeps images and containers.
    pub fn root(&self) -> PathBuf {
        self.scratch().join("root")
    }

    /// Where it keeps sockets and namespaces.
    pub fn run_dir(&self) -> PathBuf {
        self.scratch().join("run")
    }

    /// Its bridge, after which its table of rules is named too.
    pub fn bridge(&self) -> &str {
        &self.bridge
    }

    /// Its process, while it runs.
    pub fn pid(&self) -> Option<u32> {
        self.child.as_ref().map(Child::id)
    }

    /// What it wrote to its log so far.
    pub fn log(&self) -> String {
        self.log.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Waits until its log has this text: what it says is read a moment after it acts.
    pub fn says(&self, text: &str) -> anyhow::Result<()> {
        let (log, grown) = &*self.log;
        let log = log.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = grown.wait_timeout_while(log, SETTLING, |log| !log.contains(text));
        let (log, waited) = waited.unwrap_or_else(PoisonError::into_inner);
        ensure!(!waited.timed_out(), "the engine does not say {text:?}:\n{log}");
        Ok(())
    }

    /// The processes of its shims.
    pub fn shims(&self) -> Vec<u32> {
        let run = self.run_dir();
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

    /// Waits until no shim is left. One is there a moment longer than what it has told the end of.
    pub fn has_no_shims(&self) -> anyhow::Result<()> {
        for shim in self.shims() {
            ensure!(wait_for_end(shim, SETTLING)?, "the shim {shim} does not end");
        }
        Ok(())
    }
}

impl Deref for NativeEngine {
    type Target = DockerHost;

    fn deref(&self) -> &DockerHost {
        &self.host
    }
}

impl Drop for NativeEngine {
    fn drop(&mut self) {
        if self.child.is_some() {
            // Containers that ignore SIGTERM would hold up the engine's orderly end.
            drop(self.remove_containers());
            drop(self.stop());
        }
        for shim in self.shims() {
            signal(shim, Signal::SIGKILL);
        }
    }
}

/// Keeps what the engine says, and tells once when it is ready.
fn keep_log(stderr: ChildStderr, (log, grown): &Log, ready: &Sender<()>) {
    for line in BufReader::new(stderr).lines().map_while(Result::ok) {
        if line.contains(READY) {
            let _nobody_waits = ready.send(());
        }
        let mut log = log.lock().unwrap_or_else(PoisonError::into_inner);
        log.push_str(&line);
        log.push('\n');
        grown.notify_all();
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
