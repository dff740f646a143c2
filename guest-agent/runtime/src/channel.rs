//! The socket between a child that is being set up and its parent.
//!
//! It carries the child's [`Report`]s, after each of which the child waits for the parent's word
//! to go on; the last one only comes should the exec fail. Both ends close on exec, so the end
//! of the stream tells the parent that the program runs, and the child that the parent is gone.

use std::io::{IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::io::{read, retry_on_intr, write};
use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, SocketFlags, SocketType, recvmsg, sendmsg, socketpair,
};
use rustix::{cmsg_space, io};
use serde::{Deserialize, Serialize};

use crate::error::{Context, Result, RuntimeError};

/// Longer than any report: the texts in it are paths and names of the specification.
const PACKET_MAX: usize = 64 * 1024;

/// What a child has to say.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Report {
    /// Namespaces and mounts are there, and the root is still the host's: the time for hooks.
    /// The child goes on when it is released.
    Prepared,
    /// All is set up; only the exec is left. A terminal's master comes with it.
    Ready,
    /// This went wrong, and the child has ended.
    Failed(RuntimeError),
}

/// One end of the socket.
#[derive(Debug)]
pub(crate) struct Channel(OwnedFd);

impl Channel {
    /// A connected pair.
    pub(crate) fn pair() -> Result<(Self, Self)> {
        let (a, b) =
            socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)
                .context("create", "the socket to the container's process")?;
        Ok((Self(a), Self(b)))
    }

    /// Tells the parent how it went.
    pub(crate) fn report(
        &self,
        report: &Report,
        console: Option<BorrowedFd<'_>>,
    ) -> io::Result<()> {
        let mut packet = serde_json::to_vec(report).unwrap_or_default();
        packet.truncate(PACKET_MAX);
        let mut space = [MaybeUninit::uninit(); cmsg_space!(ScmRights(1))];
        let mut control = SendAncillaryBuffer::new(&mut space);
        let descriptors: Vec<BorrowedFd<'_>> = console.into_iter().collect();
        if !descriptors.is_empty() {
            control.push(SendAncillaryMessage::ScmRights(&descriptors));
        }
        // NOSIGNAL: a parent that died must not turn into a SIGPIPE before we can clean up.
        let packet = [IoSlice::new(&packet)];
        sendmsg(&self.0, &packet, &mut control, SendFlags::NOSIGNAL).map(drop)
    }

    /// Waits for the child's report. `None` if it closed its end: it has exec'ed, or is dead.
    pub(crate) fn await_report(&self) -> Result<Option<(Report, Option<OwnedFd>)>> {
        let mut packet = vec![0; PACKET_MAX];
        let mut space = [MaybeUninit::uninit(); cmsg_space!(ScmRights(1))];
        let mut control = RecvAncillaryBuffer::new(&mut space);
        let received = retry_on_intr(|| {
            let mut slices = [IoSliceMut::new(&mut packet)];
            recvmsg(&self.0, &mut slices, &mut control, RecvFlags::CMSG_CLOEXEC)
        })
        .context("read from", "the container's process")?;
        let console = control.drain().find_map(|message| match message {
            RecvAncillaryMessage::ScmRights(mut descriptors) => descriptors.next(),
            _ => None,
        });
        if received.bytes == 0 {
            return Ok(None);
        }
        packet.truncate(received.bytes);
        let report = serde_json::from_slice(&packet).map_err(|_| RuntimeError::ChildEnded)?;
        Ok(Some((report, console)))
    }

    /// Lets the child go on.
    pub(crate) fn release(&self) -> io::Result<()> {
        write(&self.0, b"go").map(drop)
    }

    /// Waits to be let go. `false` if the parent is gone.
    pub(crate) fn await_release(&self) -> bool {
        let mut word = [0; 2];
        retry_on_intr(|| read(&self.0, &mut word)).is_ok_and(|length| length > 0)
    }
}

impl From<OwnedFd> for Channel {
    /// `socket` is a connected `SOCK_SEQPACKET`.
    fn from(socket: OwnedFd) -> Self {
        Self(socket)
    }
}

impl AsFd for Channel {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}
