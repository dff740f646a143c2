//! Paths inside a root filesystem that nobody may trust.
//!
//! An image can hold any symbolic link anywhere. Every path is therefore walked from the root's
//! descriptor, one component at a time, with links taken as the container would take them:
//! absolute ones and `..` end at the container's root. What comes back is a descriptor, so that
//! nothing is looked up twice.

use std::ffi::{OsStr, OsString};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Component, Path};

use rustix::fs::{
    CWD, FileType, Mode, OFlags, ResolveFlags, Stat, fstat, mkdirat, mknodat, openat, openat2,
    readlinkat,
};
use rustix::io::Errno;

/// As many links as the kernel follows.
const LINKS_MAX: usize = 40;
const LOOK: OFlags = OFlags::PATH.union(OFlags::CLOEXEC);

/// What to make where a path leads nowhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Missing {
    /// Directories all the way.
    Directory,
    /// Directories, and an empty file at the end.
    File,
}

/// The root of a container's file system.
#[derive(Debug)]
pub(crate) struct RootDirectory(OwnedFd);

impl RootDirectory {
    pub(crate) fn new(descriptor: OwnedFd) -> Self {
        Self(descriptor)
    }

    /// Looks at what is at `path`, links followed.
    pub(crate) fn look(&self, path: &Path) -> Result<OwnedFd, Errno> {
        self.open(path, LOOK)
    }

    /// Opens what is at `path`, links followed.
    pub(crate) fn open(&self, path: &Path, flags: OFlags) -> Result<OwnedFd, Errno> {
        let resolve = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS;
        openat2(&self.0, path, flags | OFlags::CLOEXEC, Mode::empty(), resolve)
    }

    /// Looks at what is at `path` if no link leads there.
    pub(crate) fn look_without_links(&self, path: &Path) -> Result<OwnedFd, Errno> {
        let resolve = ResolveFlags::IN_ROOT | ResolveFlags::NO_SYMLINKS;
        openat2(&self.0, path, LOOK, Mode::empty(), resolve)
    }

    /// The same, and makes what is missing, also behind a dangling link.
    pub(crate) fn look_or_create(&self, path: &Path, missing: Missing) -> Result<OwnedFd, Errno> {
        match self.look(path) {
            Err(Errno::NOENT) => self.walk(path, missing),
            result => result,
        }
    }

    /// The directory that `path` is in, made if missing, and the path's last component.
    pub(crate) fn parent_of<'a>(&self, path: &'a Path) -> Result<(OwnedFd, &'a OsStr), Errno> {
        let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else {
            return Err(Errno::INVAL);
        };
        Ok((self.look_or_create(parent, Missing::Directory)?, name))
    }

    fn walk(&self, path: &Path, missing: Missing) -> Result<OwnedFd, Errno> {
        let mut todo: Vec<OsString> = components(path.as_os_str());
        // Directories from below the root to where we are.
        let mut way: Vec<OwnedFd> = Vec::new();
        let mut links = 0;
        while let Some(name) = todo.pop() {
            if name == ".." {
                way.pop();
                continue;
            }
            let here = way.last().unwrap_or(&self.0).as_fd();
            let make_file = todo.is_empty() && missing == Missing::File;
            let (next, stat) = look_or_make(here, &name, make_file)?;
            if FileType::from_raw_mode(stat.st_mode) == FileType::Symlink {
                links += 1;
                if links > LINKS_MAX {
                    return Err(Errno::LOOP);
                }
                let target = OsString::from_vec(readlinkat(here, &name, Vec::new())?.into_bytes());
                if target.as_bytes().starts_with(b"/") {
                    way.clear();
                }
                todo.extend(components(&target));
            } else {
                way.push(next);
            }
        }
        match way.pop() {
            Some(found) => Ok(found),
            None => openat(&self.0, ".", LOOK, Mode::empty()),
        }
    }
}

