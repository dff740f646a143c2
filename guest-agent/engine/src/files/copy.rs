//! A directory's content, copied with all that belongs to it: owners, modes, times, extended
//! attributes, links.
//!
//! What is copied is an image's, or a volume's that containers write to, and where it goes a
//! container may be at work already. So links are copied, never followed, nothing is opened again
//! by its name that was made here, and of a file that grows meanwhile as much is copied as it had.

use std::collections::HashMap;
use std::fs::{File, Metadata};
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::MetadataExt as _;

use rustix::fs::{
    AtFlags, CWD, Dir, FileType, Gid, Mode, OFlags, Timespec, Timestamps, Uid, chmodat, chownat,
    fchmod, fchown, futimens, linkat, mkdirat, mknodat, openat, symlinkat, utimensat,
};
use rustix::io::Errno;

use super::attributes::{self, Attributes};
use super::node::{Node, NodeKind};
use super::path::split;
use super::sparse::{Part, parts};
use super::tree::Tree;
use super::walk::{DEPTH_MAX, below};

/// So many bytes are copied before somebody is asked whether to go on.
const PIECE: u64 = 8 << 20;
/// So many files with several names are remembered; further ones are copied as files of their own.
const LINKS_MAX: usize = 1 << 17;

/// Copies what is in the directory `from` into the empty `to`, which gets its owner and all.
pub(crate) fn copy_content(from: &Node, to: &Tree) -> io::Result<()> {
    copy_content_while(from, to, |_| true)
}

/// The same as long as `go_on` says so, which is told how many bytes more there are.
pub(crate) fn copy_content_while(
    from: &Node,
    to: &Tree,
    go_on: impl FnMut(u64) -> bool,
) -> io::Result<()> {
    let mut copier = Copier { to, ways: Vec::new(), links: HashMap::new(), go_on };
    asked(&mut copier.go_on, 0)?;
    copier.enter(b"/".to_vec(), from, to.root()?.open_directory()?)?;
    while let Some(way) = copier.ways.last_mut() {
        let Some(entry) = way.from.read() else {
            if let Some(way) = copier.ways.pop() {
                // What is made in a directory gets its default ACL for its own, and changes its
                // times.
                attributes::write(&way.to, &attributes::read(way.from.fd()?)?)?;
                futimens(&way.to, &times(&way.metadata))?;
            }
            continue;
        };
        let entry = entry?;
        let name = entry.file_name().to_bytes();
        if !matches!(name, b"." | b"..") {
            let node = match Node::at(way.from.fd()?, name) {
                // It went away meanwhile.
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                found => found?,
            };
            copier.copy(&node, name)?;
        }
    }
    Ok(())
}

/// Copies one file into the directory `to`, which is to have nothing of that name.
pub(crate) fn copy_file(node: &Node, to: &Tree, name: &[u8]) -> io::Result<()> {
    file(node, to.root()?.open_directory()?.as_fd(), name, &mut |_| true)
}

struct Copier<'a, G> {
    to: &'a Tree,
    ways: Vec<Way>,
    /// The first name of each file that has several.
    links: HashMap<(u64, u64), Vec<u8>>,
    go_on: G,
}

/// A directory on the way to what is being copied.
struct Way {
    path: Vec<u8>,
    from: Dir,
    to: OwnedFd,
    metadata: Metadata,
}

