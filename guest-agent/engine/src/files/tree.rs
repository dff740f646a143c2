//! Paths beneath a root that none of them leads out of.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

use rustix::fs::{
    AtFlags, CWD, Dir, Mode, OFlags, ResolveFlags, mkdirat, openat, openat2, unlinkat,
};
use rustix::io::Errno;

use super::node::{Node, NodeKind};
use super::path::split;

/// As many links as the kernel follows.
const LINKS_MAX: usize = 40;
/// A rename anywhere on the machine can spoil a resolution with `..` in it; so often in a row
/// only on purpose.
const TRIES: usize = 64;

/// The root of a tree of files.
#[derive(Debug)]
pub(crate) struct Tree(OwnedFd);

impl Tree {
    pub(crate) fn new(root: OwnedFd) -> Self {
        Self(root)
    }

    /// The tree at a directory of the host.
    pub(crate) fn at(path: &Path) -> io::Result<Self> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        Ok(Self(openat(CWD, path, flags, Mode::empty())?))
    }

    /// The root itself.
    pub(crate) fn root(&self) -> io::Result<Node> {
        self.look(b".")
    }

    /// What is at `path` of this tree. No link on the way may be absolute or lead out of it.
    pub(crate) fn beneath(&self, path: &[u8]) -> io::Result<Self> {
        let flags = OFlags::PATH | OFlags::CLOEXEC;
        let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_MAGICLINKS;
        Ok(Self(openat2(&self.0, path, flags, Mode::empty(), resolve)?))
    }

    /// Whether nothing is in it.
    pub(crate) fn is_empty(&self) -> io::Result<bool> {
        for entry in Dir::new(self.root()?.open_directory()?)? {
            if !matches!(entry?.file_name().to_bytes(), b"." | b"..") {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Looks at what is at `path`. The last component is not followed if it is a link, unless a
    /// slash stands behind it.
    pub(crate) fn look(&self, path: &[u8]) -> io::Result<Node> {
        Node::of(self.resolve(path, OFlags::PATH | OFlags::NOFOLLOW)?)
    }

    /// Holds the directory at `path`, links followed.
    pub(crate) fn directory(&self, path: &[u8]) -> Result<OwnedFd, Errno> {
        self.resolve(path, OFlags::PATH | OFlags::DIRECTORY)
    }

    /// The same, made with its parents where it is missing: root's, mode 0755, as Docker makes
    /// what an archive leaves out.
    pub(super) fn directory_made(&self, path: &[u8]) -> Result<OwnedFd, Errno> {
        match self.directory(path) {
            Err(Errno::NOENT) => {}
            found => return found,
        }
        let mut here = self.directory(b"/")?;
        let mut end = 0;
        for part in path.split(|&byte| byte == b'/') {
            end += part.len();
            if !part.is_empty() {
                match mkdirat(&here, part, Mode::from_raw_mode(0o755)) {
                    Ok(()) | Err(Errno::EXIST) => {}
                    Err(errno) => return Err(errno),
                }
                here = self.directory(&path[..end])?;
            }
            end += 1;
        }
        Ok(here)
    }

    /// Removes what is at `path` if it is an empty directory or an empty file.
    pub(crate) fn remove_empty(&self, path: &[u8]) -> io::Result<()> {
        let node = match self.look(path) {
            Err(error) if is_missing(&error) => return Ok(()),
            found => found?,
        };
        let flags = match node.kind() {
            NodeKind::Directory => AtFlags::REMOVEDIR,
            NodeKind::File if node.metadata().len() == 0 => AtFlags::empty(),
            _ => return Ok(()),
        };
        let (parent, name) = split(path);
        match unlinkat(self.directory(parent)?, name, flags) {
            Ok(()) | Err(Errno::NOTEMPTY | Errno::NOENT) => Ok(()),
            Err(errno) => Err(errno.into()),
        }
    }

    /// Where `path` leads when all links are followed, as far as there is something; what is
    /// missing at its end is kept.
    pub(crate) fn follow(&self, path: &[u8]) -> io::Result<Vec<u8>> {
        let mut todo = components(path);
        let mut done: Vec<Vec<u8>> = Vec::new();
        let mut links = 0;
        while let Some(name) = todo.pop() {
            if name == b".." {
                done.pop();
                continue;
            }
            done.push(name);
            let node = match self.look(&joined(&done)) {
                Ok(node) => node,
                Err(error) if is_missing(&error) => continue,
                Err(error) => return Err(error),
            };
            if node.kind() == NodeKind::Symlink {
                links += 1;
                if links > LINKS_MAX {
                    return Err(Errno::LOOP.into());
                }
                let target = node.link()?;
                done.pop();
                if target.starts_with(b"/") {
                    done.clear();
                }
                todo.extend(components(&target));
            }
        }
        Ok(joined(&done))
    }

    fn resolve(&self, path: &[u8], flags: OFlags) -> Result<OwnedFd, Errno> {
        let resolve = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS;
        let mut tries = 0;
        loop {
            match openat2(&self.0, path, flags | OFlags::CLOEXEC, Mode::empty(), resolve) {
                Err(Errno::AGAIN) if tries < TRIES => tries += 1,
                result => return result,
            }
        }
    }
}

impl AsFd for Tree {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

fn is_missing(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}

/// The path's components, the first one last.
fn components(path: &[u8]) -> Vec<Vec<u8>> {
    let parts = path.split(|&byte| byte == b'/');
    parts.filter(|part| !matches!(*part, b"" | b".")).map(<[u8]>::to_vec).rev().collect()
}

fn joined(parts: &[Vec<u8>]) -> Vec<u8> {
    let mut path = vec![b'/'];
    path.extend(parts.join(&b'/'));
    path
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use tempfile::{TempDir, tempdir};

    use super::*;

    /// A root with a directory beside it that nothing may lead to.
    fn hostile() -> (TempDir, Tree) {
        let directory = tempdir().unwrap();
        let root = directory.path().join("root");
        fs::create_dir_all(root.join("etc")).unwrap();
        fs::create_dir(directory.path().join("host")).unwrap();
        fs::write(directory.path().join("host/secret"), "secret").unwrap();
        fs::write(root.join("etc/passwd"), "inside").unwrap();
        symlink("../../../../host", root.join("relative")).unwrap();
        symlink("/", root.join("all")).unwrap();
        symlink("/etc/", root.join("slashed")).unwrap();
        symlink("circle", root.join("circle")).unwrap();
        symlink("gone/away", root.join("dangling")).unwrap();
        let tree = Tree::at(&root).unwrap();
        (directory, tree)
    }

    #[test]
    fn no_path_leads_out_of_the_root() {
        let (_directory, tree) = hostile();
        for path in ["relative/secret", "../host/secret", "/relative/", "all/../../host/secret"] {
            let error = tree.look(path.as_bytes()).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::NotFound, "{path}");
        }
        for path in ["all/etc/passwd", "all/all/slashed/passwd", "../../etc/passwd"] {
            let found = tree.look(path.as_bytes()).unwrap();
            assert_eq!(io::read_to_string(found.open_file().unwrap()).unwrap(), "inside", "{path}");
        }
    }

    #[test]
    fn a_link_is_followed_when_a_slash_stands_behind_it() {
        let (_directory, tree) = hostile();
        assert_eq!(tree.look(b"/slashed").unwrap().kind(), NodeKind::Symlink);
        assert_eq!(tree.look(b"/slashed/").unwrap().kind(), NodeKind::Directory);
        assert_eq!(tree.look(b"/slashed/.").unwrap().kind(), NodeKind::Directory);
        tree.look(b"/etc/passwd/").expect_err("a file is no directory");
    }

    #[test]
    fn links_are_followed_as_far_as_they_lead() {
        let (_directory, tree) = hostile();
        for (path, end) in [
            ("/all/slashed/passwd", "/etc/passwd"),
            ("/relative", "/host"),
            ("/dangling", "/gone/away"),
            ("/dangling/../x", "/gone/x"),
            ("/../..", "/"),
        ] {
            assert_eq!(tree.follow(path.as_bytes()).unwrap(), end.as_bytes(), "{path}");
        }
        tree.follow(b"/circle").expect_err("it never ends");
    }

    #[test]
    fn missing_directories_are_made_inside() {
        let (directory, tree) = hostile();
        tree.directory_made(b"/relative/new").unwrap_err();
        tree.directory_made(b"/slashed/a/b").unwrap();
        assert!(directory.path().join("root/etc/a/b").is_dir());
        assert_eq!(fs::read_dir(directory.path().join("host")).unwrap().count(), 1);
    }
}