impl AsFd for RootDirectory {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// The path's components, the first one last.
fn components(path: &OsStr) -> Vec<OsString> {
    let parts = Path::new(path).components().rev();
    parts
        .filter_map(|part| match part {
            Component::Normal(name) => Some(name.to_owned()),
            Component::ParentDir => Some("..".into()),
            Component::RootDir | Component::CurDir | Component::Prefix(_) => None,
        })
        .collect()
}

/// Looks at `name` in a directory, itself if it is a link; makes it if it is missing.
fn look_or_make(
    directory: BorrowedFd<'_>,
    name: &OsStr,
    make_file: bool,
) -> Result<(OwnedFd, Stat), Errno> {
    let look = || openat(directory, name, LOOK | OFlags::NOFOLLOW, Mode::empty());
    let found = match look() {
        Err(Errno::NOENT) => {
            let mode = Mode::from_raw_mode(0o755);
            let made = if make_file {
                mknodat(directory, name, FileType::RegularFile, mode, 0)
            } else {
                mkdirat(directory, name, mode)
            };
            match made {
                Ok(()) | Err(Errno::EXIST) => look()?,
                Err(errno) => return Err(errno),
            }
        }
        result => result?,
    };
    let stat = fstat(&found)?;
    Ok((found, stat))
}

/// Looks at what is at `path` in a directory; no link may be absolute or lead out of it.
pub(crate) fn look_beneath(directory: impl AsFd, path: &Path) -> Result<OwnedFd, Errno> {
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_MAGICLINKS;
    openat2(directory, path, LOOK, Mode::empty(), resolve)
}

/// Looks at a path of the host.
pub(crate) fn look_on_host(path: &Path) -> Result<OwnedFd, Errno> {
    openat(CWD, path, LOOK, Mode::empty())
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use tempfile::{TempDir, tempdir};

    use super::*;

    fn root() -> anyhow::Result<(TempDir, RootDirectory)> {
        let directory = tempdir()?;
        fs::create_dir(directory.path().join("root"))?;
        fs::create_dir(directory.path().join("outside"))?;
        let descriptor = look_on_host(&directory.path().join("root"))?;
        Ok((directory, RootDirectory::new(descriptor)))
    }

    #[test]
    fn missing_directories_and_files_are_made() -> anyhow::Result<()> {
        let (directory, root) = root()?;
        root.look_or_create(Path::new("/a/b"), Missing::Directory)?;
        root.look_or_create(Path::new("a/c/file"), Missing::File)?;
        assert!(directory.path().join("root/a/b").is_dir());
        assert!(directory.path().join("root/a/c/file").is_file());
        Ok(())
    }

    #[test]
    fn links_never_lead_out_of_the_root() -> anyhow::Result<()> {
        let (directory, root) = root()?;
        let inside = directory.path().join("root");
        symlink("../../outside", inside.join("relative"))?;
        symlink("/outside", inside.join("absolute"))?;
        for link in ["relative", "absolute"] {
            root.look_or_create(&Path::new(link).join(link), Missing::Directory)?;
            assert!(inside.join("outside").join(link).is_dir(), "{link} resolves inside");
        }
        assert_eq!(fs::read_dir(directory.path().join("outside"))?.count(), 0);
        root.look_or_create(Path::new("../../outside/up"), Missing::Directory)?;
        assert!(inside.join("outside/up").is_dir(), "dots end at the root");
        Ok(())
    }

    #[test]
    fn what_lies_beneath_is_not_found_elsewhere() -> anyhow::Result<()> {
        let (directory, root) = root()?;
        let inside = directory.path().join("root");
        fs::create_dir_all(inside.join("a/b"))?;
        symlink("a/../a", inside.join("stays"))?;
        symlink("../outside", inside.join("climbs"))?;
        symlink("/", inside.join("absolute"))?;
        look_beneath(&root, Path::new("stays/b"))?;
        for path in ["climbs", "absolute", "a/../../outside"] {
            let found = look_beneath(&root, Path::new(path));
            assert_eq!(found.map(drop), Err(Errno::XDEV), "{path}");
        }
        Ok(())
    }

    #[test]
    fn what_a_dangling_link_names_is_made_inside() -> anyhow::Result<()> {
        let (directory, root) = root()?;
        let inside = directory.path().join("root");
        fs::create_dir(inside.join("etc"))?;
        symlink("../run/resolve/stub.conf", inside.join("etc/resolv.conf"))?;
        root.look_or_create(Path::new("/etc/resolv.conf"), Missing::File)?;
        assert!(inside.join("run/resolve/stub.conf").is_file());
        Ok(())
    }

    #[test]
    fn a_circle_of_links_is_an_error() -> anyhow::Result<()> {
        let (directory, root) = root()?;
        symlink("b", directory.path().join("root/a"))?;
        symlink("a", directory.path().join("root/b"))?;
        let result = root.look_or_create(Path::new("/a/x"), Missing::Directory);
        assert_eq!(result.map(drop), Err(Errno::LOOP));
        Ok(())
    }
}
