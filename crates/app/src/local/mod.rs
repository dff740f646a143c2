//! Sockets of this machine that only the user can reach: Unix sockets, and named
//! pipes on Windows.
//!
//! Both platforms' modules have the same two types: a `Listener` with
//! `bind(&Address)` and `accept()`, and a `Stream` of bytes in both directions.

use std::path::{Path, PathBuf};

#[cfg(unix)]
mod unix;
#[cfg(unix)]
pub(crate) use unix::{Listener, Stream, connect};
#[cfg(windows)]
mod windows;
#[cfg(windows)]
pub(crate) use windows::{Listener, Stream, connect};

/// Where a local socket is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address(PathBuf);

impl Address {
    /// A Unix socket at `path`.
    pub(crate) fn socket(path: PathBuf) -> Self {
        Self(path)
    }

    /// The named pipe `name`.
    pub(crate) fn pipe(name: &str) -> Self {
        Self(PathBuf::from(format!("//./pipe/{name}")))
    }

    /// The file or pipe name.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// The same as `docker` writes it in `DOCKER_HOST`: `unix:///…` or `npipe:////./pipe/…`.
    pub fn docker_host(&self) -> String {
        let scheme = if cfg!(windows) { "npipe" } else { "unix" };
        format!("{scheme}://{}", self.0.display())
    }
}
