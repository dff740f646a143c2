//! The one socket option that no safe wrapper offers.
#![expect(unsafe_code, reason = "SO_ATTACH_FILTER has no safe wrapper")]

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};

use nix::errno::Errno;

/// Makes the socket drop every packet that reaches it, by a classic BPF program of
/// one instruction: accept 0 bytes (socket(7), `SO_ATTACH_FILTER`).
pub(crate) fn drop_all_packets(socket: BorrowedFd<'_>) -> io::Result<()> {
    const RETURN_CONSTANT: u16 = 0x06;
    let mut instruction = libc::sock_filter { code: RETURN_CONSTANT, jt: 0, jf: 0, k: 0 };
    let program = libc::sock_fprog { len: 1, filter: &raw mut instruction };
    let length = libc::socklen_t::try_from(size_of_val(&program)).map_err(io::Error::other)?;
    // SAFETY: the option's value is a `sock_fprog` of that length whose `filter`
    // points to `len` instructions; the kernel copies both before it returns.
    let result = unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_ATTACH_FILTER,
            (&raw const program).cast(),
            length,
        )
    };
    Errno::result(result)?;
    Ok(())
}
