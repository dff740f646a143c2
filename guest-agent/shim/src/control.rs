//! The connection to the engine that started the shim.

use std::io::{BufRead, BufReader, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;

use rustix::stdio::stdin;

use crate::error::{Context, ShimError};
use crate::wire::{ControlRequest, ShimConfig, ShimEvent};

/// Descriptor 0.
#[derive(Debug)]
pub(crate) struct Control {
    reader: BufReader<UnixStream>,
    is_open: bool,
}

impl Control {
    pub(crate) fn from_stdin() -> Result<Self, ShimError> {
        let socket = stdin().try_clone_to_owned().context("take over descriptor 0")?;
        Ok(Self { reader: BufReader::new(socket.into()), is_open: true })
    }

    /// The first line.
    pub(crate) fn configuration(&mut self) -> Result<ShimConfig, ShimError> {
        let line = self.line().ok_or(ShimError::NoConfiguration)?;
        serde_json::from_str(&line).map_err(ShimError::Configuration)
    }

    /// The next request, or `None` if the engine is gone. What is not understood is taken for
    /// the work of a broken engine.
    pub(crate) fn request(&mut self) -> Option<ControlRequest> {
        let request = self.line().and_then(|line| serde_json::from_str(&line).ok());
        self.is_open = request.is_some();
        request
    }

    fn line(&mut self) -> Option<String> {
        let mut line = String::new();
        let length = self.reader.read_line(&mut line).ok()?;
        (length > 0).then_some(line)
    }

    /// Whether a request was read together with the one before.
    pub(crate) fn has_request(&self) -> bool {
        self.reader.buffer().contains(&b'\n')
    }

    pub(crate) fn is_open(&self) -> bool {
        self.is_open
    }

    /// Tells the engine. That it is gone shows when it is next listened to, and only there: what
    /// hangs on its life must not miss its end.
    pub(crate) fn say(&mut self, event: &ShimEvent) {
        let Ok(mut line) = serde_json::to_vec(event) else { return };
        line.push(b'\n');
        drop(self.reader.get_mut().write_all(&line));
    }
}

impl AsFd for Control {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.reader.get_ref().as_fd()
    }
}
