//! A connection to the shim's socket.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, ErrorKind, IoSlice, Read, Write};
use std::mem::MaybeUninit;
use std::net::Shutdown;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::rc::Rc;

use rustix::cmsg_space;
use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags, sendmsg};
use serde::Serialize;

use crate::log::StreamName;

/// What may wait to be sent to one client before the process is made to wait.
const WAITING_MAX: usize = 1024 * 1024;
/// How many of the log's files may wait for a follower; the engine takes them at once.
const FILES_MAX: usize = 64;
/// A request is one short line.
const REQUEST_MAX: usize = 4096;
const READ_SIZE: usize = 16 * 1024;

/// What a client is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    /// It has not said yet.
    Asking,
    /// It is connected to these streams.
    Attached { stdin: bool, stdout: bool, stderr: bool },
    /// It is told what happens.
    Watching,
    /// It reads the log's files.
    Following,
    /// It has its answer.
    Leaving,
}

/// What came from a client.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Received {
    /// Nothing, for now.
    Nothing,
    /// Its request, without the newline.
    Request(Vec<u8>),
    /// Input for the process.
    Input(Vec<u8>),
    /// It will send no more.
    End,
}

/// A client, and what waits to be sent to it.
#[derive(Debug)]
pub(crate) struct Client {
    socket: UnixStream,
    pub(crate) role: Role,
    /// Received and not yet handed on.
    input: Vec<u8>,
    waiting: Vec<u8>,
    sent: usize,
    /// The log's files that it has not been given yet.
    files: VecDeque<Rc<File>>,
    /// Whether it can still send.
    is_sending: bool,
    is_gone: bool,
}

impl Client {
    pub(crate) fn new(socket: UnixStream) -> io::Result<Self> {
        socket.set_nonblocking(true)?;
        Ok(Self {
            socket,
            role: Role::Asking,
            input: Vec::new(),
            waiting: Vec::new(),
            sent: 0,
            files: VecDeque::new(),
            is_sending: true,
            is_gone: false,
        })
    }

    /// Whether there is anything to read from it.
    pub(crate) fn is_sending(&self) -> bool {
        self.is_sending && !self.is_gone
    }

    /// Whether something waits to be sent.
    pub(crate) fn is_owed(&self) -> bool {
        (self.sent < self.waiting.len() || !self.files.is_empty()) && !self.is_gone
    }

    /// Whether the process should wait for this client to read.
    pub(crate) fn is_full(&self) -> bool {
        let waiting = self.waiting.len() - self.sent;
        !self.is_gone && (waiting >= WAITING_MAX || self.files.len() >= FILES_MAX)
    }

    /// Whether nothing more is to be done for it.
    pub(crate) fn is_done(&self) -> bool {
        self.is_gone || (self.role == Role::Leaving && !self.is_owed())
    }

    /// Whether it gets this stream.
    pub(crate) fn wants(&self, stream: StreamName) -> bool {
        match (self.role, stream) {
            (Role::Attached { stdout, .. }, StreamName::Stdout) => stdout,
            (Role::Attached { stderr, .. }, StreamName::Stderr) => stderr,
            _ => false,
        }
    }

    /// Whether what it sends is the process's input.
    pub(crate) fn gives_input(&self) -> bool {
        matches!(self.role, Role::Attached { stdin: true, .. })
    }

    /// Reads what has come.
    pub(crate) fn receive(&mut self) -> Received {
        let mut buffer = [0; READ_SIZE];
        match self.socket.read(&mut buffer) {
            Ok(0) => {
                self.is_sending = false;
                Received::End
            }
            Ok(length) => self.sort(&buffer[..length]),
            Err(error) if is_temporary(&error) => Received::Nothing,
            Err(_) => {
                self.is_gone = true;
                Received::End
            }
        }
    }

    fn sort(&mut self, data: &[u8]) -> Received {
        if self.role != Role::Asking {
            return Received::Input(data.to_vec());
        }
        self.input.extend_from_slice(data);
        let Some(newline) = self.input.iter().position(|byte| *byte == b'\n') else {
            if self.input.len() > REQUEST_MAX {
                self.is_gone = true;
            }
            return Received::Nothing;
        };
        let rest = self.input.split_off(newline + 1);
        self.input.pop();
        Received::Request(std::mem::replace(&mut self.input, rest))
    }