impl<G: FnMut(u64) -> bool> Copier<'_, G> {
    fn enter(&mut self, path: Vec<u8>, from: &Node, to: OwnedFd) -> io::Result<()> {
        if self.ways.len() >= DEPTH_MAX {
            return Err(Errno::NAMETOOLONG.into());
        }
        let open = from.open_directory()?;
        let metadata = from.metadata().clone();
        dress(&to, &metadata, &Attributes::new())?;
        self.ways.push(Way { path, from: Dir::new(open)?, to, metadata });
        Ok(())
    }

    fn copy(&mut self, node: &Node, name: &[u8]) -> io::Result<()> {
        let Some(way) = self.ways.last() else { return Ok(()) };
        asked(&mut self.go_on, 0)?;
        let (here, path) = (way.to.as_fd(), below(&way.path, name));
        let metadata = node.metadata();
        if node.kind() != NodeKind::Directory && metadata.nlink() > 1 {
            if let Some(first) = self.links.get(&node.identity()) {
                let (above, first) = split(first);
                let above = self.to.directory(above)?;
                return Ok(linkat(above, first, here, name, AtFlags::empty())?);
            }
            if self.links.len() < LINKS_MAX {
                self.links.insert(node.identity(), path.clone());
            }
        }
        match node.kind() {
            NodeKind::Directory => {
                mkdirat(here, name, Mode::RWXU)?;
                let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
                let made = openat(here, name, flags, Mode::empty())?;
                self.enter(path, node, made)
            }
            NodeKind::File => file(node, here, name, &mut self.go_on),
            NodeKind::Symlink => {
                symlinkat(node.link()?.as_slice(), here, name)?;
                let (uid, gid) = owner(metadata);
                chownat(here, name, Some(uid), Some(gid), AtFlags::SYMLINK_NOFOLLOW)?;
                Ok(utimensat(here, name, &times(metadata), AtFlags::SYMLINK_NOFOLLOW)?)
            }
            NodeKind::CharDevice => special(node, here, name, FileType::CharacterDevice),
            NodeKind::BlockDevice => special(node, here, name, FileType::BlockDevice),
            NodeKind::Fifo => special(node, here, name, FileType::Fifo),
            NodeKind::Socket => special(node, here, name, FileType::Socket),
        }
    }
}

fn asked(go_on: &mut impl FnMut(u64) -> bool, more: u64) -> io::Result<()> {
    if go_on(more) { Ok(()) } else { Err(Errno::CANCELED.into()) }
}

fn file(
    node: &Node,
    here: BorrowedFd<'_>,
    name: &[u8],
    go_on: &mut impl FnMut(u64) -> bool,
) -> io::Result<()> {
    let mut source = node.open_file()?;
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let mut copy = File::from(openat(here, name, flags, Mode::RUSR | Mode::WUSR)?);
    let size = node.metadata().size();
    match parts(&source, node.metadata())? {
        None => content(&mut source, &mut copy, size, go_on)?,
        Some(parts) => {
            for Part { offset, length } in parts {
                source.seek(SeekFrom::Start(offset))?;
                copy.seek(SeekFrom::Start(offset))?;
                content(&mut source, &mut copy, length, go_on)?;
            }
            copy.set_len(size)?;
        }
    }
    dress(copy.as_fd(), node.metadata(), &attributes::read(&source)?)?;
    Ok(futimens(&copy, &times(node.metadata()))?)
}

fn content(
    source: &mut File,
    copy: &mut File,
    size: u64,
    go_on: &mut impl FnMut(u64) -> bool,
) -> io::Result<()> {
    let mut left = size;
    while left > 0 {
        let copied = io::copy(&mut source.take(PIECE.min(left)), copy)?;
        if copied == 0 {
            // It has become shorter.
            return Ok(());
        }
        asked(go_on, copied)?;
        left -= copied;
    }
    Ok(())
}

/// Makes a device, a named pipe or a socket that nobody listens on.
fn special(node: &Node, here: BorrowedFd<'_>, name: &[u8], kind: FileType) -> io::Result<()> {
    let metadata = node.metadata();
    mknodat(here, name, kind, Mode::from_raw_mode(0o600), metadata.rdev())?;
    let made = Node::at(here, name)?;
    if made.kind() != node.kind() {
        return Err(Errno::EXIST.into());
    }
    let (uid, gid) = owner(metadata);
    chownat(&made, "", Some(uid), Some(gid), AtFlags::EMPTY_PATH)?;
    chmodat(CWD, made.magic_path(), mode(metadata), AtFlags::empty())?;
    Ok(utimensat(CWD, made.magic_path(), &times(metadata), AtFlags::empty())?)
}

