//! Takes away whatever is in a place, a whole directory too.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use rustix::fs::{
    AtFlags, CWD, Dir, Mode, OFlags, ResolveFlags, openat, openat2, renameat, unlinkat,
};
use rustix::io::Errno;

use super::walk::DEPTH_MAX;

/// Removes `name` from `parent`. Links are removed, not followed, and a directory that
/// something is mounted in is busy: what is mounted there is not emptied.
pub(crate) fn remove(parent: BorrowedFd<'_>, name: &[u8]) -> Result<(), Errno> {
    remove_with(parent, name, |_, _| Err(Errno::NAMETOOLONG))
}

/// The same of a directory of the engine's own, however deep what a container has left in it is.
pub(crate) fn remove_all(path: &Path) -> io::Result<()> {
    let (Some(above), Some(name)) = (path.parent(), path.file_name()) else {
        return Err(io::ErrorKind::InvalidInput.into());
    };
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let above = openat(CWD, above, flags, Mode::empty())?;
    let mut names = vec![name.as_bytes().to_vec()];
    let mut moved = 0_usize;
    while let Some(next) = names.pop() {
        remove_with(above.as_fd(), &next, |here, inner| {
            // It is removed from here on, as if it had never been in there.
            moved += 1;
            let place = [name.as_bytes(), format!("~{moved}").as_bytes()].concat();
            renameat(here, inner, &above, place.as_slice())?;
            names.push(place);
            Ok(())
        })?;
    }
    Ok(())
}

/// `too_deep` takes a directory away that is deeper than can be walked.
fn remove_with(
    parent: BorrowedFd<'_>,
    name: &[u8],
    mut too_deep: impl FnMut(BorrowedFd<'_>, &[u8]) -> Result<(), Errno>,
) -> Result<(), Errno> {
    match unlinkat(parent, name, AtFlags::empty()) {
        Err(Errno::ISDIR) => {}
        done => return done,
    }
    let mut way = vec![(name.to_vec(), open(parent, name)?)];
    loop {
        let depth = way.len();
        let Some((_, directory)) = way.last_mut() else { break };
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
                if depth >= DEPTH_MAX {
                    too_deep(here, &name)?;
                } else {
                    way.push((name, inner));
                }
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

    use rustix::fs::mkdirat;

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

    #[test]
    fn no_directory_is_too_deep_to_go() {
        let directory = tempfile::tempdir().unwrap();
        let top = directory.path().join("deep");
        fs::create_dir(&top).unwrap();
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let mut here = openat(CWD, &top, flags, Mode::empty()).unwrap();
        for _ in 0..DEPTH_MAX + 5 {
            mkdirat(&here, "in", Mode::RWXU).unwrap();
            here = openat(&here, "in", flags, Mode::empty()).unwrap();
        }
        let tree = Tree::at(directory.path()).unwrap();
        assert_eq!(remove(tree.as_fd(), b"deep"), Err(Errno::NAMETOOLONG));
        remove_all(&top).unwrap();
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 0);
        assert_eq!(remove_all(&top).unwrap_err().kind(), io::ErrorKind::NotFound);
    }
}
