//! One stream of a session.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use futures::io::{AsyncRead as _, AsyncWrite as _};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::{OwnedSemaphorePermit, mpsc};

use super::session::Health;
use super::{ACCEPTED, NOBODY_LISTENS};

/// A stream whose last handle is gone while the other side may still write on it.
pub(super) struct Lingering {
    pub(super) stream: yamux::Stream,
    pub(super) permit: OwnedSemaphorePermit,
}

/// What a stream has of its session.
#[derive(Clone)]
pub(super) struct SessionHandle {
    pub(super) health: Arc<Health>,
    pub(super) linger: mpsc::UnboundedSender<Lingering>,
}

/// A yamux stream that tells a stream's end from its session's.
///
/// yamux reports all of them as the end of the file: the other side's `shutdown`, a
/// reset, and a connection that broke.
pub(super) struct MuxStream {
    /// Taken only when dropped.
    inner: Option<(yamux::Stream, OwnedSemaphorePermit)>,
    session: SessionHandle,
    /// The acceptor's first byte is still to come (dialling side only).
    unanswered: bool,
    /// The other side has ended its direction, and this was seen.
    read_ended: bool,
    /// This side has ended its direction.
    write_ended: bool,
}

impl MuxStream {
    /// A stream this side has opened.
    pub(super) fn dialled(
        stream: yamux::Stream,
        permit: OwnedSemaphorePermit,
        session: SessionHandle,
    ) -> Self {
        let mut dialled = Self::accepted(stream, permit, session);
        dialled.unanswered = true;
        dialled
    }

    /// A stream the other side has opened, after its port has been read.
    pub(super) fn accepted(
        stream: yamux::Stream,
        permit: OwnedSemaphorePermit,
        session: SessionHandle,
    ) -> Self {
        Self {
            inner: Some((stream, permit)),
            session,
            unanswered: false,
            read_ended: false,
            write_ended: false,
        }
    }

    fn stream(&mut self) -> &mut yamux::Stream {
        let (stream, _) = self.inner.as_mut().expect("the stream is there until it is dropped");
        stream
    }

    /// Reads what there is; 0 bytes are the other side's own end of its direction.
    fn read_some(&mut self, cx: &mut Context<'_>, into: &mut [u8]) -> Poll<io::Result<usize>> {
        if self.read_ended {
            return Poll::Ready(Ok(0));
        }
        let count = ready!(Pin::new(self.stream()).poll_read(cx, into))
            .map_err(|_| io::Error::from(io::ErrorKind::ConnectionReset))?;
        if count > 0 {
            return Poll::Ready(Ok(count));
        }
        // Both directions closed although this side never closed its own: a reset. If
        // it has, only the session knows whether the stream or the connection ended.
        if self.stream().is_closed() && (!self.write_ended || self.session.health.is_dead()) {
            return Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()));
        }
        self.read_ended = true;
        Poll::Ready(Ok(0))
    }

    fn answer(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut status = [0; 1];
        let count = ready!(self.read_some(cx, &mut status))?;
        if count == 0 {
            return Poll::Ready(Err(io::ErrorKind::UnexpectedEof.into()));
        }
        Poll::Ready(match status[0] {
            ACCEPTED => {
                self.unanswered = false;
                Ok(())
            }
            NOBODY_LISTENS => Err(io::ErrorKind::ConnectionRefused.into()),
            _ => Err(io::ErrorKind::QuotaExceeded.into()),
        })
    }
}

impl AsyncRead for MuxStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.unanswered {
            ready!(self.answer(cx))?;
        }
        if buf.remaining() == 0 {
            return Poll::Ready(Ok(()));
        }
        let count = ready!(self.read_some(cx, buf.initialize_unfilled()))?;
        buf.advance(count);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for MuxStream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        if buf.is_empty() {
            return Poll::Ready(Ok(0));
        }
        Pin::new(self.stream()).poll_write(cx, buf).map_err(broken)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(self.stream()).poll_flush(cx).map_err(broken)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.write_ended {
            return Poll::Ready(Ok(()));
        }
        ready!(Pin::new(self.stream()).poll_close(cx)).map_err(broken)?;
        self.write_ended = true;
        Poll::Ready(Ok(()))
    }
}

/// yamux says "write zero" where a socket says "broken pipe".
fn broken(error: io::Error) -> io::Error {
    if error.kind() == io::ErrorKind::WriteZero { io::ErrorKind::BrokenPipe.into() } else { error }
}

impl Drop for MuxStream {
    /// A stream that is dropped unclosed is reset by yamux, and one that both sides
    /// closed is done. In between yamux would just forget the stream: the other
    /// side, still writing, would use up its window and then wait for ever. So the
    /// session reads on in its place until the other side ends.
    fn drop(&mut self) {
        let Some((stream, permit)) = self.inner.take() else { return };
        if self.write_ended && !self.read_ended && !stream.is_closed() {
            // Fails when the session is over, and with it the stream.
            drop(self.session.linger.send(Lingering { stream, permit }));
        }
    }
}
