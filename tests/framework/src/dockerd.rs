//! Docker itself, to compare with: a dockerd of the test's own.
//!
//! It runs in namespaces of its own, so that neither its bridge, its firewall rules, its mounts
//! nor any of its processes outlive its handle, whatever becomes of them.

use std::env::{split_paths, var_os};
use std::ffi::OsStr;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use nix::poll::{PollFd, PollFlags, poll};
use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify};
use std::os::fd::AsFd as _;
use tempfile::TempDir;

/// How long it may take to say that it listens: it starts containerd first.
const START_DEADLINE: Duration = Duration::from_mins(1);

/// What makes it touch nothing of the network that it is in.
const NO_NETWORKS: [&str; 4] =
    ["--bridge=none", "--iptables=false", "--ip6tables=false", "--ip-forward=false"];

/// A running dockerd.
#[derive(Debug)]
pub struct Dockerd {
    child: Child,
    directory: TempDir,
}

impl Dockerd {
    /// Starts one without images or containers, and returns when it listens.
    ///
    /// The program is `NARU_DOCKERD`, or the `dockerd` of the `PATH` or of the system's folder.
    pub fn start() -> anyhow::Result<Self> {
        Self::prepared("true", true)
    }

    /// Starts one in the test's own network, where it reaches what listens on the loopback. It
    /// leaves that network as it is, so its containers have none.
    pub fn in_this_network() -> anyhow::Result<Self> {
        Self::prepared("true", false)
    }

    /// Starts one whose images are in memory: nobody waits for a disk, and they go with it.
    pub fn in_memory() -> anyhow::Result<Self> {
        Self::prepared("mount -t tmpfs -o mode=711 none \"$DATA\"", true)
    }

    /// `mount` is done in its namespaces, where `$DATA` is the directory of its images.
    fn prepared(mount: &str, own_network: bool) -> anyhow::Result<Self> {
        let program = program().context("dockerd is not there (Debian package docker.io)")?;
        let directory = tempfile::Builder::new().prefix("naru-dockerd").tempdir()?;
        let path = directory.path();
        let config = path.join("daemon.json");
        // The system's own configuration is none of its business; this is the classic store.
        fs::write(&config, r#"{"features":{"containerd-snapshotter":false}}"#)?;
        fs::create_dir(path.join("run"))?;
        let data = path.join("data");
        fs::create_dir(&data)?;
        let inotify = Inotify::init(InitFlags::IN_CLOEXEC)?;
        inotify.add_watch(&path.join("run"), AddWatchFlags::IN_CREATE)?;
        let log = File::create(path.join("log"))?;
        let child = Command::new("unshare")
            .args(own_network.then_some("--net"))
            .args(["--mount", "--pid", "--fork", "--kill-child", "--mount-proc", "--"])
            // It publishes ports on the loopback interface too.
            .args(["sh", "-ec", &format!("ip link set lo up; {mount}; exec \"$0\" \"$@\"")])
            .env("DATA", &data)
            .arg(&program)
            .arg("--config-file")
            .arg(&config)
            .args(["--host", &format!("unix://{}", path.join("run/docker.sock").display())])
            .arg("--data-root")
            .arg(&data)
            .arg("--exec-root")
            .arg(path.join("exec"))
            .arg("--pidfile")
            .arg(path.join("pid"))
            .args((!own_network).then_some(NO_NETWORKS).into_iter().flatten())
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()
            .with_context(|| format!("start {} in namespaces", program.display()))?;
        let mut docker = Self { child, directory };
        docker.wait_until_it_listens(&inotify)?;
        Ok(docker)
    }

    /// Its socket is there as soon as it listens.
    fn wait_until_it_listens(&mut self, created: &Inotify) -> anyhow::Result<()> {
        /// How often one looks whether it ended instead.
        const LOOK_MS: u16 = 500;
        let end = Instant::now() + START_DEADLINE;
        while !self.socket().exists() {
            if let Some(status) = self.child.try_wait()? {
                bail!("dockerd ended with {status}:\n{}", self.log());
            }
            if Instant::now() > end {
                bail!("dockerd does not listen:\n{}", self.log());
            }
            let mut ready = [PollFd::new(created.as_fd(), PollFlags::POLLIN)];
            if poll(&mut ready, LOOK_MS)? > 0 {
                created.read_events()?;
            }
        }
        Ok(())
    }

    /// The socket that it listens on.
    pub fn socket(&self) -> PathBuf {
        self.directory.path().join("run/docker.sock")
    }

    /// A program in its network, where the ports that it publishes are.
    pub fn inside(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new("nsenter");
        command.args(["--target", &self.child.id().to_string(), "--net"]);
        command.arg("--").arg(program);
        command
    }

    /// What it wrote to its log so far.
    pub fn log(&self) -> String {
        fs::read_to_string(self.directory.path().join("log")).unwrap_or_default()
    }
}

impl Drop for Dockerd {
    fn drop(&mut self) {
        // With the first process of a namespace all others of it end, containerd and its shims
        // among them. Both fail only when it has ended by itself.
        let _ended = self.child.kill();
        let _reaped = self.child.wait();
    }
}

fn program() -> Option<PathBuf> {
    if let Some(program) = var_os("NARU_DOCKERD") {
        return Some(program.into());
    }
    let path = var_os("PATH").unwrap_or_default();
    split_paths(&path)
        .chain([Path::new("/usr/sbin").to_owned()])
        .map(|folder| folder.join("dockerd"))
        .find(|program| program.is_file())
}
