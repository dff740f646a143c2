//! The directory that a context is in.

use std::fs::{DirBuilder, read_dir};
use std::io::{self, Read};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use rustix::process::{getegid, geteuid};
use tokio::runtime::Handle;

use super::error::ContextError;
use crate::container::random_id;
use crate::files::{Room, Tree, UnpackOptions, remove_all, unpack};

/// More than any Dockerfile, or list of what is ignored.
const TEXT_MAX: u64 = 8 << 20;

/// A directory for the files of a build, removed when this is dropped.
#[derive(Debug)]
pub(crate) struct Context {
    path: PathBuf,
}

impl Context {
    /// Makes an empty one in `contexts`, where [`sweep`] finds it after a crash.
    pub(crate) fn new(contexts: &Path) -> Result<Self, ContextError> {
        let make = |path: &Path, mode| {
            let failed = failed("making", path);
            DirBuilder::new().recursive(true).mode(mode).create(path).map_err(failed)
        };
        make(contexts, 0o700)?;
        let path = contexts.join(random_id());
        // Whoever a `RUN` is executed by finds it mounted.
        make(&path, 0o755)?;
        Ok(Self { path })
    }

    /// Where it is. What is written there is to belong to the engine's own user.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Its files.
    pub(crate) fn tree(&self) -> Result<Tree, ContextError> {
        Tree::at(&self.path).map_err(failed("opening", &self.path))
    }

    /// Unpacks an archive, compressed or not, into it. It takes what room there is, and leaves
    /// some for others.
    pub(crate) fn receive(&self, archive: impl Read) -> Result<(), ContextError> {
        let tree = self.tree()?;
        let room =
            Room::of(&tree).map_err(|errno| failed("looking at", &self.path)(errno.into()))?;
        let options = UnpackOptions {
            keep_kinds: false,
            owner: Some((geteuid().as_raw(), getegid().as_raw())),
            room: Some(room),
        };
        unpack(&tree, b"/", options, archive).map_err(ContextError::Unpack)
    }

    /// The text of one of its files, links followed; none if there is none.
    pub(crate) fn text(&self, path: &str) -> Result<Option<String>, ContextError> {
        let unread = |source| ContextError::Read { path: path.to_owned(), source };
        let tree = self.tree()?;
        let found = tree.follow(path.as_bytes()).and_then(|real| tree.look(&real));
        let file = match found {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            found => found.and_then(|node| node.open_file()).map_err(unread)?,
        };
        let mut bytes = Vec::new();
        file.take(TEXT_MAX + 1).read_to_end(&mut bytes).map_err(unread)?;
        if bytes.len() as u64 > TEXT_MAX {
            return Err(ContextError::TooLarge { path: path.to_owned(), limit: TEXT_MAX });
        }
        Ok(Some(String::from_utf8_lossy(&bytes).into_owned()))
    }
}

impl Drop for Context {
    fn drop(&mut self) {
        let path = std::mem::take(&mut self.path);
        match Handle::try_current() {
            // There may be a million files.
            Ok(runtime) => drop(runtime.spawn_blocking(move || remove_or_tell(&path))),
            Err(_) => remove_or_tell(&path),
        }
    }
}

/// Removes the contexts that an engine which was killed has left in `contexts`.
pub(crate) fn sweep(contexts: &Path) {
    for entry in read_dir(contexts).into_iter().flatten().flatten() {
        remove_or_tell(&entry.path());
    }
}

fn remove_or_tell(path: &Path) {
    if let Err(error) = remove_all(path) {
        tracing::warn!(path = %path.display(), %error, "left behind");
    }
}

fn failed(operation: &'static str, path: &Path) -> impl FnOnce(io::Error) -> ContextError {
    let path = path.to_owned();
    move |source| ContextError::Directory { operation, path, source }
}
