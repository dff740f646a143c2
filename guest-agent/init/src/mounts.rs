//! The file systems that every program expects, and the cgroup tree.

use std::ffi::CStr;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use rustix::fs::symlink;
use rustix::io::Errno;
use rustix::mount::{MountFlags, mount, mount_bind, mount_move};
use rustix::process::{chdir, chroot};

use crate::error::InitError;
use crate::{RUN_DIR, console};

/// One early mount.
struct Early {
    kind: &'static str,
    target: &'static str,
    flags: MountFlags,
    data: &'static CStr,
}

const NO_SUID_DEV_EXEC: MountFlags =
    MountFlags::NOSUID.union(MountFlags::NODEV).union(MountFlags::NOEXEC);
const NO_SUID_DEV: MountFlags = MountFlags::NOSUID.union(MountFlags::NODEV);
const NO_SUID_EXEC: MountFlags = MountFlags::NOSUID.union(MountFlags::NOEXEC);

/// In this order: a target may lie on an earlier one.
const EARLY: [Early; 8] = [
    Early { kind: "proc", target: "/proc", flags: NO_SUID_DEV_EXEC, data: c"" },
    Early { kind: "sysfs", target: "/sys", flags: NO_SUID_DEV_EXEC, data: c"" },
    Early { kind: "devtmpfs", target: "/dev", flags: NO_SUID_EXEC, data: c"mode=0755" },
    Early {
        kind: "devpts",
        target: "/dev/pts",
        flags: NO_SUID_EXEC,
        data: c"gid=5,mode=0620,ptmxmode=0666",
    },
    Early { kind: "tmpfs", target: "/dev/shm", flags: NO_SUID_DEV, data: c"mode=1777" },
    Early { kind: "cgroup2", target: CGROUP_ROOT, flags: NO_SUID_DEV_EXEC, data: c"nsdelegate" },
    Early { kind: "tmpfs", target: "/run", flags: NO_SUID_DEV, data: c"mode=0755" },
    Early { kind: "tmpfs", target: "/tmp", flags: NO_SUID_DEV, data: c"mode=1777" },
];

const CGROUP_ROOT: &str = "/sys/fs/cgroup";

/// Links that programs expect in `/dev` and that devtmpfs does not make.
const DEV_LINKS: [(&str, &str); 4] = [
    ("/proc/self/fd", "/dev/fd"),
    ("/proc/self/fd/0", "/dev/stdin"),
    ("/proc/self/fd/1", "/dev/stdout"),
    ("/proc/self/fd/2", "/dev/stderr"),
];

/// Where the root is bound on its way to becoming a mount of its own; any empty directory.
const NEW_ROOT: &str = "/tmp";

/// Puts a bind mount of the initramfs over the initramfs and makes it the root.
///
/// The kernel's first mount has no parent, and `pivot_root` refuses to leave such a root
/// (`man 2 pivot_root`), so no container could start from it. This is what `switch_root`
/// is for on other systems; there is nothing to copy here.
pub(crate) fn leave_first_root() -> Result<(), InitError> {
    let failed = |errno: Errno| InitError::Mount { target: "/", source: errno.into() };
    mount_bind("/", NEW_ROOT).map_err(failed)?;
    chdir(NEW_ROOT).map_err(failed)?;
    mount_move(".", "/").map_err(failed)?;
    chroot(".").map_err(failed)?;
    chdir("/").map_err(failed)
}

/// Mounts the early file systems, delegates all cgroup controllers, and makes the
/// engine's run directory.
pub(crate) fn mount_early() -> Result<(), InitError> {
    for early in &EARLY {
        create_dir(Path::new(early.target))?;
        match mount(early.kind, early.target, early.kind, early.flags, early.data) {
            // The kernel may have mounted devtmpfs itself.
            Ok(()) | Err(Errno::BUSY) => {}
            Err(errno) => {
                return Err(InitError::Mount { target: early.target, source: errno.into() });
            }
        }
    }
    for (target, link) in DEV_LINKS {
        match symlink(target, link) {
            Ok(()) | Err(Errno::EXIST) => {}
            Err(errno) => return Err(file_error("create", link, errno.into())),
        }
    }
    delegate_controllers()?;
    begin_quotas();
    create_dir(Path::new(RUN_DIR))
}

/// Enables every controller the kernel has for the children of the root cgroup.
fn delegate_controllers() -> Result<(), InitError> {
    let available = Path::new(CGROUP_ROOT).join("cgroup.controllers");
    let control = Path::new(CGROUP_ROOT).join("cgroup.subtree_control");
    let names = fs::read_to_string(&available)
        .map_err(|source| file_error("read", available.clone(), source))?;
    // One at a time: a controller that cannot be delegated must not take the others with it.
    for name in names.split_whitespace() {
        if let Err(error) = fs::write(&control, format!("+{name}")) {
            console::error(&format!("cannot delegate the cgroup controller {name}: {error}"));
        }
    }
    Ok(())
}

/// Gives a cgroup without processes a quota of processor time, for good.
///
/// With the first quota the kernel patches its scheduler, and with the end of the last back again.
/// QEMU's translator with several processors has been seen to run such code half patched, which
/// is a panic. Here it is done once, while nothing else runs.
fn begin_quotas() {
    let group = Path::new(CGROUP_ROOT).join("quota");
    let limit = group.join("cpu.max");
    let begun = fs::create_dir_all(&group).and_then(|()| fs::write(limit, "100000 100000"));
    if let Err(error) = begun {
        console::error(&format!("cannot begin with quotas of processor time: {error}"));
    }
}

fn create_dir(path: &Path) -> Result<(), InitError> {
    fs::create_dir_all(path).map_err(|source| file_error("create", path, source))
}

fn file_error(operation: &'static str, path: impl Into<PathBuf>, source: io::Error) -> InitError {
    InitError::File { operation, path: path.into(), source }
}
