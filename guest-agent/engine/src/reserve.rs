//! Room on the disk that is kept back for the engine's databases: on a full disk an engine starts
//! by it, and removes by it what fills the disk.
//!
//! It is a file whose blocks are taken and never written. Who needs the room removes the file, and
//! takes the blocks again afterwards, as many as there are then.

use std::fs::{OpenOptions, remove_file};
use std::io;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;
use hyper::Method;
use naru_protocol::registries;
use rustix::fs::{FallocateFlags, fallocate, statvfs};
use rustix::io::Errno;

use crate::engine::Engine;

/// As much as the journals of SQLite's grow by before they begin anew.
const SIZE: u64 = 4 << 20;
/// Less is of no use.
const LEAST: u64 = 256 << 10;

/// The room, and how many use it now.
#[derive(Debug)]
pub(crate) struct Reserve {
    root: PathBuf,
    file: PathBuf,
    users: Mutex<u32>,
}

impl Reserve {
    /// Of an engine that starts, which uses it until [`Self::put_back`].
    pub(crate) fn taken_from(root: &Path) -> Self {
        let (root, file) = (root.to_owned(), root.join("reserve"));
        let reserve = Self { root, file, users: Mutex::new(1) };
        reserve.give_up();
        reserve
    }

    /// The use of it, if the disk is so full that it is needed.
    fn take(&self) -> Option<InUse<'_>> {
        if free(&self.root).is_ok_and(|free| free >= SIZE) {
            return None;
        }
        let mut users = self.users.lock().unwrap_or_else(PoisonError::into_inner);
        if *users == 0 {
            self.give_up();
        }
        *users += 1;
        Some(InUse(self))
    }

    /// Keeps the room again when nobody else uses it.
    pub(crate) fn put_back(&self) {
        let mut users = self.users.lock().unwrap_or_else(PoisonError::into_inner);
        *users = users.saturating_sub(1);
        if *users == 0
            && let Err(error) = self.keep()
        {
            // The next one who removes something tries again.
            tracing::debug!(%error, "no room is kept back");
        }
    }

    fn give_up(&self) {
        match remove_file(&self.file) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                tracing::warn!(%error, "the room that was kept back cannot be used");
            }
            _ => {}
        }
    }

    fn keep(&self) -> io::Result<()> {
        let mut options = OpenOptions::new();
        let file = options.write(true).create(true).truncate(true).mode(0o600).open(&self.file)?;
        let mut size = SIZE.min(free(&self.root)?).max(LEAST);
        loop {
            match fallocate(&file, FallocateFlags::empty(), 0, size) {
                Err(Errno::NOSPC | Errno::DQUOT) if size > LEAST => size /= 2,
                kept => return kept.map_err(Into::into),
            }
        }
    }
}

/// The bytes that nothing takes on the disk that `path` is on.
fn free(path: &Path) -> io::Result<u64> {
    let found = statvfs(path)?;
    Ok(found.f_bavail.saturating_mul(found.f_frsize))
}

/// The room is free for all while this is held: whatever is done by it is to be short.
struct InUse<'a>(&'a Reserve);

impl Drop for InUse<'_> {
    fn drop(&mut self) {
        self.0.put_back();
    }
}

/// Lends the room to requests that remove something or end what writes, and to what the host says
/// at each start.
pub(crate) async fn lend(State(engine): State<Engine>, request: Request, next: Next) -> Response {
    let path = request.uri().path();
    let needs_it = request.method() == Method::DELETE
        || path == registries::PATH
        || ["/prune", "/stop", "/kill"].iter().any(|end| path.ends_with(end));
    let _room = needs_it.then(|| engine.reserve().take()).flatten();
    next.run(request).await
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::os::unix::fs::MetadataExt as _;

    use super::*;

    #[test]
    fn the_room_is_kept_while_nobody_uses_it() {
        let root = tempfile::tempdir().unwrap();
        let taken =
            || File::open(root.path().join("reserve")).unwrap().metadata().unwrap().blocks();
        let reserve = Reserve::taken_from(root.path());
        reserve.put_back();
        assert!(taken() * 512 >= SIZE);
        // An engine that was killed left it.
        let reserve = Reserve::taken_from(root.path());
        assert!(!reserve.file.exists());
        *reserve.users.lock().unwrap() += 1;
        reserve.put_back();
        assert!(!reserve.file.exists());
        reserve.put_back();
        assert!(taken() * 512 >= SIZE);
    }
}
