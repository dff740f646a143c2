//! How a connection begins: HTTP/2 that nobody has upgraded to begins with a preface of its own.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, ReadBuf};

/// No request of HTTP/1 begins so.
const PREFACE: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// A connection whose first bytes were looked at; who reads it finds them nevertheless.
#[derive(Debug)]
pub(crate) struct Begun<S> {
    stream: S,
    first: [u8; PREFACE.len()],
    /// What of `first` was read, and what of that was given on.
    read: usize,
    given: usize,
}

impl<S: AsyncRead + Unpin> Begun<S> {
    /// Reads as much as tells one from the other.
    pub(crate) async fn new(mut stream: S) -> io::Result<Self> {
        let (mut first, mut read) = ([0; PREFACE.len()], 0);
        while read < first.len() && first[..read] == PREFACE[..read] {
            match stream.read(&mut first[read..]).await? {
                0 => break,
                more => read += more,
            }
        }
        Ok(Self { stream, first, read, given: 0 })
    }

    /// Whether it speaks HTTP/2.
    pub(crate) fn is_http2(&self) -> bool {
        self.read == PREFACE.len() && self.first == *PREFACE
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Begun<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.given == self.read {
            return Pin::new(&mut self.stream).poll_read(context, buffer);
        }
        let end = self.read.min(self.given + buffer.remaining());
        buffer.put_slice(&self.first[self.given..end]);
        self.given = end;
        // What has come already goes along, so that nobody takes the begin for the whole.
        if buffer.remaining() > 0 {
            let rest = Pin::new(&mut self.stream).poll_read(context, buffer);
            if let Poll::Ready(Err(error)) = rest {
                return Poll::Ready(Err(error));
            }
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Begun<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncWriteExt as _, duplex};

    use super::*;

    async fn begun(bytes: &[u8]) -> (bool, Vec<u8>) {
        let (mut client, server) = duplex(1);
        let bytes = bytes.to_vec();
        let send = async move {
            client.write_all(&bytes).await.unwrap();
            client.shutdown().await.unwrap();
        };
        let receive = async move {
            let mut begun = Begun::new(server).await.unwrap();
            let is_http2 = begun.is_http2();
            let mut all = Vec::new();
            begun.read_to_end(&mut all).await.unwrap();
            (is_http2, all)
        };
        tokio::join!(send, receive).1
    }

    #[tokio::test]
    async fn nothing_is_lost_of_what_was_looked_at() {
        let http2 = [PREFACE.as_slice(), b"frames"].concat();
        assert_eq!(begun(&http2).await, (true, http2.clone()));
        for bytes in [&b"POST /build HTTP/1.1\r\n\r\nPRI"[..], b"PRI * HTTP/2.0\r\n", b"P", b""] {
            assert_eq!(begun(bytes).await, (false, bytes.to_vec()));
        }
    }
}
