//! A tmpfs that begins with what it covers (`tmpcopyup`).
//!
//! What is copied is the image's: links are never followed, and only directories, files, links
//! and FIFOs are taken along.

use std::ffi::CStr;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::fs::{
    AtFlags, Dir, FileType, Gid, Mode, OFlags, Stat, Uid, chownat, fchmod, fchown, mkdirat,
    mknodat, openat, readlinkat, statat, symlinkat,
};
use rustix::io::Errno;

/// Deeper directories are nobody's initial content.
const DEPTH_MAX: u32 = 64;
const READ: OFlags = OFlags::RDONLY.union(OFlags::CLOEXEC).union(OFlags::NOFOLLOW);

/// Copies what is in the directory `from` into the directory `to`.
pub(super) fn copy_up(from: impl AsFd, to: impl AsFd) -> io::Result<()> {
    copy_directory(from.as_fd(), to.as_fd(), 0)
}

fn copy_directory(from: BorrowedFd<'_>, to: BorrowedFd<'_>, depth: u32) -> io::Result<()> {
    if depth > DEPTH_MAX {
        return Err(Errno::LOOP.into());
    }
    // A descriptor that one only looks through cannot be read.
    let readable = openat(from, ".", READ | OFlags::DIRECTORY, Mode::empty())?;
    for entry in Dir::new(readable)? {
        let entry = entry?;
        let name = entry.file_name();
        if name != c"." && name != c".." {
            copy_entry(from, to, name, depth)?;
        }
    }
    Ok(())
}

fn copy_entry(from: BorrowedFd<'_>, to: BorrowedFd<'_>, name: &CStr, depth: u32) -> io::Result<()> {
    let stat = statat(from, name, AtFlags::SYMLINK_NOFOLLOW)?;
    match FileType::from_raw_mode(stat.st_mode) {
        FileType::Directory => {
            let source = openat(from, name, READ | OFlags::DIRECTORY, Mode::empty())?;
            mkdirat(to, name, Mode::RWXU)?;
            let copy = openat(to, name, READ | OFlags::DIRECTORY, Mode::empty())?;
            copy_directory(source.as_fd(), copy.as_fd(), depth + 1)?;
            give(&copy, &stat)?;
        }
        FileType::RegularFile => {
            // Non-blocking, should it be a FIFO by now.
            let source = openat(from, name, READ | OFlags::NONBLOCK, Mode::empty())?;
            let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
            let copy: OwnedFd = openat(to, name, flags, Mode::RUSR | Mode::WUSR)?;
            let mut copy = File::from(copy);
            io::copy(&mut File::from(source), &mut copy)?;
            give(&copy, &stat)?;
        }
        FileType::Symlink => {
            symlinkat(readlinkat(from, name, Vec::new())?, to, name)?;
            let (uid, gid) = owner(&stat);
            chownat(to, name, Some(uid), Some(gid), AtFlags::SYMLINK_NOFOLLOW)?;
        }
        FileType::Fifo => {
            mknodat(to, name, FileType::Fifo, Mode::from_raw_mode(stat.st_mode), 0)?;
            let (uid, gid) = owner(&stat);
            chownat(to, name, Some(uid), Some(gid), AtFlags::SYMLINK_NOFOLLOW)?;
        }
        _ => {}
    }
    Ok(())
}

/// The owner first: changing it takes set-uid bits away.
fn give(copy: impl AsFd, stat: &Stat) -> io::Result<()> {
    let (uid, gid) = owner(stat);
    fchown(&copy, Some(uid), Some(gid))?;
    Ok(fchmod(&copy, Mode::from_raw_mode(stat.st_mode & 0o7777))?)
}

fn owner(stat: &Stat) -> (Uid, Gid) {
    (Uid::from_raw(stat.st_uid), Gid::from_raw(stat.st_gid))
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::{PermissionsExt, symlink};

    use rustix::fs::CWD;

    use tempfile::tempdir;

    use super::*;

    #[test]
    fn what_is_there_is_copied_and_no_link_is_followed() -> anyhow::Result<()> {
        let directory = tempdir()?;
        let (from, to) = (directory.path().join("from"), directory.path().join("to"));
        fs::create_dir_all(from.join("sub"))?;
        fs::create_dir(&to)?;
        fs::write(from.join("sub/file"), "text")?;
        fs::set_permissions(from.join("sub/file"), fs::Permissions::from_mode(0o4751))?;
        symlink("/etc/passwd", from.join("link"))?;
        let open = |path| openat(CWD, path, OFlags::PATH | OFlags::CLOEXEC, Mode::empty());
        copy_up(open(&from)?, open(&to)?)?;
        assert_eq!(fs::read_to_string(to.join("sub/file"))?, "text");
        assert_eq!(fs::metadata(to.join("sub/file"))?.permissions().mode() & 0o7777, 0o4751);
        assert_eq!(fs::read_link(to.join("link"))?.to_str(), Some("/etc/passwd"));
        Ok(())
    }
}
