//! An engine as its clients see it: a socket, and the stock `docker` command against it.

mod command;
mod terminal;

use std::env::var_os;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::bail;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tempfile::TempDir;

pub use command::{Output, Running};
pub use terminal::Terminal;

pub(crate) use command::{wait_for_end, wait_for_exit};

use crate::oci::OciImage;

/// How often it is tried to remove what removes itself meanwhile.
const REMOVALS: usize = 50;

/// Where an engine listens, and a directory of this test's own.
#[derive(Debug)]
pub struct DockerHost {
    docker: PathBuf,
    directory: TempDir,
    socket: PathBuf,
    since: String,
}

impl DockerHost {
    /// Of an engine to come, which listens on a socket in [`Self::scratch`].
    ///
    /// The client is `NARU_DOCKER`, or `docker` on the `PATH`.
    pub(crate) fn new() -> anyhow::Result<Self> {
        let directory = tempfile::Builder::new().prefix("naru").tempdir()?;
        fs::create_dir(directory.path().join("docker"))?;
        let socket = directory.path().join("docker.sock");
        let docker = var_os("NARU_DOCKER").map_or_else(|| "docker".into(), PathBuf::from);
        Ok(Self { docker, directory, socket, since: "1".to_owned() })
    }

    /// Of an engine that listens on `socket` already.
    pub(crate) fn at(socket: PathBuf) -> anyhow::Result<Self> {
        let host = Self { socket, ..Self::new()? };
        let since = host.docker(&["info", "--format", "{{.SystemTime}}"])?.success()?.to_owned();
        Ok(Self { since, ..host })
    }

    /// The socket that it listens on.
    pub fn socket(&self) -> &Path {
        &self.socket
    }

    /// Its address, as `DOCKER_HOST` has it.
    pub fn host(&self) -> String {
        format!("unix://{}", self.socket.display())
    }

    /// A directory for the test's own files, gone at the end.
    pub fn scratch(&self) -> &Path {
        self.directory.path()
    }

    /// A time for `docker events --since`: what the engine did before is not this test's.
    pub fn since(&self) -> &str {
        &self.since
    }

    /// Gives it an image through `docker load`; `name` is the whole name, host and tag.
    pub fn load(&self, image: &OciImage, name: &str) -> anyhow::Result<()> {
        self.docker_with_input(&["load"], &image.docker_archive(name)?)?.success()?;
        Ok(())
    }

    /// Gives it the busybox image, as `busybox:latest`.
    pub fn load_busybox(&self) -> anyhow::Result<()> {
        self.load(&crate::images::busybox()?, "docker.io/library/busybox:latest")
    }

    /// Removes every container, whatever it does.
    pub(crate) fn remove_containers(&self) -> anyhow::Result<()> {
        self.remove_all(&["ps", "-aq"], &["rm", "-f", "-v"])
    }

    /// Removes every volume.
    pub(crate) fn remove_volumes(&self) -> anyhow::Result<()> {
        self.remove_all(&["volume", "ls", "-q"], &["volume", "rm", "-f"])
    }

    /// Removes every image.
    pub(crate) fn remove_images(&self) -> anyhow::Result<()> {
        self.remove_all(&["images", "-q"], &["rmi", "-f"])
    }

    /// Removes all that builds have left.
    pub(crate) fn remove_build_cache(&self) -> anyhow::Result<()> {
        self.docker(&["builder", "prune", "-af"])?.success().map(drop)
    }

    /// Removes every network that users have made.
    pub(crate) fn remove_networks(&self) -> anyhow::Result<()> {
        self.remove_all(&["network", "ls", "-q", "--filter", "type=custom"], &["network", "rm"])
    }

    fn remove_all(&self, list: &[&str], remove: &[&str]) -> anyhow::Result<()> {
        for _ in 0..REMOVALS {
            let listed = self.docker(list)?;
            let found: Vec<&str> = listed.success()?.split_whitespace().collect();
            if found.is_empty() {
                return Ok(());
            }
            // What removes itself just now (`--rm`) is refused here, and gone soon.
            self.docker(&[remove, &found].concat())?;
        }
        bail!("docker {} does not become empty", list.join(" "))
    }
}

/// Sends a signal to a process of ours; it may have ended by itself.
pub(crate) fn signal(pid: u32, signal: Signal) {
    if let Ok(pid) = pid.try_into() {
        let _ended = kill(Pid::from_raw(pid), signal);
    }
}
