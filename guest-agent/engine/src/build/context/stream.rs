//! A context that comes from the web.

use std::io::{self, Read};
use std::path::Path;

use bytes::{Buf as _, Bytes};
use futures::{Stream, StreamExt as _};
use naru_image_store::{ImageStore, WebUrl};
use tokio::runtime::Handle;
use tokio::task::spawn_blocking;
use tokio_util::sync::CancellationToken;

use super::directory::{Context, Received};
use super::error::ContextError;

impl Context {
    /// Fetches an archive, or a lone Dockerfile, into a new directory in `contexts`. Dropping this
    /// ends it.
    pub(crate) async fn fetch(
        images: &ImageStore,
        url: &WebUrl,
        contexts: &Path,
    ) -> Result<(Self, Received), ContextError> {
        let file = images.fetch(url).await?;
        let context = Self::new(contexts)?;
        let given_up = CancellationToken::new();
        let _guard = given_up.clone().drop_guard();
        let reader = StreamReader::new(file.into_stream(), given_up);
        let received = spawn_blocking(move || {
            let received = context.receive_any(reader)?;
            Ok((context, received))
        });
        received.await.map_err(|_| ContextError::Panicked)?
    }
}

/// Reads what a stream brings. Blocks, so not on an async thread.
#[derive(Debug)]
pub(super) struct StreamReader<S> {
    runtime: Handle,
    stream: S,
    chunk: Bytes,
    given_up: CancellationToken,
}

impl<S> StreamReader<S> {
    /// To be called on an async thread.
    pub(super) fn new(stream: S, given_up: CancellationToken) -> Self {
        Self { runtime: Handle::current(), stream, chunk: Bytes::new(), given_up }
    }
}

impl<S: Stream<Item = io::Result<Bytes>> + Unpin> Read for StreamReader<S> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.chunk.is_empty() {
            let next = self.given_up.run_until_cancelled(self.stream.next());
            match self.runtime.block_on(next) {
                Some(Some(chunk)) => self.chunk = chunk?,
                Some(None) => return Ok(0),
                // What was given up must not look like a whole archive.
                None => return Err(io::ErrorKind::ConnectionAborted.into()),
            }
        }
        let count = buffer.len().min(self.chunk.len());
        self.chunk.copy_to_slice(&mut buffer[..count]);
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use futures::stream;

    use super::*;

    #[tokio::test]
    async fn a_stream_that_is_given_up_ends_in_an_error() {
        let parts = [b"ab".as_slice(), b"", b"c"].map(|part| Ok(Bytes::from_static(part)));
        let given_up = CancellationToken::new();
        let mut reader = StreamReader::new(stream::iter(parts), given_up.clone());
        let read = spawn_blocking(move || io::read_to_string(&mut reader).map(|_| reader));
        read.await.unwrap().unwrap();
        let mut reader = StreamReader::new(stream::pending(), given_up.clone());
        let read = spawn_blocking(move || io::copy(&mut reader, &mut io::sink()));
        given_up.cancel();
        read.await.unwrap().unwrap_err();
    }
}
