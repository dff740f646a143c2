//! A netlink socket and the one exchange this crate has with it: some requests in
//! one datagram, then the kernel's answers.
//!
//! The kernel works requests off while they are being sent (netlink(7)), so that
//! every answer is queued when the send returns. Receiving therefore never waits:
//! an answer that is not there will not come.

use std::io;
use std::os::fd::{AsRawFd, OwnedFd};

#[cfg(feature = "engine")]
use netlink_packet_core::NLMSG_DONE;
use netlink_packet_core::{NLM_F_ACK, NLM_F_REQUEST, NLMSG_ERROR};
use nix::errno::Errno;
use nix::sys::socket::sockopt::SndBufForce;
use nix::sys::socket::{
    AddressFamily, MsgFlags, NetlinkAddr, SockFlag, SockProtocol, SockType, recv, sendto,
    setsockopt, socket,
};

/// Every message begins with this many bytes (`struct nlmsghdr`).
pub(crate) const HEADER_LEN: usize = 16;

/// Larger than any answer of interest; of longer ones only the start is needed.
const RECEIVE_LEN: usize = 32 * 1024;

/// What a socket holds without being asked to hold more (`wmem_default`).
const DEFAULT_SEND_LEN: usize = 128 * 1024;

/// Requests to be sent together, each with a name for its error.
#[derive(Debug, Default)]
pub(crate) struct Requests {
    bytes: Vec<u8>,
    operations: Vec<&'static str>,
    acknowledged: usize,
    /// Where the last message begins.
    last: usize,
}

/// A request that the kernel refused.
#[derive(Debug)]
pub(crate) struct Refusal {
    /// Which one.
    pub(crate) operation: &'static str,
    /// Why.
    pub(crate) source: io::Error,
}

impl Requests {
    /// Appends a message whose body `write` writes. `flags` are its own; that it is
    /// a request is added.
    pub(crate) fn push(
        &mut self,
        operation: &'static str,
        kind: u16,
        flags: u16,
        write: impl FnOnce(&mut Vec<u8>),
    ) {
        self.operations.push(operation);
        self.acknowledged += usize::from(flags & NLM_F_ACK != 0);
        let sequence = u32::try_from(self.operations.len()).unwrap_or(u32::MAX);
        let start = self.bytes.len();
        self.last = start;
        self.bytes.extend_from_slice(&[0; 4]);
        self.bytes.extend_from_slice(&kind.to_ne_bytes());
        self.bytes.extend_from_slice(&(flags | NLM_F_REQUEST).to_ne_bytes());
        self.bytes.extend_from_slice(&sequence.to_ne_bytes());
        self.bytes.extend_from_slice(&[0; 4]);
        write(&mut self.bytes);
        let length = u32::try_from(self.bytes.len() - start).unwrap_or(u32::MAX);
        if let Some(field) = self.bytes.get_mut(start..start + 4) {
            field.copy_from_slice(&length.to_ne_bytes());
        }
        self.bytes.resize(self.bytes.len().next_multiple_of(4), 0);
    }

    /// Asks for an answer to the message pushed last, which did not ask for one itself.
    #[cfg(feature = "engine")]
    pub(crate) fn acknowledge_last(&mut self) {
        if let Some(flags) = self.bytes.get_mut(self.last + 6..self.last + 8) {
            let asking = (NLM_F_REQUEST | NLM_F_ACK).to_ne_bytes();
            flags.iter_mut().zip(asking).for_each(|(byte, more)| *byte |= more);
            self.acknowledged += 1;
        }
    }

    /// The bytes as they go to the kernel.
    #[cfg(test)]
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    fn operation(&self, sequence: u32) -> &'static str {
        let index = usize::try_from(sequence).ok().and_then(|number| number.checked_sub(1));
        let first = self.operations.first().copied().unwrap_or("send a request");
        index.and_then(|index| self.operations.get(index).copied()).unwrap_or(first)
    }

    fn refusal(&self, sequence: u32, source: impl Into<io::Error>) -> Refusal {
        Refusal { operation: self.operation(sequence), source: source.into() }
    }
}

/// A socket in the network namespace of the thread that opened it.
#[derive(Debug)]
pub(crate) struct Socket(OwnedFd);

impl Socket {
    /// Links, addresses and routes.
    pub(crate) fn route() -> io::Result<Self> {
        Self::open(SockProtocol::NetlinkRoute)
    }

    /// nftables.
    #[cfg(feature = "engine")]
    pub(crate) fn netfilter() -> io::Result<Self> {
        Self::open(SockProtocol::NetlinkNetFilter)
    }

    fn open(protocol: SockProtocol) -> io::Result<Self> {
        let flags = SockFlag::SOCK_CLOEXEC;
        Ok(Self(socket(AddressFamily::Netlink, SockType::Raw, flags, protocol)?))
    }

    /// Sends the requests and reads an answer to each that asked for one. The first
    /// refusal is returned; what stood before it has been done unless the family has
    /// transactions.
    pub(crate) fn send(&self, requests: &Requests) -> Result<(), Refusal> {
        if requests.bytes.is_empty() {
            // The kernel refuses to be told nothing.
            return Ok(());
        }
        self.transmit(requests).map_err(|source| requests.refusal(1, source))?;
        let mut missing = requests.acknowledged;
        while missing > 0 {
            self.receive(|kind, sequence, body| {
                if kind != NLMSG_ERROR {
                    return Ok(());
                }
                missing = missing.saturating_sub(1);
                match error_code(body) {
                    0 => Ok(()),
                    code => Err((sequence, Errno::from_raw(-code).into())),
                }
            })
            .map_err(|(sequence, source)| requests.refusal(sequence, source))?;
        }
        Ok(())
    }

