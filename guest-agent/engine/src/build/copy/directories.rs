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
    let real = tree.follow(path).tried("make the directory", path)?;
    let mut here = tree.directory(b"/").tried("make the directory", path)?;
    match tree.directory(&real) {
        Ok(found) => return Ok((real, found)),
        Err(Errno::NOENT) => {}
        Err(errno) => return Err(CopyError::io("make the directory", path, errno)),
    }
    for part in real.split(|&byte| byte == b'/').filter(|part| !part.is_empty()) {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        here = match openat(&here, part, flags, Mode::empty()) {
            Err(Errno::NOENT) => make(&here, part, new).tried("make the directory", path)?,
            found => found.tried("make the directory", path)?,
        };
    }
    Ok((real, here))
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
