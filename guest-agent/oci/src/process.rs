//! A process by its id, told from a later one with the same.

use std::fs;
use std::os::fd::{AsFd, OwnedFd};

use naru_runtime::send_signal;
use rustix::process::{Pid, PidfdFlags, pidfd_open};
use serde::{Deserialize, Serialize};

use crate::error::{OciError, Result};

/// A process and when it was born.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ProcessId {
    pub(crate) pid: i32,
    /// In the kernel's clock ticks since the machine started.
    start_time: u64,
}

impl ProcessId {
    /// The process that has this id now; nothing if it is dead.
    pub(crate) fn now(pid: i32) -> Option<Self> {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        let start_time = start_time(&stat)?;
        Some(Self { pid, start_time })
    }

    /// Whether it is still there, and not only as a zombie.
    pub(crate) fn is_alive(self) -> bool {
        Self::now(self.pid) == Some(self)
    }

    /// Sends a signal by number.
    pub(crate) fn signal(self, signal: i32) -> Result<()> {
        let pidfd = self.open()?;
        Ok(send_signal(pidfd.as_fd(), signal)?)
    }

    fn open(self) -> Result<OwnedFd> {
        let pid = Pid::from_raw(self.pid).ok_or(OciError::NotRunning)?;
        let pidfd = pidfd_open(pid, PidfdFlags::empty()).map_err(|_| OciError::NotRunning)?;
        // Looked at after it was opened: what is true now stays true of the descriptor.
        if self.is_alive() { Ok(pidfd) } else { Err(OciError::NotRunning) }
    }
}

/// The 22nd field of `/proc/PID/stat` (`proc_pid_stat(5)`), unless the 3rd says that it is dead.
fn start_time(stat: &str) -> Option<u64> {
    // The second field is a name in parentheses, with anything in it.
    let (_, rest) = stat.rsplit_once(") ")?;
    let mut fields = rest.split(' ');
    if matches!(fields.next()?, "Z" | "X" | "x") {
        return None;
    }
    fields.nth(18)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_of_birth_is_read_past_any_name() {
        let stat = |state: &str| {
            format!("7 (a) b) {state} 1 7 7 0 -1 4 0 0 0 0 0 0 0 0 20 0 1 0 4711 1 2")
        };
        assert_eq!(start_time(&stat("S")), Some(4711));
        assert_eq!(start_time(&stat("Z")), None, "a zombie is dead");
    }

    #[test]
    fn a_process_is_not_its_successor() {
        let own = i32::try_from(std::process::id()).unwrap_or_default();
        let now = ProcessId::now(own);
        assert!(now.is_some_and(ProcessId::is_alive));
        let before = now.map(|now| ProcessId { start_time: now.start_time - 1, ..now });
        assert!(!before.is_some_and(ProcessId::is_alive));
    }
}
