//! The virtio-serial port, guest side.
//!
//! A port is not a socket. It is open whether or not the host has a client: without
//! one, poll says `HUP` and reads give 0 bytes at once, now and for ever, and with
//! the next client both simply stop. So the end of a session is a read of 0 bytes or
//! a `HUP`, and the beginning of the next has to be waited for on something that is
//! quiet meanwhile. The kernel wakes the port's waiters whenever the host's side opens
//! or closes, and an edge-triggered epoll reports each wake-up once, whatever the level.
//! The runtime's own epoll cannot be used for this: it takes a `HUP` as final. So
//! the port is in an epoll of its own, and that one's descriptor in the runtime's, but
//! only while a client is waited for. Whoever polls the port takes its next buffer out
//! of the queue, and an interrupt that then finds the queue empty wakes nobody: a second
//! epoll beside the session's makes the session sleep on what has arrived.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use async_trait::async_trait;
use naru_protocol::Port;
use rustix::event::{PollFd, PollFlags, Timespec, epoll, poll};
use rustix::fs::OFlags;
use tokio::io::unix::AsyncFd;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::mux::{Connector, MuxAcceptor};
use crate::{BoxedStream, TransportError, sys};

/// Where the kernel lists the ports with their names.
const PORTS: &str = "/sys/class/virtio-ports";

/// Do not wait.
const NOW: Timespec = Timespec { tv_sec: 0, tv_nsec: 0 };

/// Listens on the virtio-serial port of this name. It is opened for good; only one
/// process can have it open.
pub fn listen_virtio_serial(name: &str, ports: &[Port]) -> Result<MuxAcceptor, TransportError> {
    let path = find(Path::new(PORTS), name)?;
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .custom_flags(OFlags::NONBLOCK.bits().cast_signed())
        .open(&path)
        .map_err(|source| TransportError::OpenPort { path: path.clone(), source })?;
    Ok(MuxAcceptor::new(Box::new(Clients { path, port: Arc::new(file) }), ports))
}

/// The device of the port whose `name` file says so.
fn find(class: &Path, name: &str) -> Result<PathBuf, TransportError> {
    let missing = || TransportError::PortMissing { name: name.to_owned() };
    for entry in fs::read_dir(class).map_err(|_| missing())?.flatten() {
        let has_name = fs::read_to_string(entry.path().join("name"))
            .is_ok_and(|found| found.trim_end() == name);
        if has_name {
            return Ok(Path::new("/dev").join(entry.file_name()));
        }
    }
    Err(missing())
}

/// The host's clients, one after the other.
#[derive(Debug)]
struct Clients {
    path: PathBuf,
    port: Arc<File>,
}

impl Clients {
    fn has_client(&self) -> io::Result<bool> {
        let mut fds = [PollFd::new(&*self.port, PollFlags::OUT)];
        poll(&mut fds, Some(&NOW))?;
        Ok(!fds[0].revents().contains(PollFlags::HUP))
    }

    /// Readable after the host's side has opened or closed, and once at first.
    fn changes(&self) -> io::Result<AsyncFd<OwnedFd>> {
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        // `HUP` is always reported; `OUT` makes each opening an event of its own.
        let edges = epoll::EventFlags::OUT | epoll::EventFlags::ET;
        epoll::add(&epoll, &*self.port, epoll::EventData::new_u64(0), edges)?;
        sys::watch_epoll(epoll)
    }

    async fn wait(&self) -> io::Result<()> {
        let changes = self.changes()?;
        loop {
            let mut changed = changes.readable().await?;
            // First take the event, then look: a change after the look is a new event.
            let mut events: [epoll::Event; 1] = [epoll::Event {
                flags: epoll::EventFlags::empty(),
                data: epoll::EventData::new_u64(0),
            }];
            epoll::wait(changes.get_ref(), &mut events, Some(&NOW))?;
            if self.has_client()? {
                return Ok(());
            }
            changed.clear_ready();
        }
    }

    async fn client(&self) -> io::Result<PortStream> {
        self.wait().await?;
        Ok(PortStream { port: sys::watch_file(Arc::clone(&self.port))? })
    }
}

#[async_trait]
impl Connector for Clients {
    async fn connect(&mut self) -> Result<BoxedStream, TransportError> {
        match self.client().await {
            Ok(stream) => Ok(Box::new(stream)),
            Err(source) => Err(TransportError::OpenPort { path: self.path.clone(), source }),
        }
    }

    fn describe(&self) -> String {
        self.path.display().to_string()
    }
}

/// The port while one client is there.
struct PortStream {
    port: AsyncFd<Arc<File>>,
}

impl AsyncRead for PortStream {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        loop {
            let mut guard = ready!(self.port.poll_read_ready(cx))?;
            let hung_up = guard.ready().is_read_closed();
            let into = buf.initialize_unfilled();
            match guard.try_io(|port| port.get_ref().as_ref().read(into)) {
                Ok(Ok(count)) => {
                    buf.advance(count);
                    return Poll::Ready(Ok(()));
                }
                Ok(Err(error)) if error.kind() == io::ErrorKind::Interrupted => {}
                Ok(Err(error)) => return Poll::Ready(Err(error)),
                // The client went and another came: the end of this stream. The runtime
                // would not wait on a descriptor that has once hung up.
                Err(_) if hung_up => return Poll::Ready(Ok(())),
                Err(_) => {}
            }
        }
    }
}

impl AsyncWrite for PortStream {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        loop {
            let mut guard = ready!(self.port.poll_write_ready(cx))?;
            let hung_up = guard.ready().is_write_closed();
            match guard.try_io(|port| port.get_ref().as_ref().write(buf)) {
                Ok(Err(error)) if error.kind() == io::ErrorKind::Interrupted => {}
                Ok(result) => return Poll::Ready(result),
                Err(_) if hung_up => return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into())),
                Err(_) => {}
            }
        }
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_port_is_found_by_its_name() {
        let class = tempfile::tempdir().unwrap();
        for (device, name) in [("vport1p1", "other\n"), ("vport1p2", "naru.mux\n")] {
            fs::create_dir(class.path().join(device)).unwrap();
            fs::write(class.path().join(device).join("name"), name).unwrap();
        }
        fs::create_dir(class.path().join("vport0p0")).unwrap();
        let found = find(class.path(), "naru.mux").unwrap();
        assert_eq!(found, Path::new("/dev/vport1p2"));
        let missing = find(class.path(), "naru").unwrap_err();
        assert!(matches!(missing, TransportError::PortMissing { name } if name == "naru"));
    }
}
