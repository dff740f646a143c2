//! The end of the machine: processes, file systems, power.

use std::fs;
use std::io;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::{Pid, pause};
use rustix::fs::sync;
use rustix::mount::{MountFlags, UnmountFlags, mount_remount, unmount};
use rustix::system::{RebootCommand, reboot};

use crate::signals::Signals;
use crate::{DATA_DIR, console};

/// How long what is left may take to end after SIGTERM, before SIGKILL.
const TERM_DEADLINE: Duration = Duration::from_secs(5);
/// How long the kernel may take to finish killed processes (they may be in a write).
const KILL_DEADLINE: Duration = Duration::from_secs(10);

/// Ends every process, unmounts the data disk, and switches the machine off.
pub(crate) fn power_off() -> ! {
    if let Err(error) = end_processes() {
        console::error(&format!("cannot end all processes: {error}"));
    }
    sync();
    unmount_data();
    console::info("power off");
    if let Err(errno) = reboot(RebootCommand::PowerOff) {
        console::error(&format!("cannot power off: {errno}"));
    }
    // The kernel panics when PID 1 ends; waiting lets the host read the log.
    loop {
        pause();
    }
}

fn end_processes() -> io::Result<()> {
    let signals = Signals::block(&[Signal::SIGCHLD])?;
    let everyone = Pid::from_raw(-1);
    for (signal, patience) in [(Signal::SIGTERM, TERM_DEADLINE), (Signal::SIGKILL, KILL_DEADLINE)] {
        match kill(everyone, signal) {
            Err(Errno::ESRCH) => return Ok(()),
            result => result?,
        }
        if reap_all(&signals, Instant::now() + patience)? {
            return Ok(());
        }
    }
    Err(io::ErrorKind::TimedOut.into())
}

/// Reaps until no child is left; whether that came before the deadline.
fn reap_all(signals: &Signals, deadline: Instant) -> io::Result<bool> {
    loop {
        match waitpid(None, Some(WaitPidFlag::WNOHANG)) {
            Err(Errno::ECHILD) => return Ok(true),
            Ok(WaitStatus::StillAlive) if Instant::now() >= deadline => return Ok(false),
            Ok(WaitStatus::StillAlive) => {
                signals.wait(&[], Some(deadline))?;
                while signals.take()?.is_some() {}
            }
            Ok(_) | Err(Errno::EINTR) => {}
            Err(errno) => return Err(errno.into()),
        }
    }
}

/// Unmounts the data disk and all that is mounted on it, the innermost first.
fn unmount_data() {
    let table = fs::read_to_string("/proc/self/mounts").unwrap_or_default();
    for target in mounts_under(&table, DATA_DIR) {
        if unmount(target, UnmountFlags::NOFOLLOW).is_ok() {
            continue;
        }
        // Read-only is as good as unmounted: the journal is written out.
        if let Err(errno) = mount_remount(target, MountFlags::RDONLY, "") {
            console::error(&format!("cannot unmount {target}: {errno}"));
        }
    }
}

/// The mount points at or under `directory` in a mount table, the latest first.
fn mounts_under<'table>(table: &'table str, directory: &str) -> Vec<&'table str> {
    let inside = |target: &&str| {
        target.strip_prefix(directory).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    table.lines().rev().filter_map(|line| line.split(' ').nth(1)).filter(inside).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_innermost_mount_goes_first_and_neighbours_stay() {
        let table = "proc /proc proc rw 0 0\n\
                     /dev/vda /var/lib/naru ext4 rw 0 0\n\
                     overlay /var/lib/naru/containers/a overlay rw 0 0\n\
                     tmpfs /var/lib/narux tmpfs rw 0 0\n";
        assert_eq!(mounts_under(table, DATA_DIR), ["/var/lib/naru/containers/a", "/var/lib/naru"]);
    }
}
