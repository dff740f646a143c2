//! Directories that are made because something goes into them.

use std::os::fd::OwnedFd;

use rustix::fs::{Gid, Mode, OFlags, Uid, fchmod, fchown, mkdirat, openat};
use rustix::io::Errno;

use super::error::{CopyError, Tried as _};
use super::walk::open_directory;
use crate::files::Tree;

/// What directories have that are made on the way.
#[derive(Clone, Copy, Debug)]
pub(crate) struct NewDirectory {
    pub(crate) mode: u32,
    /// The engine's own, if that is not said.
    pub(crate) owner: Option<(u32, u32)>,
}

impl Default for NewDirectory {
    fn default() -> Self {
        Self { mode: 0o755, owner: None }
    }
}

/// Opens the directory at `path`, links followed, and makes what is missing of the way there.
/// Gives it with its path without links.
pub(crate) fn make_directory(
    tree: &Tree,
    path: &[u8],
    new: NewDirectory,
) -> Result<(Vec<u8>, OwnedFd), CopyError> {
    const TASK: &str = "make the directory";
    let real = tree.follow(path).tried(TASK, path)?;
    let here = match tree.directory(&real) {
        Ok(found) => found,
        Err(Errno::NOENT) => make_missing(tree, &real, new).tried(TASK, path)?,
        Err(errno) => return Err(CopyError::io(TASK, path, errno)),
    };
    // What only leads to it can neither be read nor changed.
    let open = open_directory(here, b".").tried(TASK, path)?;
    Ok((real, open))
}

fn make_missing(tree: &Tree, path: &[u8], new: NewDirectory) -> Result<OwnedFd, Errno> {
    let mut here = tree.directory(b"/")?;
    for part in path.split(|&byte| byte == b'/').filter(|part| !part.is_empty()) {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        here = match openat(&here, part, flags, Mode::empty()) {
            Err(Errno::NOENT) => make(&here, part, new)?,
            found => found?,
        };
    }
    Ok(here)
}

fn make(parent: &OwnedFd, name: &[u8], new: NewDirectory) -> Result<OwnedFd, Errno> {
    mkdirat(parent, name, Mode::RWXU)?;
    let made = open_directory(parent, name)?;
    if let Some((uid, gid)) = new.owner {
        fchown(&made, Some(Uid::from_raw(uid)), Some(Gid::from_raw(gid)))?;
    }
    // Whatever the engine's umask is.
    fchmod(&made, Mode::from_raw_mode(new.mode))?;
    Ok(made)
}