/// Changing the owner clears set-id bits and capabilities, so it comes first.
fn dress(
    made: impl AsFd,
    metadata: &Metadata,
    attributes: &[(Vec<u8>, Vec<u8>)],
) -> io::Result<()> {
    let (uid, gid) = owner(metadata);
    fchown(&made, Some(uid), Some(gid))?;
    fchmod(&made, mode(metadata))?;
    Ok(attributes::write(&made, attributes)?)
}

fn owner(metadata: &Metadata) -> (Uid, Gid) {
    (Uid::from_raw(metadata.uid()), Gid::from_raw(metadata.gid()))
}

fn mode(metadata: &Metadata) -> Mode {
    Mode::from_raw_mode(metadata.mode() & 0o7777)
}

pub(super) fn times(metadata: &Metadata) -> Timestamps {
    Timestamps {
        last_access: Timespec { tv_sec: metadata.atime(), tv_nsec: metadata.atime_nsec() },
        last_modification: Timespec { tv_sec: metadata.mtime(), tv_nsec: metadata.mtime_nsec() },
    }
}

#[cfg(test)]
mod tests {
    use std::fs::{self, FileTimes, Permissions};
    use std::os::unix::fs::{FileTypeExt as _, PermissionsExt as _, symlink};
    use std::time::{Duration, SystemTime};

    use super::*;

    #[test]
    fn what_is_copied_is_as_it_was() {
        let directory = tempfile::tempdir().unwrap();
        let (from, to) = (directory.path().join("from"), directory.path().join("to"));
        fs::create_dir_all(from.join("sub/deep")).unwrap();
        fs::create_dir(&to).unwrap();
        fs::write(from.join("sub/file"), "text").unwrap();
        fs::set_permissions(from.join("sub/file"), Permissions::from_mode(0o4751)).unwrap();
        fs::hard_link(from.join("sub/file"), from.join("again")).unwrap();
        symlink("/etc/passwd", from.join("link")).unwrap();
        mknodat(CWD, from.join("pipe"), FileType::Fifo, Mode::RUSR, 0).unwrap();
        fs::set_permissions(&from, Permissions::from_mode(0o1770)).unwrap();
        let time = SystemTime::UNIX_EPOCH + Duration::new(1_000_000, 5);
        for name in ["sub/file", "sub/deep", "sub", "."] {
            let times = FileTimes::new().set_modified(time);
            File::open(from.join(name)).unwrap().set_times(times).unwrap();
        }

        let tree = |path| Tree::at(path).unwrap();
        copy_content(&tree(&from).root().unwrap(), &tree(&to)).unwrap();
        assert_eq!(fs::read_to_string(to.join("again")).unwrap(), "text");
        for name in ["sub/file", "sub/deep", "sub", "."] {
            let (old, new) =
                (fs::metadata(from.join(name)).unwrap(), fs::metadata(to.join(name)).unwrap());
            assert_eq!(new.modified().unwrap(), time, "{name}");
            assert_eq!((new.mode(), new.nlink()), (old.mode(), old.nlink()), "{name}");
        }
        let identity = |name: &str| fs::metadata(to.join(name)).unwrap().ino();
        assert_eq!(identity("sub/file"), identity("again"));
        assert_eq!(fs::read_link(to.join("link")).unwrap().to_str(), Some("/etc/passwd"));
        assert!(fs::symlink_metadata(to.join("pipe")).unwrap().file_type().is_fifo());
    }

    #[test]
    fn no_link_leads_the_copy_away() {
        let directory = tempfile::tempdir().unwrap();
        let (from, to) = (directory.path().join("from"), directory.path().join("to"));
        let host = directory.path().join("host");
        for path in [&from.join("way"), &to, &host] {
            fs::create_dir_all(path).unwrap();
        }
        fs::write(from.join("way/file"), "text").unwrap();
        symlink(&host, to.join("way")).unwrap();
        let tree = |path| Tree::at(path).unwrap();
        copy_content(&tree(&from).root().unwrap(), &tree(&to)).unwrap_err();
        assert_eq!(fs::read_dir(&host).unwrap().count(), 0);
    }
}
