//! The process's input.

use std::fs::File;
use std::io::{ErrorKind, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::io::{Result, ioctl_fionbio};

/// What may wait for the process to read before clients are made to wait.
const WAITING_MAX: usize = 64 * 1024;

/// The writing side of the process's input, and what it has not read yet.
#[derive(Debug)]
pub(crate) struct Stdin {
    /// `None` once closed.
    writer: Option<File>,
    waiting: Vec<u8>,
    /// Whether to close it when all is written.
    is_ending: bool,
}

impl Stdin {
    /// `None` is the input of a process that has none: all that comes is dropped.
    pub(crate) fn new(writer: Option<OwnedFd>) -> Result<Self> {
        if let Some(writer) = &writer {
            ioctl_fionbio(writer, true)?;
        }
        Ok(Self { writer: writer.map(File::from), waiting: Vec::new(), is_ending: false })
    }

    /// Takes input; in what order clients send it is in what order it is read.
    pub(crate) fn push(&mut self, data: &[u8]) {
        if self.writer.is_some() && !self.is_ending {
            self.waiting.extend_from_slice(data);
            self.write();
        }
    }

    /// Ends the input once the process has all of it.
    pub(crate) fn end(&mut self) {
        self.is_ending = true;
        self.write();
    }

    /// Writes as much as goes now.
    pub(crate) fn write(&mut self) {
        let Some(writer) = &mut self.writer else { return };
        while !self.waiting.is_empty() {
            match writer.write(&self.waiting) {
                Ok(length) => drop(self.waiting.drain(..length)),
                Err(error) if error.kind() == ErrorKind::WouldBlock => return,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                // The process has closed its input.
                Err(_) => return self.close(),
            }
        }
        if self.is_ending {
            self.close();
        }
    }

    /// Whether clients should wait.
    pub(crate) fn is_full(&self) -> bool {
        self.waiting.len() >= WAITING_MAX
    }

    /// The descriptor to wait for, while something waits to be written.
    pub(crate) fn blocked(&self) -> Option<BorrowedFd<'_>> {
        self.writer.as_ref().filter(|_| !self.waiting.is_empty()).map(AsFd::as_fd)
    }

    pub(crate) fn close(&mut self) {
        self.writer = None;
        self.waiting.clear();
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read, pipe};

    use super::*;

    #[test]
    fn the_input_ends_after_all_of_it_was_read() -> anyhow::Result<()> {
        let (mut reader, writer) = pipe()?;
        let mut stdin = Stdin::new(Some(writer.into()))?;
        let input = vec![b'x'; 200_000];
        stdin.push(&input);
        stdin.end();
        assert!(stdin.is_full(), "a pipe holds less than that");
        let mut received = Vec::new();
        let mut buffer = [0; 4096];
        loop {
            let length = reader.read(&mut buffer)?;
            if length == 0 {
                break;
            }
            received.extend_from_slice(&buffer[..length]);
            stdin.write();
        }
        assert_eq!(received, input);
        Ok(())
    }

    #[test]
    fn input_for_a_process_that_does_not_read_is_dropped() -> anyhow::Result<()> {
        let (reader, writer) = pipe()?;
        drop(reader);
        let mut stdin = Stdin::new(Some(writer.into()))?;
        stdin.push(b"x");
        assert!(stdin.blocked().is_none() && !stdin.is_full());
        Ok(())
    }
}
