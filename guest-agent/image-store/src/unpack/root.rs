//! Paths beneath a layer's directory, resolved so that none leads out of it.

use std::fs;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::fs::{CWD, Mode, OFlags, ResolveFlags, mkdirat, openat, openat2};
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
    top: Arc<Parent>,
    /// Where it is.
    path: PathBuf,
    /// Under the names that archives have for them; most recently used last.
    parents: Vec<(Vec<u8>, Arc<Parent>)>,
}

/// An open directory of the layer.
#[derive(Debug)]
pub(super) struct Parent {
    descriptor: OwnedFd,
    /// Its path in the layer, on which there is no symbolic link.
    path: Vec<u8>,
}

impl Parent {
    /// The path of `name` in it.
    pub(super) fn path_of(&self, name: &[u8]) -> Vec<u8> {
        if self.path.is_empty() {
            return name.to_owned();
        }
        [&self.path, name].join(&b'/')
    }
}

impl AsFd for Parent {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.descriptor.as_fd()
    }
}

impl Root {
    pub(super) fn open(path: &Path) -> Result<Self, UnpackError> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let failed = |source| UnpackError::Write { entry: "/".to_owned(), source };
        let descriptor =
            openat(CWD, path, flags, Mode::empty()).map_err(|errno| failed(errno.into()))?;
        let path = fs::canonicalize(path).map_err(failed)?;
        let top = Arc::new(Parent { descriptor, path: Vec::new() });
        Ok(Self { top, path, parents: Vec::new() })
    }

    pub(super) fn as_fd(&self) -> BorrowedFd<'_> {
        self.top.as_fd()
    }

    /// Opens the directory `path`; symbolic links on the way lead no farther than the root.
    pub(super) fn open_directory(&self, path: &[u8]) -> Result<OwnedFd, Errno> {
        self.open_with(path, ResolveFlags::NO_MAGICLINKS)
    }

    fn open_with(&self, path: &[u8], resolve: ResolveFlags) -> Result<OwnedFd, Errno> {
        let path = if path.is_empty() { b"." } else { path };
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        openat2(&*self.top, path, flags, Mode::empty(), ResolveFlags::IN_ROOT | resolve)
    }

    fn open_parent(&self, path: &[u8]) -> Result<Parent, Errno> {
        match self.open_with(path, ResolveFlags::NO_SYMLINKS) {
            Err(Errno::LOOP) => {
                let descriptor = self.open_directory(path)?;
                let real = fs::read_link(descriptor_path(descriptor.as_fd()))
                    .map_err(|error| Errno::from_io_error(&error).unwrap_or(Errno::IO))?;
                let path = real.strip_prefix(&self.path).map_err(|_| Errno::XDEV)?;
                Ok(Parent { path: path.as_os_str().as_bytes().to_owned(), descriptor })
            }
            opened => Ok(Parent { descriptor: opened?, path: path.to_owned() }),
        }
    }

    /// The directory `path`, made with its parents where it is missing.
    pub(super) fn parent(&mut self, path: &[u8]) -> Result<Arc<Parent>, Errno> {
        if path.is_empty() {
            return Ok(Arc::clone(&self.top));
        }
        if let Some(found) = self.parents.iter().position(|(known, _)| known == path) {
            self.parents[found..].rotate_left(1);
        } else {
            let directory = match self.open_parent(path) {
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
    fn make_directories(&self, path: &[u8]) -> Result<Parent, Errno> {
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
                return self.open_parent(path);
            }
            end = stop + 1;
        }
    }

    /// Closes what is kept open: it may lie inside of what is taken away.
    pub(super) fn forget_parents(&mut self) {
        self.parents.clear();
    }
}

fn descriptor_path(descriptor: BorrowedFd<'_>) -> PathBuf {
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
