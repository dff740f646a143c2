//! Bytes between a client's connection and a thread that blocks.

use std::io::{self, Read, Write};

use axum::body::{Body, BodyDataStream};
use bytes::{Buf as _, Bytes};
use futures::StreamExt as _;
use tokio::runtime::Handle;
use tokio_util::sync::CancellationToken;

use crate::error::Result;
use crate::written::written;

/// Reads a request's body. Blocks, so not on an async thread.
#[derive(Debug)]
pub(super) struct BodyReader {
    runtime: Handle,
    stream: BodyDataStream,
    chunk: Bytes,
    ended: CancellationToken,
}

impl BodyReader {
    /// To be called on an async thread.
    pub(super) fn new(body: Body) -> Self {
        Self::until(body, CancellationToken::new())
    }

    /// The same, where more of it is an error as soon as the engine has `ended`: a client may take
    /// for ever, and the engine waits for what is read to be dealt with.
    pub(super) fn until(body: Body, ended: CancellationToken) -> Self {
        let stream = body.into_data_stream();
        Self { runtime: Handle::current(), stream, chunk: Bytes::new(), ended }
    }
}

impl Read for BodyReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.chunk.is_empty() {
            let next = self.ended.run_until_cancelled(self.stream.next());
            match self.runtime.block_on(next) {
                Some(Some(chunk)) => self.chunk = chunk.map_err(io::Error::other)?,
                Some(None) => return Ok(0),
                None => return Err(io::Error::other("the engine ends")),
            }
        }
        let count = buffer.len().min(self.chunk.len());
        self.chunk.copy_to_slice(&mut buffer[..count]);
        Ok(count)
    }
}

/// An answer's body, written by `write` on a thread of its own. When that fails the connection
/// is broken off.
pub(super) fn written_body(
    write: impl FnOnce(&mut dyn Write) -> io::Result<()> + Send + 'static,
) -> Result<Body> {
    Ok(Body::from_stream(written(write)?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::written::on_own_thread;

    async fn read(mut reader: BodyReader) -> io::Result<String> {
        let read = on_own_thread(move || -> Result<_> { Ok(io::read_to_string(&mut reader)) });
        read.await.unwrap()
    }

    #[tokio::test]
    async fn a_body_goes_through_threads_in_both_directions() {
        let text = "x".repeat((3 << 17) + 5);
        let sent = text.clone();
        let body = written_body(move |out| out.write_all(sent.as_bytes())).unwrap();
        let reader = BodyReader::new(body);
        let read = read(reader).await;
        assert_eq!(read.unwrap(), text);
    }

    #[tokio::test]
    async fn a_failure_breaks_the_body_off() {
        let body = written_body(|out| {
            out.write_all(b"half")?;
            Err(io::ErrorKind::TimedOut.into())
        });
        let reader = BodyReader::new(body.unwrap());
        let read = read(reader).await;
        read.expect_err("it was not the whole");
    }

    #[tokio::test]
    async fn nobody_waits_for_the_rest_of_a_body_when_the_engine_ends() {
        let stalled = futures::stream::pending::<io::Result<Bytes>>();
        let ended = CancellationToken::new();
        let reader = BodyReader::until(Body::from_stream(stalled), ended.clone());
        let ((), read) = tokio::join!(async { ended.cancel() }, read(reader));
        assert_eq!(read.unwrap_err().to_string(), "the engine ends");
    }
}
