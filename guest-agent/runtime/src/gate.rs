//! Where a process waits for its start when its creator does not stay.
//!
//! A container that is made by one command and started by another cannot wait for its parent.
//! It waits on a listening socket in a directory that both commands know. Whoever connects
//! speaks with it as its parent would. The exec closes the listening socket, so that a
//! connection that is refused says that the container has been started.

use std::env::{current_dir, set_current_dir};
use std::os::fd::OwnedFd;
use std::path::Path;

use rustix::io::{Errno, retry_on_intr};
use rustix::net::{
    AddressFamily, SocketAddrUnix, SocketFlags, SocketType, accept_with, bind, connect, listen,
    socket_with,
};

use crate::channel::{Channel, Report};
use crate::error::{Context, Result, RuntimeError};

/// The socket's name in its directory.
const NAME: &str = "start.sock";

/// The waiting side, for [`CreateRequest`](crate::CreateRequest).
#[derive(Debug)]
pub struct Gate {
    listener: OwnedFd,
}

/// What a gate says of its container.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GateState {
    /// The process waits.
    Closed,
    /// The process has gone through, or is dead.
    Gone,
}

impl Gate {
    /// Makes the socket in `directory`, which must be its user's alone: who can connect can
    /// start the container.
    pub fn bind(directory: &Path) -> Result<Self> {
        let listener = socket().context("create", NAME)?;
        in_directory(directory, |address| bind(&listener, address)).context("bind", NAME)?;
        listen(&listener, 8).context("listen on", NAME)?;
        Ok(Self { listener })
    }

    /// Whether the process that waits at the gate in `directory` still does.
    pub fn state(directory: &Path) -> Result<GateState> {
        match knock(directory) {
            // The process takes the connection, sees its end, and waits on.
            Ok(_) => Ok(GateState::Closed),
            Err(Errno::NOENT | Errno::CONNREFUSED) => Ok(GateState::Gone),
            Err(errno) => Err(errno).context("connect to", NAME),
        }
    }

    /// Lets the process that waits in `directory` run its program; returns when it does.
    pub fn open(directory: &Path) -> Result<()> {
        let channel = match knock(directory) {
            Ok(channel) => channel,
            Err(Errno::NOENT | Errno::CONNREFUSED) => {
                return Err(RuntimeError::invalid("the container does not wait for its start"));
            }
            Err(errno) => return Err(errno).context("connect to", NAME),
        };
        let released = channel.release();
        match channel.await_report()? {
            None => released.context("start", "the container's process"),
            Some((Report::Failed(error), _)) => Err(error),
            Some((Report::Ready | Report::Prepared, _)) => Err(RuntimeError::ChildEnded),
        }
    }

    /// Waits, in the process, for someone to say so.
    pub(crate) fn await_opening(&self) -> Result<Channel> {
        loop {
            let connection = retry_on_intr(|| accept_with(&self.listener, SocketFlags::CLOEXEC));
            let channel = Channel::from(connection.context("accept at", NAME)?);
            // Those who only look say nothing.
            if channel.await_release() {
                return Ok(channel);
            }
        }
    }
}

fn socket() -> std::result::Result<OwnedFd, Errno> {
    socket_with(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)
}

fn knock(directory: &Path) -> std::result::Result<Channel, Errno> {
    let socket = socket()?;
    in_directory(directory, |address| connect(&socket, address))?;
    Ok(Channel::from(socket))
}

/// A socket's path has at most 107 bytes; from inside the directory it is short. The caller has
/// one thread, so that nobody else is moved.
fn in_directory(
    directory: &Path,
    act: impl FnOnce(&SocketAddrUnix) -> std::result::Result<(), Errno>,
) -> std::result::Result<(), Errno> {
    let raw = |error: std::io::Error| Errno::from_io_error(&error).unwrap_or(Errno::IO);
    let before = current_dir().map_err(raw)?;
    set_current_dir(directory).map_err(raw)?;
    let result = SocketAddrUnix::new(NAME).and_then(|address| act(&address));
    set_current_dir(before).map_err(raw)?;
    result
}
