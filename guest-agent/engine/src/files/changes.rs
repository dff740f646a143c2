//! What a container has changed in its image's files.
//!
//! All changes lie in the overlay's upper directory, so only that is walked; what was there
//! before is looked up in the image. As with Docker, a directory that something was changed in
//! counts as changed, and whether anything else was is told by its status alone: owner, mode,
//! and for files size and time.

use std::collections::BTreeSet;
use std::io;
use std::os::fd::AsFd as _;
use std::os::unix::fs::MetadataExt as _;

use rustix::fs::{Dir, fgetxattr};
use rustix::io::Errno;

use super::attributes;
use super::node::{Node, NodeKind};
use super::tree::Tree;
use super::walk::{DEPTH_MAX, below};

/// One changed path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Change {
    pub(crate) path: String,
    pub(crate) kind: ChangeKind,
}

/// How it was changed; the numbers are the API's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ChangeKind {
    Modified = 0,
    Added = 1,
    Deleted = 2,
}

/// The places that the runtime makes in every container for its mounts.
pub(crate) const MADE_BY_RUNTIME: [&[u8]; 6] =
    [b"/dev", b"/proc", b"/sys", b"/etc/hostname", b"/etc/hosts", b"/etc/resolv.conf"];

/// Compares the upper directory of a container's overlay with its image. A directory comes
/// before what is in it, and names are sorted.
pub(crate) fn changes(upper: &Tree, image: &Tree) -> io::Result<Vec<Change>> {
    let mut comparison = Comparison::default();
    comparison.enter(b"/".to_vec(), upper.root()?, Some(image.root()?), None)?;
    while let Some(frame) = comparison.frames.last_mut() {
        match frame.names.pop_last() {
            Some(name) => comparison.compare(&name)?,
            None => comparison.leave(),
        }
    }
    comparison.changes.reverse();
    Ok(comparison.changes)
}

/// Goes from the last name to the first, so that what became of a directory is known by the
/// time that it is its turn; the list is turned round at the end.
#[derive(Debug, Default)]
struct Comparison {
    changes: Vec<Change>,
    frames: Vec<Frame>,
}

#[derive(Debug)]
struct Frame {
    path: Vec<u8>,
    upper: Node,
    /// The image's directory in this place.
    image: Option<Node>,
    /// What is still to be compared.
    names: BTreeSet<Vec<u8>>,
    /// How the directory itself was changed.
    own: Option<ChangeKind>,
    /// How many changes there were before those in it.
    before: usize,
}

impl Comparison {
    fn enter(
        &mut self,
        path: Vec<u8>,
        upper: Node,
        image: Option<Node>,
        own: Option<ChangeKind>,
    ) -> io::Result<()> {
        if self.frames.len() >= DEPTH_MAX {
            return Err(Errno::NAMETOOLONG.into());
        }
        let mut names = names(&upper)?;
        if let Some(image) = image.as_ref().filter(|_| is_opaque(&upper)) {
            names.extend(self::names(image)?);
        }
        let before = self.changes.len();
        self.frames.push(Frame { path, upper, image, names, own, before });
        Ok(())
    }

    fn compare(&mut self, name: &[u8]) -> io::Result<()> {
        let Some(frame) = self.frames.last() else { return Ok(()) };
        let path = below(&frame.path, name);
        let before = match &frame.image {
            Some(image) => look(image, name)?,
            None => None,
        };
        let Some(now) = look(&frame.upper, name)?.filter(|node| !is_whiteout(node)) else {
            if before.is_some() {
                self.push(&path, ChangeKind::Deleted);
            }
            return Ok(());
        };
        let own = match &before {
            Some(before) => differs(before, &now)?.then_some(ChangeKind::Modified),
            None if MADE_BY_RUNTIME.contains(&path.as_slice()) => None,
            None => Some(ChangeKind::Added),
        };
        if now.kind() == NodeKind::Directory {
            let before = before.filter(|before| before.kind() == NodeKind::Directory);
            return self.enter(path, now, before, own);
        }
        if let Some(own) = own {
            self.push(&path, own);
        }
        Ok(())
    }

    fn leave(&mut self) {
        let Some(frame) = self.frames.pop() else { return };
        let is_root = self.frames.is_empty();
        let inside = (self.changes.len() > frame.before).then_some(ChangeKind::Modified);
        if let Some(kind) = frame.own.or(inside).filter(|_| !is_root) {
            self.push(&frame.path, kind);
        }
    }

    fn push(&mut self, path: &[u8], kind: ChangeKind) {
        let path = String::from_utf8_lossy(path).into_owned();
        self.changes.push(Change { path, kind });
    }
}

pub(super) fn names(directory: &Node) -> io::Result<BTreeSet<Vec<u8>>> {
    let mut names = BTreeSet::new();
    for entry in Dir::new(directory.open_directory()?)? {
        names.insert(entry?.file_name().to_bytes().to_vec());
    }
    names.retain(|name| !matches!(name.as_slice(), b"." | b".."));
    Ok(names)
}

