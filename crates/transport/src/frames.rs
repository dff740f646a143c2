//! The end of one direction, on a carrier that can only close both.
//!
//! A user-space vsock device takes the end of what the host writes for the end of the
//! connection. So on vsock each direction is a row of chunks: a length (u32,
//! big-endian, not 0) and as many bytes. A length of 0 ends the direction; the
//! connection itself is closed when the stream is dropped. A connection that ends
//! without that mark was lost, and is an error to its reader.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

const HEADER: usize = 4;

/// The largest chunk sent. Larger ones are read as well.
const CHUNK: usize = 64 * 1024;

/// A stream whose directions end by a mark.
#[derive(Debug)]
pub(crate) struct Framed<S> {
    inner: S,
    header: [u8; HEADER],
    header_read: usize,
    /// Bytes of the present chunk that are still to be read.
    remaining: usize,
    read_ended: bool,
    /// A chunk on its way out, and how much of it is written.
    outgoing: Vec<u8>,
    written: usize,
    write_ended: bool,
}

impl<S> Framed<S> {
    pub(crate) fn new(inner: S) -> Self {
        Self {
            inner,
            header: [0; HEADER],
            header_read: 0,
            remaining: 0,
            read_ended: false,
            outgoing: Vec::new(),
            written: 0,
            write_ended: false,
        }
    }
}

impl<S: AsyncRead + Unpin> Framed<S> {
    /// Reads the next chunk's length, or the end.
    fn poll_header(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while self.header_read < HEADER {
            let mut buffer = ReadBuf::new(&mut self.header[self.header_read..]);
            ready!(Pin::new(&mut self.inner).poll_read(cx, &mut buffer))?;
            let count = buffer.filled().len();
            if count == 0 {
                return Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()));
            }
            self.header_read += count;
        }
        self.header_read = 0;
        self.remaining = usize::try_from(u32::from_be_bytes(self.header))
            .map_err(|_| io::Error::from(io::ErrorKind::InvalidData))?;
        self.read_ended = self.remaining == 0;
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> Framed<S> {
    /// Writes what is left of the chunk on its way.
    fn poll_outgoing(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while self.written < self.outgoing.len() {
            let rest = &self.outgoing[self.written..];
            let count = ready!(Pin::new(&mut self.inner).poll_write(cx, rest))?;
            if count == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.written += count;
        }
        self.outgoing.clear();
        self.written = 0;
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Framed<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        if buf.remaining() == 0 {
            return Poll::Ready(Ok(()));
        }
        while this.remaining == 0 && !this.read_ended {
            ready!(this.poll_header(cx))?;
        }
        if this.read_ended {
            return Poll::Ready(Ok(()));
        }
        let room = this.remaining.min(buf.remaining());
        let mut part = ReadBuf::new(buf.initialize_unfilled_to(room));
        ready!(Pin::new(&mut this.inner).poll_read(cx, &mut part))?;
        let count = part.filled().len();
        if count == 0 {
            return Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()));
        }
        buf.advance(count);
        this.remaining -= count;
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Framed<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = &mut *self;
        if this.write_ended {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        ready!(this.poll_outgoing(cx))?;
        let count = buf.len().min(CHUNK);
        if count == 0 {
            return Poll::Ready(Ok(0));
        }
        let length = u32::try_from(count).map_err(|_| io::ErrorKind::InvalidInput)?;
        this.outgoing.extend(length.to_be_bytes());
        this.outgoing.extend(&buf[..count]);
        // The chunk is taken. What does not go out now goes with the next call, or with
        // the flush that a writer owes before it waits for an answer; an error shows there.
        match this.poll_outgoing(cx) {
            Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
            _ => Poll::Ready(Ok(count)),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_outgoing(cx))?;
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_outgoing(cx))?;
        if !self.write_ended {
            self.write_ended = true;
            self.outgoing.extend([0; HEADER]);
            ready!(self.poll_outgoing(cx))?;
        }
        Pin::new(&mut self.inner).poll_flush(cx)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex, join};

    use super::*;

    #[tokio::test]
    async fn each_direction_ends_alone_whatever_the_channels_size() {
        for room in [1, 3, 7, 5000] {
            let (a, b) = duplex(room);
            let (mut a, mut b) = (Framed::new(a), Framed::new(b));
            let sent: Vec<u8> = (0..200_000).map(|n| u8::try_from(n % 251).unwrap()).collect();
            let mut received = Vec::new();
            let write = async {
                a.write_all(&sent).await.unwrap();
                a.shutdown().await.unwrap();
                assert!(a.write_all(b"more").await.is_err(), "wrote after the end");
                let mut answer = String::new();
                a.read_to_string(&mut answer).await.unwrap();
                answer
            };
            let read = async {
                b.read_to_end(&mut received).await.unwrap();
                b.write_all(b"answer").await.unwrap();
                b.shutdown().await.unwrap();
            };
            let (answer, ()) = tokio::join!(write, read);
            assert!(received == sent, "with room for {room}");
            assert_eq!(answer, "answer");
        }
    }

    #[tokio::test]
    async fn an_end_without_the_mark_is_an_error() {
        for bytes in [&[][..], &[0, 0], &[0, 0, 0, 9, 1, 2]] {
            let mut stream = Framed::new(join(bytes, tokio::io::sink()));
            let error = stream.read_to_end(&mut Vec::new()).await.unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::ConnectionReset, "{bytes:?}");
        }
    }
}
