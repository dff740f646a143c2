//! The engines that are compared: Naru's and those of its peers that are installed.
//!
//! Each runs in a directory of its own beneath the bench's, which is also how its
//! processes are known from others'.

mod peers;

use std::env::consts::ARCH;
use std::env::var_os;
use std::ffi::OsString;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use bytes::Bytes;
use hyper::Method;
use rustix::process::{Pid, Signal, kill_process};
use tokio::process::{Child, Command};
use tokio::time::{sleep, timeout};

use crate::http::{Body, ask};
use crate::row::NARU;

pub(crate) use peers::{PEERS, is_installed};

/// Only there so that an engine that hangs ends the bench.
pub(crate) const HUNG: Duration = Duration::from_mins(5);
/// The pause before an engine that is starting is asked again.
const RETRY: Duration = Duration::from_millis(20);
/// How long an engine may take to stop before it is killed.
const STOP_DEADLINE: Duration = Duration::from_secs(20);

/// How `docker build` asks for an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Builder {
    /// `POST /build`.
    Classic,
    /// BuildKit's own API.
    BuildKit,
}

/// A running engine.
#[derive(Debug)]
pub(crate) struct Engine {
    /// What the table calls it.
    pub(crate) name: &'static str,
    directory: PathBuf,
    process: Child,
}

impl Engine {
    /// Starts Naru's engine and every peer on the `PATH`, in empty directories beneath
    /// `state`. A peer that does not start is told and left out.
    pub(crate) async fn start_all(state: &Path, registry: &str) -> Result<Vec<Self>> {
        let mut engines = vec![Self::start(NARU, state, naru).await?];
        for (name, command) in peers::installed(registry) {
            match Self::start(name, state, command).await {
                Ok(engine) => engines.push(engine),
                Err(error) => crate::say(&format!("{name} is left out: {error:#}"))?,
            }
        }
        Ok(engines)
    }

    async fn start(
        name: &'static str,
        state: &Path,
        command: impl FnOnce(&Path) -> Result<Command>,
    ) -> Result<Self> {
        let directory = state.join(name);
        fs::create_dir(&directory)?;
        let log = File::create(directory.join("log"))?;
        let process = command(&directory)?
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("start {name}"))?;
        let mut engine = Self { name, directory, process };
        engine.wait_until_ready().await.with_context(|| engine.log())?;
        Ok(engine)
    }

    async fn wait_until_ready(&mut self) -> Result<()> {
        let end = Instant::now() + HUNG;
        while ask(&self.socket(), Method::GET, "/_ping", "").await.is_err() {
            if let Some(status) = self.process.try_wait()? {
                bail!("{} ended: {status}", self.name);
            }
            ensure!(Instant::now() < end, "{} does not answer", self.name);
            sleep(RETRY).await;
        }
        Ok(())
    }

    /// Where it listens.
    pub(crate) fn socket(&self) -> PathBuf {
        socket(&self.directory)
    }

    /// Where all its files are.
    pub(crate) fn directory(&self) -> &Path {
        &self.directory
    }

    /// The process that was started.
    pub(crate) fn pid(&self) -> Option<u32> {
        self.process.id()
    }

    /// Runs the stock `docker` to its end; it must succeed.
    pub(crate) async fn docker(&self, arguments: &[&str]) -> Result<()> {
        self.docker_through(Builder::Classic, arguments).await
    }

    /// The same, with what it builds built through this door.
    pub(crate) async fn docker_through(&self, builder: Builder, arguments: &[&str]) -> Result<()> {
        let program = var_os("NARU_DOCKER").unwrap_or_else(|| "docker".into());
        let output = Command::new(program)
            .args(arguments)
            .env("DOCKER_HOST", format!("unix://{}", self.socket().display()))
            .env("DOCKER_CONFIG", &self.directory)
            .env("DOCKER_BUILDKIT", if builder == Builder::BuildKit { "1" } else { "0" })
            .env_remove("DOCKER_CONTEXT")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .kill_on_drop(true)
            .output();
        let output =
            timeout(HUNG, output).await.context("docker hangs")?.context("start docker")?;
        let said = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "{}: docker {}: {said}", self.name, arguments.join(" "));
        Ok(())
    }

    /// Makes a request of its API.
    pub(crate) async fn ask(
        &self,
        method: Method,
        path: &str,
        body: impl Into<Body<'_>>,
    ) -> Result<Bytes> {
        let asked = timeout(HUNG, ask(&self.socket(), method, path, body)).await;
        asked.context("no answer").flatten().with_context(|| self.name)
    }

    /// Ends it in its order.
    pub(crate) async fn stop(mut self) -> Result<()> {
        let pid = self.process.id().and_then(|pid| Pid::from_raw(pid.try_into().ok()?));
        if let Some(pid) = pid {
            kill_process(pid, Signal::TERM)?;
        }
        if timeout(STOP_DEADLINE, self.process.wait()).await.is_err() {
            self.process.kill().await?;
        }
        Ok(())
    }

    fn log(&self) -> String {
        fs::read_to_string(self.directory.join("log")).unwrap_or_default()
    }
}

fn socket(directory: &Path) -> PathBuf {
    directory.join("docker.sock")
}

fn host(directory: &Path) -> OsString {
    let mut host = OsString::from("unix://");
    host.push(socket(directory));
    host
}

fn naru(directory: &Path) -> Result<Command> {
    let mut command = Command::new(agent()?);
    let mut host = OsString::from("unix:");
    host.push(socket(directory));
    command.arg("engine").arg("--root").arg(directory.join("root"));
    command.arg("--run").arg(directory.join("run")).arg("--host").arg(host);
    Ok(command)
}

/// The agent as it ships: `NARU_AGENT`, or what `cargo xtask image` built.
fn agent() -> Result<PathBuf> {
    if let Some(path) = var_os("NARU_AGENT") {
        return Ok(path.into());
    }
    let target = format!("{ARCH}-unknown-linux-gnu");
    let path = crate::workspace().join("target/agent").join(target).join("agent/naru-agent");
    ensure!(path.is_file(), "no {}: run `cargo xtask image`, or set NARU_AGENT", path.display());
    Ok(path)
}