pub(super) fn look(directory: &Node, name: &[u8]) -> io::Result<Option<Node>> {
    match Node::at(directory.as_fd(), name) {
        Ok(node) => Ok(Some(node)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// What overlayfs leaves in the place of something that was deleted.
pub(super) fn is_whiteout(node: &Node) -> bool {
    node.kind() == NodeKind::CharDevice && node.metadata().rdev() == 0
}

/// Overlay's mark of a directory below which nothing is looked for.
pub(super) const OPAQUE: &str = "trusted.overlay.opaque";

/// Whether nothing of the image's directory shows through.
pub(super) fn is_opaque(directory: &Node) -> bool {
    let mut value = [0_u8; 1];
    let read = directory
        .open_directory()
        .is_ok_and(|open| fgetxattr(open, OPAQUE, &mut value[..]).is_ok());
    read && value == *b"y"
}

fn differs(before: &Node, now: &Node) -> io::Result<bool> {
    let (old, new) = (before.metadata(), now.metadata());
    let status = |of: &std::fs::Metadata| (of.mode(), of.uid(), of.gid(), of.rdev());
    if status(old) != status(new) {
        return Ok(true);
    }
    if now.kind() == NodeKind::Directory {
        return Ok(false);
    }
    let same_time = old.mtime() == new.mtime()
        // What came from an archive may lack the fraction.
        && (old.mtime_nsec() == new.mtime_nsec() || old.mtime_nsec() * new.mtime_nsec() == 0);
    if !same_time || old.size() != new.size() {
        return Ok(true);
    }
    Ok(now.kind() == NodeKind::File && capability(before)? != capability(now)?)
}

fn capability(file: &Node) -> io::Result<Option<Vec<u8>>> {
    let attributes = attributes::read(file.open_file()?)?;
    let found = attributes.into_iter().find(|(name, _)| name == b"security.capability");
    Ok(found.map(|(_, value)| value))
}

#[cfg(test)]
mod tests {
    use std::fs::{self, File, FileTimes, Permissions};
    use std::os::unix::fs::PermissionsExt as _;
    use std::path::Path;
    use std::time::SystemTime;

    use super::*;

    /// Copies the image's file up, as overlayfs does, with its time.
    fn copy_up(root: &Path, path: &str) {
        let (from, to) = (root.join("image").join(path), root.join("upper").join(path));
        fs::create_dir_all(to.parent().unwrap()).unwrap();
        fs::copy(&from, &to).unwrap();
        let modified = fs::metadata(&from).unwrap().modified().unwrap();
        let times = FileTimes::new().set_modified(modified);
        File::options().write(true).open(&to).unwrap().set_times(times).unwrap();
    }

    fn found(root: &Path) -> Vec<(String, ChangeKind)> {
        let tree = |name: &str| Tree::at(&root.join(name)).unwrap();
        let changes = changes(&tree("upper"), &tree("image")).unwrap();
        changes.into_iter().map(|change| (change.path, change.kind)).collect()
    }

    fn root() -> tempfile::TempDir {
        let directory = tempfile::tempdir().unwrap();
        for path in ["image/etc/deep", "image/bin", "upper"] {
            fs::create_dir_all(directory.path().join(path)).unwrap();
        }
        for path in ["etc/passwd", "etc/deep/file", "etc/mode", "bin/sh"] {
            fs::write(directory.path().join("image").join(path), "old").unwrap();
        }
        directory
    }

    #[test]
    fn what_was_only_copied_up_is_no_change() {
        let directory = root();
        assert_eq!(found(directory.path()), []);
        copy_up(directory.path(), "etc/deep/file");
        assert_eq!(found(directory.path()), []);
    }

    #[test]
    fn a_changed_file_changes_the_directories_above_it() {
        let directory = root();
        let upper = directory.path().join("upper");
        copy_up(directory.path(), "etc/deep/file");
        let later = FileTimes::new().set_modified(SystemTime::UNIX_EPOCH);
        let file = File::options().write(true).open(upper.join("etc/deep/file")).unwrap();
        file.set_times(later).unwrap();
        copy_up(directory.path(), "etc/mode");
        fs::set_permissions(upper.join("etc/mode"), Permissions::from_mode(0o600)).unwrap();
        fs::create_dir_all(upper.join("new/inner")).unwrap();
        let changed = [
            ("/etc", ChangeKind::Modified),
            ("/etc/deep", ChangeKind::Modified),
            ("/etc/deep/file", ChangeKind::Modified),
            ("/etc/mode", ChangeKind::Modified),
            ("/new", ChangeKind::Added),
            ("/new/inner", ChangeKind::Added),
        ];
        assert_eq!(found(directory.path()), changed.map(|(path, kind)| (path.to_owned(), kind)));
    }

    #[test]
    fn the_places_of_the_runtimes_mounts_are_no_change() {
        let directory = root();
        let upper = directory.path().join("upper");
        fs::create_dir_all(upper.join("etc")).unwrap();
        fs::create_dir_all(upper.join("dev")).unwrap();
        fs::write(upper.join("etc/hosts"), "").unwrap();
        assert_eq!(found(directory.path()), []);
        fs::write(upper.join("dev/own"), "").unwrap();
        let changed = [("/dev", ChangeKind::Modified), ("/dev/own", ChangeKind::Added)];
        assert_eq!(found(directory.path()), changed.map(|(path, kind)| (path.to_owned(), kind)));
    }
}
