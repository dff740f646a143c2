//! A terminal's way to the caller.

use std::io::{self, IoSlice};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::path::Path;

use rustix::cmsg_space;
use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags, sendmsg};

use crate::error::{OciError, Result};

/// What is said along with the descriptor; receivers take it for the terminal's name.
const NAME: &[u8] = b"/dev/ptmx";

/// Sends the terminal's master side to the one who listens at `socket`.
pub(crate) fn send(socket: &Path, console: BorrowedFd<'_>) -> Result<()> {
    try_send(socket, console).map_err(OciError::io("sending the terminal to", socket))
}

fn try_send(socket: &Path, console: BorrowedFd<'_>) -> io::Result<()> {
    let stream = UnixStream::connect(socket)?;
    let mut space = [MaybeUninit::uninit(); cmsg_space!(ScmRights(1))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    let descriptors = [console];
    control.push(SendAncillaryMessage::ScmRights(&descriptors));
    sendmsg(stream.as_fd(), &[IoSlice::new(NAME)], &mut control, SendFlags::NOSIGNAL)?;
    Ok(())
}
