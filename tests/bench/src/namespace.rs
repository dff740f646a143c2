//! Work inside a container's network, without a program of its own there.

use std::fs::{self, File};
use std::net::IpAddr;
use std::os::fd::AsFd;
use std::path::PathBuf;
use std::thread::{self, JoinHandle};

use anyhow::{Context, Result, anyhow};
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

/// A process in the network that is meant.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Namespace {
    pid: i64,
}

impl Namespace {
    /// The network of the process `pid`.
    pub(crate) fn of(pid: i64) -> Self {
        Self { pid }
    }

    /// Runs blocking `work` inside, on a thread that ends with it.
    pub(crate) fn spawn<T: Send + 'static>(
        self,
        work: impl FnOnce() -> Result<T> + Send + 'static,
    ) -> Result<JoinHandle<Result<T>>> {
        let path = self.path("ns/net");
        let namespace = File::open(&path).with_context(|| format!("open {}", path.display()))?;
        Ok(thread::spawn(move || {
            move_into_link_name_space(namespace.as_fd(), Some(LinkNameSpaceType::Network))?;
            work()
        }))
    }

    /// Runs blocking `work` inside to its end.
    pub(crate) async fn run<T: Send + 'static>(
        self,
        work: impl FnOnce() -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let thread = self.spawn(work)?;
        tokio::task::spawn_blocking(|| join(thread)).await?
    }

    /// The name server that its programs ask.
    pub(crate) fn name_server(self) -> Result<IpAddr> {
        let text = fs::read_to_string(self.path("root/etc/resolv.conf"))?;
        let server = text.lines().find_map(|line| line.strip_prefix("nameserver "));
        Ok(server.context("a container without a name server")?.trim().parse()?)
    }

    fn path(self, name: &str) -> PathBuf {
        PathBuf::from(format!("/proc/{}/{name}", self.pid))
    }
}

/// What a thread has come to.
pub(crate) fn join<T>(thread: JoinHandle<Result<T>>) -> Result<T> {
    thread.join().map_err(|_| anyhow!("a thread of the bench panicked"))?
}
