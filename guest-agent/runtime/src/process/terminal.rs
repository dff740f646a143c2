//! A terminal in the container's own devpts.

use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use rustix::fs::{CWD, Mode, OFlags, fstatfs, openat};
use rustix::io::Errno;
use rustix::process::ioctl_tiocsctty;
use rustix::pty::{OpenptFlags, ioctl_tiocgptpeer, unlockpt};
use rustix::stdio::{dup2_stderr, dup2_stdin, dup2_stdout};
use rustix::termios::{Winsize, tcsetwinsize};

use crate::error::{Context, Result, RuntimeError};
use crate::rootfs::RootDirectory;

const DEVPTS_SUPER_MAGIC: u64 = 0x1cd1;
const PTMX: &str = "/dev/pts/ptmx";
const FLAGS: OFlags = OFlags::RDWR.union(OFlags::NOCTTY).union(OFlags::CLOEXEC);

/// Both sides of a pseudo-terminal.
#[derive(Debug)]
pub(crate) struct Terminal {
    /// The side that whoever watches reads and writes.
    pub(crate) master: OwnedFd,
    /// The side that the process sees.
    pub(crate) slave: OwnedFd,
}

impl Terminal {
    /// Opens one below a root that is not yet the process's.
    pub(crate) fn open_in(root: &RootDirectory, size: Winsize) -> Result<Self> {
        let master = root.open(Path::new(PTMX), FLAGS).context("open", PTMX)?;
        Self::of(master, size)
    }

    /// Opens one in the process's root.
    pub(crate) fn open(size: Winsize) -> Result<Self> {
        let master = openat(CWD, PTMX, FLAGS, Mode::empty()).context("open", PTMX)?;
        Self::of(master, size)
    }

    fn of(master: OwnedFd, size: Winsize) -> Result<Self> {
        // A container could have put any device there.
        let filesystem = fstatfs(&master).context("stat", PTMX)?;
        if u64::try_from(filesystem.f_type) != Ok(DEVPTS_SUPER_MAGIC) {
            return Err(RuntimeError::invalid(format!("{PTMX} is not in a devpts")));
        }
        unlockpt(&master).context("unlock", PTMX)?;
        // Asking the master for its peer needs no path that the container could change.
        let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
        let slave = ioctl_tiocgptpeer(&master, flags).context("open", "the terminal")?;
        if size.ws_row > 0 && size.ws_col > 0 {
            tcsetwinsize(&master, size).context("resize", "the terminal")?;
        }
        Ok(Self { master, slave })
    }

    /// Makes the terminal this session's, and its descriptors 0 to 2.
    pub(crate) fn install(slave: impl AsFd) -> std::result::Result<(), Errno> {
        ioctl_tiocsctty(&slave)?;
        dup2_stdin(&slave)?;
        dup2_stdout(&slave)?;
        dup2_stderr(&slave)
    }
}
