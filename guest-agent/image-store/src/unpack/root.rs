//! Paths beneath a layer's directory, resolved so that none leads out of it.

use std::fs::{self, File};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::fs::{AtFlags, CWD, Mode, OFlags, ResolveFlags, mkdirat, openat, openat2, unlinkat};
use rustix::io::Errno;

use super::error::UnpackError;

/// Archives go down one directory and up again; this many are kept open.
const OPEN_PARENTS: usize = 16;

/// A path inside the layer: relative, without `.`, `..` or empty components. Empty for
/// the layer's root.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct InnerPath(Vec<u8>);

impl InnerPath {
    /// Cleans `name` by text alone, as Docker does; `None` when it climbs out. A leading
    /// slash means the layer's root.
    pub(super) fn clean(name: &[u8]) -> Option<Self> {
        let mut components: Vec<&[u8]> = Vec::new();
        for component in name.split(|&byte| byte == b'/') {
            match component {
                b"" | b"." => {}
                b".." => {
                    components.pop()?;
                }
                component if component.contains(&0) => return None,
                component => components.push(component),
            }
        }
        Some(Self(components.join(&b'/')))
    }

    pub(super) fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The directory and the name in it; `None` for the root.
    pub(super) fn split(&self) -> Option<(&[u8], &[u8])> {
        match self.0.iter().rposition(|&byte| byte == b'/') {
            Some(slash) => Some((&self.0[..slash], &self.0[slash + 1..])),
            None if self.0.is_empty() => None,
            None => Some((&[], &self.0)),
        }
    }
}

/// The layer's directory. Only this process writes into it.
#[derive(Debug)]
pub(super) struct Root {
    directory: Arc<OwnedFd>,
    path: PathBuf,
    /// Most recently used last.
    parents: Vec<(Vec<u8>, Arc<OwnedFd>)>,
}

impl Root {
    pub(super) fn open(path: &Path) -> Result<Self, UnpackError> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let directory = openat(CWD, path, flags, Mode::empty())
            .map_err(|errno| UnpackError::Write { entry: "/".to_owned(), source: errno.into() })?;
        Ok(Self { directory: Arc::new(directory), path: path.to_owned(), parents: Vec::new() })
    }

    pub(super) fn as_fd(&self) -> BorrowedFd<'_> {
        self.directory.as_fd()
    }

    /// Opens the directory `path`; symbolic links on the way lead no farther than the root.
    pub(super) fn open_directory(&self, path: &[u8]) -> Result<OwnedFd, Errno> {
        let path = if path.is_empty() { b"." } else { path };
        openat2(
            &self.directory,
            path,
            OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC,
            Mode::empty(),
            ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS,
        )
    }

    /// The directory `path`, made with its parents where it is missing.
    pub(super) fn parent(&mut self, path: &[u8]) -> Result<Arc<OwnedFd>, Errno> {
        if path.is_empty() {
            return Ok(Arc::clone(&self.directory));
        }
        if let Some(found) = self.parents.iter().position(|(known, _)| known == path) {
            self.parents[found..].rotate_left(1);
        } else {
            let directory = match self.open_directory(path) {
                Err(Errno::NOENT) => self.make_directories(path)?,
                opened => opened?,
            };
            if self.parents.len() == OPEN_PARENTS {
                self.parents.remove(0);
            }
            self.parents.push((path.to_owned(), Arc::new(directory)));
        }
        match self.parents.last() {
            Some((_, directory)) => Ok(Arc::clone(directory)),
            None => Err(Errno::NOENT),
        }
    }

    /// Docker's choice for directories an archive leaves out: root's, mode 0755.
    fn make_directories(&self, path: &[u8]) -> Result<OwnedFd, Errno> {
        let mut end = 0;
        loop {
            let next = path[end..].iter().position(|&byte| byte == b'/');
            let stop = next.map_or(path.len(), |slash| end + slash);
            let above = self.open_directory(&path[..end.saturating_sub(1)])?;
            match mkdirat(&above, &path[end..stop], Mode::from_raw_mode(0o755)) {
                Ok(()) | Err(Errno::EXIST) => {}
                Err(errno) => return Err(errno),
            }
            if next.is_none() {
                return self.open_directory(path);
            }
            end = stop + 1;
        }
    }

    /// Takes away whatever `name` is in `parent`, a whole directory too.
    pub(super) fn remove(&mut self, parent: BorrowedFd<'_>, name: &[u8]) -> io::Result<()> {
        // A kept parent may lie inside what goes away.
        self.parents.clear();
        match unlinkat(parent, name, AtFlags::empty()) {
            Err(Errno::ISDIR) => {}
            done => return Ok(done?),
        }
        // Reached through the descriptor, so that the path cannot lead elsewhere; the
        // standard library's removal follows no links below it.
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let directory = File::from(openat(parent, name, flags, Mode::empty())?);
        let real = fs::read_link(descriptor_path(directory.as_fd()))?;
        if !real.starts_with(fs::canonicalize(&self.path)?) {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        fs::remove_dir_all(real)
    }
}

fn descriptor_path(descriptor: BorrowedFd<'_>) -> PathBuf {
    use std::os::fd::AsRawFd;
    PathBuf::from(format!("/proc/self/fd/{}", descriptor.as_raw_fd()))
}

/// An entry's name for messages.
pub(super) fn shown(name: &[u8]) -> String {
    Path::new(std::ffi::OsStr::from_bytes(name)).display().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_cleaned_and_climbing_ones_refused() {
        let clean = |name: &str| {
            InnerPath::clean(name.as_bytes())
                .map(|path| String::from_utf8_lossy(path.as_bytes()).into_owned())
        };
        assert_eq!(clean("./usr//bin/./x/"), Some("usr/bin/x".to_owned()));
        assert_eq!(clean("/etc/passwd"), Some("etc/passwd".to_owned()));
        assert_eq!(clean("a/../b"), Some("b".to_owned()));
        assert_eq!(clean("./"), Some(String::new()));
        assert_eq!(clean("../x"), None);
        assert_eq!(clean("/../x"), None);
        assert_eq!(clean("a/../../x"), None);
        assert_eq!(clean("a\0b"), None);
    }
}