    /// Sends one dump request and gives each whole message of the answer, header
    /// included, to `each`.
    #[cfg(feature = "engine")]
    pub(crate) fn dump(
        &self,
        requests: &Requests,
        mut each: impl FnMut(&[u8]),
    ) -> Result<(), Refusal> {
        self.transmit(requests).map_err(|source| requests.refusal(1, source))?;
        let mut done = false;
        while !done {
            self.receive_whole(|kind, sequence, message| match kind {
                NLMSG_DONE => {
                    done = true;
                    Ok(())
                }
                NLMSG_ERROR => {
                    let code = message.get(HEADER_LEN..).map_or(0, error_code);
                    Err((sequence, Errno::from_raw(-code).into()))
                }
                _ => {
                    each(message);
                    Ok(())
                }
            })
            .map_err(|(sequence, source)| requests.refusal(sequence, source))?;
        }
        Ok(())
    }

    fn transmit(&self, requests: &Requests) -> io::Result<()> {
        let length = requests.bytes.len();
        if length > DEFAULT_SEND_LEN {
            setsockopt(&self.0, SndBufForce, &(2 * length))?;
        }
        let kernel = NetlinkAddr::new(0, 0);
        sendto(self.0.as_raw_fd(), &requests.bytes, &kernel, MsgFlags::empty())?;
        Ok(())
    }

    /// Reads one datagram and gives kind, sequence number and body of its messages.
    fn receive(
        &self,
        mut each: impl FnMut(u16, u32, &[u8]) -> Result<(), (u32, io::Error)>,
    ) -> Result<(), (u32, io::Error)> {
        self.receive_whole(|kind, sequence, message| {
            each(kind, sequence, message.get(HEADER_LEN..).unwrap_or_default())
        })
    }

    fn receive_whole(
        &self,
        mut each: impl FnMut(u16, u32, &[u8]) -> Result<(), (u32, io::Error)>,
    ) -> Result<(), (u32, io::Error)> {
        let mut buffer = vec![0; RECEIVE_LEN];
        let length = loop {
            match recv(self.0.as_raw_fd(), &mut buffer, MsgFlags::MSG_DONTWAIT) {
                Ok(length) => break length,
                Err(Errno::EINTR) => {}
                Err(errno) => return Err((1, errno.into())),
            }
        };
        let mut rest = buffer.get(..length).unwrap_or_default();
        while let Some((message, kind, sequence, next)) = split_message(rest) {
            each(kind, sequence, message)?;
            rest = next;
        }
        Ok(())
    }
}

/// The first message, its kind and sequence number, and what follows it. A message
/// that was cut short by the buffer ends where the buffer does.
fn split_message(bytes: &[u8]) -> Option<(&[u8], u16, u32, &[u8])> {
    let length = u32::from_ne_bytes(bytes.first_chunk().copied()?);
    let kind = u16::from_ne_bytes(bytes.get(4..)?.first_chunk().copied()?);
    let sequence = u32::from_ne_bytes(bytes.get(8..)?.first_chunk().copied()?);
    let length = usize::try_from(length).ok()?.max(HEADER_LEN);
    let message = bytes.get(..length.min(bytes.len()))?;
    let next = bytes.get(length.next_multiple_of(4)..).unwrap_or_default();
    Some((message, kind, sequence, next))
}

/// The first field of `struct nlmsgerr`: 0, or a negated error number.
fn error_code(body: &[u8]) -> i32 {
    body.first_chunk().copied().map_or(-(Errno::EBADMSG as i32), i32::from_ne_bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_numbered_padded_and_measured() {
        let mut requests = Requests::default();
        requests.push("first", 0x10, NLM_F_ACK, |body| body.extend_from_slice(&[1, 2, 3]));
        requests.push("second", 0x11, 0, |_| {});
        let expected = [
            19, 0, 0, 0, 0x10, 0, 5, 0, 1, 0, 0, 0, 0, 0, 0, 0, 1, 2, 3, 0, //
            16, 0, 0, 0, 0x11, 0, 1, 0, 2, 0, 0, 0, 0, 0, 0, 0,
        ];
        assert_eq!(requests.bytes(), expected);
        assert_eq!(requests.acknowledged, 1);
        assert_eq!(requests.operation(2), "second");
    }

    #[test]
    fn truncated_and_empty_answers_end_the_walk() {
        assert!(split_message(&[]).is_none());
        assert!(split_message(&[200, 0, 0, 0, 2, 0]).is_none());
        let mut cut = vec![0; 20];
        cut[0] = 200;
        let (message, _, _, next) = split_message(&cut).unwrap();
        assert_eq!((message.len(), next.len()), (20, 0));
    }

    #[test]
    fn message_that_claims_no_length_does_not_stall_the_walk() {
        let zeros = [0; 40];
        let (_, _, _, next) = split_message(&zeros).unwrap();
        assert_eq!(next.len(), 24);
    }

    #[test]
    fn nothing_to_ask_is_no_error() {
        Socket::route().unwrap().send(&Requests::default()).unwrap();
    }

    #[test]
    fn kernels_refusal_names_the_request() {
        let mut requests = Requests::default();
        requests
            .push("do the impossible", 0xfff, NLM_F_ACK, |body| body.resize(body.len() + 16, 0));
        let refusal = Socket::route().unwrap().send(&requests).unwrap_err();
        assert_eq!(refusal.operation, "do the impossible");
    }
}
