//! Attributes of mounts.

use std::io;
use std::mem::size_of;
use std::os::fd::{AsRawFd, BorrowedFd};

/// What to change on a mount (`mount_setattr(2)`); the fields are the kernel's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct MountAttributes {
    /// `MOUNT_ATTR_*` to set.
    pub(crate) set: u64,
    /// `MOUNT_ATTR_*` to clear.
    pub(crate) clear: u64,
    /// `MS_SHARED`, `MS_SLAVE`, `MS_PRIVATE`, `MS_UNBINDABLE`, or 0.
    pub(crate) propagation: u64,
}

/// Changes a mount, and with `recursive` those below it.
pub(crate) fn mount_setattr(
    mount: BorrowedFd<'_>,
    recursive: bool,
    attributes: MountAttributes,
) -> io::Result<()> {
    set_attributes(
        mount,
        recursive,
        libc::mount_attr {
            attr_set: attributes.set,
            attr_clr: attributes.clear,
            propagation: attributes.propagation,
            userns_fd: 0,
        },
    )
}

/// Shows the owners of a mount's files as `users`, a user namespace, maps them. The mount must
/// not yet be anywhere.
pub(crate) fn map_ids(
    mount: BorrowedFd<'_>,
    recursive: bool,
    users: BorrowedFd<'_>,
) -> io::Result<()> {
    let userns_fd = u64::try_from(users.as_raw_fd()).map_err(|_| io::ErrorKind::InvalidInput)?;
    let attr_set = libc::MOUNT_ATTR_IDMAP;
    let attr = libc::mount_attr { attr_set, attr_clr: 0, propagation: 0, userns_fd };
    set_attributes(mount, recursive, attr)
}

fn set_attributes(
    mount: BorrowedFd<'_>,
    recursive: bool,
    mut attr: libc::mount_attr,
) -> io::Result<()> {
    let flags = libc::AT_EMPTY_PATH | if recursive { libc::AT_RECURSIVE } else { 0 };
    // SAFETY: the path is a C string and `attr` a structure of the length given; both are read
    // during the call only.
    let result = unsafe {
        libc::syscall(
            libc::SYS_mount_setattr,
            mount.as_raw_fd(),
            c"".as_ptr(),
            flags,
            &raw mut attr,
            size_of::<libc::mount_attr>(),
        )
    };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}
