//! Bytes that a thread writes for who takes them piece by piece.

use std::io::{self, BufWriter, Write};
use std::thread;

use bytes::Bytes;
use futures::{Stream, stream};
use tokio::runtime::Handle;
use tokio::sync::{mpsc, oneshot};

use crate::error::{EngineError, Result};

/// What a slow reader may leave lying here.
const CHUNKS_IN_FLIGHT: usize = 4;
const CHUNK: usize = 128 << 10;

/// What `write` writes, on a thread of its own. When that fails the last piece is its error, so
/// that nobody takes a part for the whole; a reader that goes away ends the thread.
pub(crate) fn written(
    write: impl FnOnce(&mut dyn Write) -> io::Result<()> + Send + 'static,
) -> Result<impl Stream<Item = io::Result<Bytes>> + Send + Unpin + 'static> {
    let (sender, mut receiver) = mpsc::channel(CHUNKS_IN_FLIGHT);
    start_thread(move || {
        let mut out = BufWriter::with_capacity(CHUNK, ChannelWriter(&sender));
        let written = write(&mut out).and_then(|()| out.flush());
        // What is left in it is of no use after an error.
        drop(out.into_parts());
        if let Err(error) = written
            && sender.blocking_send(Err(error)).is_err()
        {
            tracing::debug!("a client went away in the middle of an answer");
        }
    })?;
    Ok(stream::poll_fn(move |context| receiver.poll_recv(context)))
}

/// Does `work`, which waits for a client, on a thread of its own: it may take for ever, and must
/// not take one of those on which the engine's own work is done.
pub(crate) async fn on_own_thread<T, E>(
    work: impl FnOnce() -> Result<T, E> + Send + 'static,
) -> Result<T, E>
where
    T: Send + 'static,
    E: From<EngineError> + Send + 'static,
{
    let (sender, done) = oneshot::channel();
    // An error says that nobody waits any more.
    start_thread(move || drop(sender.send(work())))?;
    done.await.map_err(|_| EngineError::Defect("a transfer panicked".to_owned()))?
}

fn start_thread(work: impl FnOnce() + Send + 'static) -> Result<()> {
    // A request's body that is dropped there may have to be read to its end by the runtime.
    let runtime = Handle::current();
    let thread = thread::Builder::new().name("transfer".to_owned()).spawn(move || {
        let _context = runtime.enter();
        work();
    });
    thread.map(drop).map_err(EngineError::io("starting a thread for", "a transfer"))
}

struct ChannelWriter<'a>(&'a mpsc::Sender<io::Result<Bytes>>);

impl Write for ChannelWriter<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0
            .blocking_send(Ok(Bytes::copy_from_slice(bytes)))
            .map_err(|_| io::Error::from(io::ErrorKind::BrokenPipe))?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
