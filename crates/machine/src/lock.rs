//! One machine to a data disk.
//!
//! The kernel holds the lock for an open file and releases it when the last process that
//! has it open is gone, however that ended. On unix QEMU inherits the open file: a
//! QEMU that outlives its app keeps everyone else off the disk.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Seek, Write};
#[cfg(unix)]
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process;

use crate::MachineError;

/// The right to use the data disk in a folder, until dropped.
#[derive(Debug)]
pub struct DiskLock {
    file: File,
    path: PathBuf,
}

impl DiskLock {
    /// Takes the lock, or says who has it.
    pub fn acquire(folder: &Path) -> Result<Self, MachineError> {
        let path = folder.join("machine.lock");
        let failed = |source| MachineError::file("lock", &path, source);
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false);
        #[cfg(unix)]
        options.mode(0o600);
        let mut file = options.open(&path).map_err(failed)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(MachineError::AlreadyRunning { pid: holder(&mut file) });
            }
            Err(TryLockError::Error(source)) => return Err(failed(source)),
        }
        file.set_len(0).map_err(failed)?;
        writeln!(file, "{}", process::id()).map_err(failed)?;
        Ok(Self { file, path })
    }

    /// The open file for a process that shall hold the lock as well.
    #[cfg(unix)]
    pub(crate) fn share(&self) -> Result<File, MachineError> {
        self.file.try_clone().map_err(|source| MachineError::file("share", &self.path, source))
    }
}

/// On Windows the number cannot be read while the file is locked.
fn holder(file: &mut File) -> Option<u32> {
    let mut text = String::new();
    file.rewind().ok()?;
    file.take(20).read_to_string(&mut text).ok()?;
    text.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_second_is_refused_with_the_firsts_pid_until_it_is_gone() {
        let folder = tempfile::tempdir().unwrap();
        let first = DiskLock::acquire(folder.path()).unwrap();
        let error = DiskLock::acquire(folder.path()).unwrap_err();
        assert!(
            matches!(error, MachineError::AlreadyRunning { pid: Some(pid) } if pid == process::id()),
            "{error}"
        );
        drop(first);
        DiskLock::acquire(folder.path()).unwrap();
    }

    #[cfg(unix)]
    #[test]
    fn a_process_that_shares_the_lock_holds_it_after_the_owner_is_gone() {
        let folder = tempfile::tempdir().unwrap();
        let owner = DiskLock::acquire(folder.path()).unwrap();
        let shared = owner.share().unwrap();
        drop(owner);
        DiskLock::acquire(folder.path()).unwrap_err();
        drop(shared);
        DiskLock::acquire(folder.path()).unwrap();
    }
}
