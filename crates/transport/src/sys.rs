//! Registration of descriptors with the runtime.
#![expect(unsafe_code, reason = "tokio cannot see that a descriptor stays the same one")]

use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;

use tokio::io::unix::AsyncFd;

/// Watches an open file for readiness in both directions.
pub(crate) fn watch_file(file: Arc<File>) -> io::Result<AsyncFd<Arc<File>>> {
    // SAFETY: the `Arc` keeps the file open, and a shared file's descriptor cannot be
    // replaced, for as long as the registration holds it.
    unsafe { AsyncFd::register(file) }.map_err(io::Error::from)
}

/// Watches an epoll descriptor: readable means that it has events.
pub(crate) fn watch_epoll(epoll: OwnedFd) -> io::Result<AsyncFd<OwnedFd>> {
    // SAFETY: the registration owns the descriptor and gives it out by shared
    // reference only, so it is neither closed nor replaced meanwhile.
    unsafe { AsyncFd::register(epoll) }.map_err(io::Error::from)
}
