//! Makes one member of an archive real in its directory.
//!
//! The container may swap what was just made for something else. So files and directories are
//! dressed through the descriptor that they were made or entered with, and anything else through
//! one that is checked to be of the kind that was made.

use std::fs::File;
use std::io::Read;
use std::os::fd::BorrowedFd;

use naru_image_store::{Kind, Member, Tape};
use rustix::fs::{
    AtFlags, CWD, FileType, Gid, Mode, OFlags, Timespec, Timestamps, UTIME_OMIT, Uid, chmodat,
    chownat, fchmod, fchown, fstat, futimens, makedev, mkdirat, mknodat, openat, symlinkat,
    utimensat,
};
use rustix::io::Errno;

use super::attributes;
use super::node::{Node, NodeKind};

/// Who a member belongs to.
#[derive(Clone, Copy, Debug)]
pub(super) struct Owner {
    uid: Uid,
    gid: Gid,
}

impl Owner {
    pub(super) fn new((uid, gid): (u32, u32)) -> Self {
        Self { uid: Uid::from_raw(uid), gid: Gid::from_raw(gid) }
    }
}

/// Makes a directory, or takes on one that is there, and gives it the member's owner and mode.
pub(super) fn directory(
    parent: BorrowedFd<'_>,
    name: &[u8],
    member: &Member,
    owner: Owner,
) -> Result<(), Errno> {
    match mkdirat(parent, name, Mode::from_raw_mode(0o700)) {
        Ok(()) | Err(Errno::EXIST) => {}
        Err(errno) => return Err(errno),
    }
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let directory = openat(parent, name, flags, Mode::empty())?;
    fchown(&directory, Some(owner.uid), Some(owner.gid))?;
    fchmod(&directory, Mode::from_raw_mode(member.mode))?;
    attributes::write(&directory, &member.xattrs)
}

/// Makes a file with the content that `tape` has for the member, and says how much that is.
pub(super) fn file<R: Read>(
    parent: BorrowedFd<'_>,
    name: &[u8],
    (member, tape): (&Member, &mut Tape<R>),
    owner: Owner,
) -> std::io::Result<u64> {
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let mut file = File::from(openat(parent, name, flags, Mode::from_raw_mode(0o600))?);
    let size = member.write_content(tape, &mut file)?;
    dress_file(&file, member, owner)?;
    Ok(size)
}

fn dress_file(file: &File, member: &Member, owner: Owner) -> Result<(), Errno> {
    // Changing the owner clears set-id bits and capabilities, so it comes first; and not at all
    // where it is the same, for another name may say nothing of those.
    let made = fstat(file)?;
    if (made.st_uid, made.st_gid) != (owner.uid.as_raw(), owner.gid.as_raw()) {
        fchown(file, Some(owner.uid), Some(owner.gid))?;
    }
    fchmod(file, Mode::from_raw_mode(member.mode))?;
    attributes::write(file, &member.xattrs)?;
    futimens(file, &times(member.mtime))
}

/// Dresses what has just got another name. As Docker does: what the last of a file's names has is
/// the file's.
pub(super) fn linked(
    parent: BorrowedFd<'_>,
    name: &[u8],
    member: &Member,
    owner: Owner,
) -> std::io::Result<()> {
    let node = Node::at(parent, name)?;
    match node.kind() {
        NodeKind::File => Ok(dress_file(&node.open_file()?, member, owner)?),
        NodeKind::Symlink => Ok(dress_symlink(parent, name, member, owner)?),
        _ => Ok(dress_special(&node, member, owner)?),
    }
}

/// Makes a symbolic link, wherever it leads: it is the container's to follow.
pub(super) fn symlink(
    parent: BorrowedFd<'_>,
    name: &[u8],
    member: &Member,
    owner: Owner,
) -> Result<(), Errno> {
    symlinkat(member.link.as_slice(), parent, name)?;
    dress_symlink(parent, name, member, owner)
}

fn dress_symlink(
    parent: BorrowedFd<'_>,
    name: &[u8],
    member: &Member,
    owner: Owner,
) -> Result<(), Errno> {
    let flags = AtFlags::SYMLINK_NOFOLLOW;
    chownat(parent, name, Some(owner.uid), Some(owner.gid), flags)?;
    utimensat(parent, name, &times(member.mtime), flags)
}

/// Makes a device or a named pipe.
pub(super) fn special(
    parent: BorrowedFd<'_>,
    name: &[u8],
    member: &Member,
    owner: Owner,
) -> std::io::Result<()> {
    let (kind, made) = match member.kind {
        Kind::CharDevice => (FileType::CharacterDevice, NodeKind::CharDevice),
        Kind::BlockDevice => (FileType::BlockDevice, NodeKind::BlockDevice),
        _ => (FileType::Fifo, NodeKind::Fifo),
    };
    if member.kind == Kind::CharDevice && member.device == (0, 0) {
        // To an overlay it is that something is not there; to a container it is nothing.
        return Err(Errno::PERM.into());
    }
    let device = makedev(member.device.0, member.device.1);
    mknodat(parent, name, kind, Mode::from_raw_mode(0o600), device)?;
    let node = Node::at(parent, name)?;
    if node.kind() != made {
        return Err(Errno::EXIST.into());
    }
    Ok(dress_special(&node, member, owner)?)
}

fn dress_special(node: &Node, member: &Member, owner: Owner) -> Result<(), Errno> {
    chownat(node, "", Some(owner.uid), Some(owner.gid), AtFlags::EMPTY_PATH)?;
    chmodat(CWD, node.magic_path(), Mode::from_raw_mode(member.mode), AtFlags::empty())?;
    utimensat(CWD, node.magic_path(), &times(member.mtime), AtFlags::empty())
}

/// The modification time alone; the time of the last access stays.
pub(super) fn times((seconds, nanoseconds): (i64, u32)) -> Timestamps {
    Timestamps {
        last_access: Timespec { tv_sec: 0, tv_nsec: UTIME_OMIT },
        last_modification: Timespec { tv_sec: seconds, tv_nsec: nanoseconds.into() },
    }
}
