//! The process's outputs.

use std::fs::File;
use std::io::Read;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::io::{Result, ioctl_fionbio};

use crate::client::is_temporary;
use crate::log::StreamName;

/// As much as a pipe holds.
pub(crate) const READ_SIZE: usize = 64 * 1024;

/// One of them: a pipe, or the terminal.
#[derive(Debug)]
pub(crate) struct Output {
    reader: File,
    pub(crate) name: StreamName,
    is_ended: bool,
}

impl Output {
    pub(crate) fn new(reader: OwnedFd, name: StreamName) -> Result<Self> {
        ioctl_fionbio(&reader, true)?;
        Ok(Self { reader: reader.into(), name, is_ended: false })
    }

    /// Reads what has come: this many bytes, or nothing for now.
    pub(crate) fn read(&mut self, buffer: &mut [u8]) -> Option<usize> {
        match self.reader.read(buffer) {
            Ok(length @ 1..) => Some(length),
            Err(error) if is_temporary(&error) => None,
            // A terminal that nobody has open any more says EIO.
            Ok(0) | Err(_) => {
                self.is_ended = true;
                None
            }
        }
    }

    /// Whether nothing will ever come again.
    pub(crate) fn is_ended(&self) -> bool {
        self.is_ended
    }
}

impl AsFd for Output {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.reader.as_fd()
    }
}