    /// What came after the request in the same breath.
    pub(crate) fn take_early_input(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.input)
    }

    /// Says one JSON object.
    pub(crate) fn say(&mut self, message: &impl Serialize) {
        // Wire types serialise always; a client that got half a line is beyond help anyway.
        if serde_json::to_writer(&mut self.waiting, message).is_err() {
            self.is_gone = true;
        }
        self.waiting.push(b'\n');
        self.send();
    }

    /// Sends output, in a frame unless the process has a terminal.
    pub(crate) fn send_output(&mut self, stream: StreamName, data: &[u8], framed: bool) {
        if framed {
            let length = u32::try_from(data.len()).unwrap_or(u32::MAX).to_be_bytes();
            self.waiting.extend_from_slice(&[stream.number(), 0, 0, 0]);
            self.waiting.extend_from_slice(&length);
        }
        self.waiting.extend_from_slice(data);
        self.send();
    }

    /// Gives a follower one of the log's files.
    pub(crate) fn hand_over(&mut self, file: Rc<File>) {
        self.files.push_back(file);
        self.send();
    }

    /// Tells a follower that the log has grown.
    pub(crate) fn nudge(&mut self) {
        // One that has not heard the last word yet needs no other: neither while files wait for
        // it, nor when its socket is full.
        if !self.is_owed()
            && let Err(error) = self.socket.write(b"\n")
            && !is_temporary(&error)
        {
            self.is_gone = true;
        }
    }

    /// Sends as much of what waits as goes now.
    pub(crate) fn send(&mut self) {
        while self.sent < self.waiting.len() && !self.is_gone {
            match self.socket.write(&self.waiting[self.sent..]) {
                Ok(length) => self.sent += length,
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(_) => self.is_gone = true,
            }
        }
        if self.sent == self.waiting.len() {
            self.waiting.clear();
            self.sent = 0;
            self.send_files();
        } else if self.sent >= WAITING_MAX {
            self.waiting.drain(..self.sent);
            self.sent = 0;
        }
    }

    fn send_files(&mut self) {
        while let Some(file) = self.files.front().filter(|_| !self.is_gone) {
            let files = [file.as_fd()];
            let mut space = [MaybeUninit::uninit(); cmsg_space!(ScmRights(1))];
            let mut control = SendAncillaryBuffer::new(&mut space);
            control.push(SendAncillaryMessage::ScmRights(&files));
            let flags = SendFlags::NOSIGNAL;
            match sendmsg(&self.socket, &[IoSlice::new(b"\n")], &mut control, flags) {
                Ok(_) => drop(self.files.pop_front()),
                Err(error) if is_temporary(&error.into()) => break,
                Err(_) => self.is_gone = true,
            }
        }
    }

    /// Takes note that both directions are closed.
    pub(crate) fn hang_up(&mut self) {
        self.is_gone = true;
    }
}

impl Drop for Client {
    /// Leaves nothing unread: the kernel would tell the client of a reset instead of the end.
    fn drop(&mut self) {
        if self.socket.shutdown(Shutdown::Both).is_ok() {
            let mut buffer = [0; READ_SIZE];
            while let Ok(1..) = self.socket.read(&mut buffer) {}
        }
    }
}

impl AsFd for Client {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

/// Whether an operation is to be tried again when the kernel says so.
pub(crate) fn is_temporary(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_follows_the_request_is_input() -> anyhow::Result<()> {
        let (mut theirs, ours) = UnixStream::pair()?;
        let mut client = Client::new(ours)?;
        theirs.write_all(b"\"watch\"\nearly")?;
        assert_eq!(client.receive(), Received::Request(b"\"watch\"".to_vec()));
        assert_eq!(client.take_early_input(), b"early");
        Ok(())
    }

    #[test]
    fn a_client_that_does_not_read_fills_up_and_is_emptied_when_it_does() -> anyhow::Result<()> {
        let (mut theirs, ours) = UnixStream::pair()?;
        let mut client = Client::new(ours)?;
        client.role = Role::Attached { stdin: false, stdout: true, stderr: true };
        let mut frames = 0;
        while !client.is_full() {
            client.send_output(StreamName::Stdout, &[b'x'; 1000], true);
            frames += 1;
        }
        let mut received = 0;
        let mut buffer = vec![0; 64 * 1024];
        while client.is_owed() {
            received += theirs.read(&mut buffer)?;
            client.send();
        }
        client.hang_up();
        drop(client);
        received += theirs.read_to_end(&mut buffer)?;
        assert_eq!(received, frames * 1008);
        Ok(())
    }

    #[test]
    fn a_request_without_end_is_cut_off() -> anyhow::Result<()> {
        let (mut theirs, ours) = UnixStream::pair()?;
        let mut client = Client::new(ours)?;
        theirs.write_all(&[b'x'; REQUEST_MAX + 1])?;
        while !client.is_done() {
            assert_eq!(client.receive(), Received::Nothing);
        }
        Ok(())
    }
}
