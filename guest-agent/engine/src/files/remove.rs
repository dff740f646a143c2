//! Takes away whatever is in a place, a whole directory too.

use std::os::fd::{AsFd, BorrowedFd};

use rustix::fs::{AtFlags, Dir, Mode, OFlags, ResolveFlags, openat2, unlinkat};
use rustix::io::Errno;

use super::walk::DEPTH_MAX;

/// Removes `name` from `parent`. Links are removed, not followed, and a directory that
/// something is mounted in is busy: what is mounted there is not emptied.
pub(super) fn remove(parent: BorrowedFd<'_>, name: &[u8]) -> Result<(), Errno> {
    match unlinkat(parent, name, AtFlags::empty()) {
        Err(Errno::ISDIR) => {}
        done => return done,
    }
    let mut way = vec![(name.to_vec(), open(parent, name)?)];
    while let Some((_, directory)) = way.last_mut() {
        let Some(entry) = directory.read() else {
            let Some((name, _)) = way.pop() else { break };
            let above = match way.last() {
                Some((_, directory)) => directory.fd()?,
                None => parent,
            };
            unlinkat(above, name.as_slice(), AtFlags::REMOVEDIR)?;
            continue;
        };
        let entry = entry?;
        let name = entry.file_name().to_bytes().to_vec();
        if matches!(name.as_slice(), b"." | b"..") {
            continue;
        }
        let here = directory.fd()?;
        match unlinkat(here, name.as_slice(), AtFlags::empty()) {
            Ok(()) | Err(Errno::NOENT) => {}
            Err(Errno::ISDIR) => {
                let inner = open(here, &name)?;
                if way.len() >= DEPTH_MAX {
                    return Err(Errno::NAMETOOLONG);
                }
                way.push((name, inner));
            }
            Err(errno) => return Err(errno),
        }
    }
    Ok(())
}

fn open(parent: BorrowedFd<'_>, name: &[u8]) -> Result<Dir, Errno> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_XDEV | ResolveFlags::NO_SYMLINKS;
    match openat2(parent.as_fd(), name, flags, Mode::empty(), resolve) {
        Err(Errno::XDEV) => Err(Errno::BUSY),
        directory => Dir::new(directory?),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::super::tree::Tree;
    use super::*;

    #[test]
    fn a_directory_goes_with_all_that_is_in_it_and_nothing_else() {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path();
        fs::create_dir_all(root.join("gone/a/b/c")).unwrap();
        fs::create_dir(root.join("kept")).unwrap();
        fs::write(root.join("kept/file"), "").unwrap();
        fs::write(root.join("gone/a/file"), "").unwrap();
        symlink(root.join("kept"), root.join("gone/a/b/link")).unwrap();
        symlink("kept", root.join("link")).unwrap();

        let tree = Tree::at(root).unwrap();
        remove(tree.as_fd(), b"gone").unwrap();
        remove(tree.as_fd(), b"link").unwrap();
        assert!(!root.join("gone").exists() && !root.join("link").exists());
        assert!(root.join("kept/file").exists());
        assert_eq!(remove(tree.as_fd(), b"gone"), Err(Errno::NOENT));
    }
}
