//! Owner, mode, extended attributes and time of an unpacked file.

use std::os::fd::BorrowedFd;

use rustix::fs::{
    AtFlags, Gid, Mode, Timespec, Timestamps, UTIME_OMIT, Uid, XattrFlags, chmodat, chownat,
    fchmod, fchown, fsetxattr, fstat, utimensat,
};
use rustix::io::Errno;

use super::member::Member;

/// Sets everything but the time on an open file or directory. Changing the owner clears
/// set-id bits and `security.capability`, so it comes first.
pub(super) fn apply(file: BorrowedFd<'_>, member: &Member) -> Result<(), Errno> {
    // Most were made with what they are to have, and looking costs a tenth of setting it.
    let made = fstat(file)?;
    let owned = (made.st_uid, made.st_gid) == (member.uid, member.gid);
    if !owned {
        fchown(file, Some(Uid::from_raw(member.uid)), Some(Gid::from_raw(member.gid)))?;
    }
    let mode = Mode::from_raw_mode(member.mode);
    if !owned || Mode::from_raw_mode(made.st_mode) != mode {
        fchmod(file, mode)?;
    }
    for (name, value) in &member.xattrs {
        if !is_welcome(name) {
            continue;
        }
        match fsetxattr(file, name.as_slice(), value, XattrFlags::empty()) {
            // A file system without such attributes still holds the file.
            Ok(()) | Err(Errno::NOTSUP) => {}
            Err(errno) => return Err(errno),
        }
    }
    Ok(())
}

/// What a file or directory is made with: all but what [`apply`] must set, because the owner's
/// change would take it away again. Nobody else comes near the layer meanwhile.
pub(super) fn made_with(member: &Member) -> Mode {
    Mode::from_raw_mode(member.mode & 0o777)
}

/// Sets owner, mode and time of what `name` is in `parent`: a symbolic link, which has no mode and
/// is not followed, or what is not opened, because to open a device does something.
pub(super) fn apply_unopened(
    parent: BorrowedFd<'_>,
    name: &[u8],
    member: &Member,
    is_symlink: bool,
) -> Result<(), Errno> {
    let (owner, group) = (Uid::from_raw(member.uid), Gid::from_raw(member.gid));
    chownat(parent, name, Some(owner), Some(group), AtFlags::SYMLINK_NOFOLLOW)?;
    if !is_symlink {
        // Again, because the new owner cleared the set-id bits. Nobody else comes near the layer:
        // it has not become a link since.
        chmodat(parent, name, Mode::from_raw_mode(member.mode), AtFlags::empty())?;
    }
    utimensat(parent, name, &times(member.mtime), AtFlags::SYMLINK_NOFOLLOW)
}

pub(super) fn times((seconds, nanoseconds): (i64, u32)) -> Timestamps {
    Timestamps {
        last_access: Timespec { tv_sec: 0, tv_nsec: UTIME_OMIT },
        last_modification: Timespec { tv_sec: seconds, tv_nsec: nanoseconds.into() },
    }
}

/// Attributes a layer may set. `trusted.overlay.*` would let it redirect overlayfs to
/// directories outside of itself; labels of security modules are the host's business.
fn is_welcome(name: &[u8]) -> bool {
    let user = name.starts_with(b"user.") && !name.starts_with(b"user.overlay.");
    user || name == b"security.capability" || name.starts_with(b"system.posix_acl_")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_layer_cannot_speak_to_overlayfs_or_security_modules() {
        assert!(is_welcome(b"user.note"));
        assert!(is_welcome(b"security.capability"));
        assert!(is_welcome(b"system.posix_acl_access"));
        for name in ["trusted.overlay.redirect", "user.overlay.opaque", "security.selinux"] {
            assert!(!is_welcome(name.as_bytes()), "{name}");
        }
    }
}
