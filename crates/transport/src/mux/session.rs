//! The task that owns a session's connection.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::mem;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use futures::future::BoxFuture;
use futures::stream::{FuturesUnordered, StreamExt};
use futures::{AsyncReadExt, FutureExt};
use tokio::io::BufStream;
use tokio::sync::{mpsc, oneshot};
use tokio_util::compat::{Compat, TokioAsyncReadCompatExt};
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};
use yamux::{Config, Connection, Mode};

use super::MAX_STREAMS;
use super::stream::Lingering;
use crate::BoxedStream;

/// The largest payload of a frame: small enough that streams take turns, large
/// enough that a frame costs little.
pub(super) const SPLIT_SEND_SIZE: usize = 16 * 1024;

/// Room for a frame with its header, so that both go in one write.
const CHANNEL_BUFFER: usize = 2 * SPLIT_SEND_SIZE;

/// yamux ends the whole session when its own limit is reached, and closed streams
/// count until both sides have forgotten them. So it stands well above ours.
const YAMUX_STREAMS: usize = 16 * MAX_STREAMS;

/// What the windows of all streams may grow by, beyond 256 KiB each.
const WINDOW_GROWTH: usize = 64 * 1024 * 1024;

/// Whether the session is over, for streams that cannot tell from their own state.
#[derive(Debug, Default)]
pub(super) struct Health {
    dead: Mutex<bool>,
}

impl Health {
    /// Waits for the driver's present step, which may be the one that fails.
    pub(super) fn is_dead(&self) -> bool {
        *self.dead.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A request for a stream to the other side.
pub(super) type Open = oneshot::Sender<yamux::Stream>;

/// The driver's ends of what the session's owner and streams hold.
pub(super) struct Inputs {
    pub(super) opens: mpsc::Receiver<Open>,
    pub(super) lingering: mpsc::UnboundedReceiver<Lingering>,
    pub(super) stop: CancellationToken,
}

/// What to do with a stream of the other side's. The future is driven with the
/// session; when it waits, it delays no other stream.
pub(super) type OnInbound = Box<dyn FnMut(yamux::Stream) -> BoxFuture<'static, ()> + Send>;

/// Everything one session consists of.
pub(super) struct Driver {
    connection: Connection<Compat<BufStream<BoxedStream>>>,
    health: Arc<Health>,
    opens: mpsc::Receiver<Open>,
    waiting: VecDeque<Open>,
    lingering: mpsc::UnboundedReceiver<Lingering>,
    on_inbound: OnInbound,
    chores: FuturesUnordered<BoxFuture<'static, ()>>,
    stop: Pin<Box<WaitForCancellationFutureOwned>>,
}

/// The channel with the buffers that the preamble and the session share.
pub(super) fn buffered(channel: BoxedStream) -> BufStream<BoxedStream> {
    BufStream::with_capacity(CHANNEL_BUFFER, CHANNEL_BUFFER, channel)
}

impl Driver {
    pub(super) fn new(
        channel: BufStream<BoxedStream>,
        mode: Mode,
        health: Arc<Health>,
        inputs: Inputs,
        on_inbound: OnInbound,
    ) -> Self {
        let mut config = Config::default();
        config.set_max_connection_receive_window(None);
        config.set_max_num_streams(YAMUX_STREAMS);
        config.set_max_connection_receive_window(Some(
            YAMUX_STREAMS * yamux::DEFAULT_CREDIT as usize + WINDOW_GROWTH,
        ));
        config.set_split_send_size(SPLIT_SEND_SIZE);
        Self {
            connection: Connection::new(channel.compat(), config, mode),
            health,
            opens: inputs.opens,
            waiting: VecDeque::new(),
            lingering: inputs.lingering,
            on_inbound,
            chores: FuturesUnordered::new(),
            stop: Box::pin(inputs.stop.cancelled_owned()),
        }
    }

    /// Runs the session to its end. `Ok` is an end that either side wanted.
    pub(super) async fn run(mut self) -> Result<(), yamux::ConnectionError> {
        poll_fn(|cx| self.poll(cx)).await
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), yamux::ConnectionError>> {
        if self.stop.poll_unpin(cx).is_ready() {
            *self.health.dead.lock().unwrap_or_else(PoisonError::into_inner) = true;
            return Poll::Ready(Ok(()));
        }
        loop {
            let mut moved = false;
            {
                let mut dead = self.health.dead.lock().unwrap_or_else(PoisonError::into_inner);
                match self.connection.poll_next_inbound(cx) {
                    Poll::Ready(Some(Ok(stream))) => {
                        self.chores.push((self.on_inbound)(stream));
                        moved = true;
                    }
                    Poll::Ready(end) => {
                        *dead = true;
                        return Poll::Ready(end.map_or(Ok(()), |end| end.map(mem::drop)));
                    }
                    Poll::Pending => {}
                }
            }
            while let Poll::Ready(Some(open)) = self.opens.poll_recv(cx) {
                self.waiting.push_back(open);
            }
            if self.open_next(cx)? {
                moved = true;
            }
            while let Poll::Ready(Some(lingering)) = self.lingering.poll_recv(cx) {
                self.chores.push(drain(lingering).boxed());
            }
            while let Poll::Ready(Some(())) = self.chores.poll_next_unpin(cx) {
                moved = true;
            }
            if !moved {
                return Poll::Pending;
            }
        }
    }

    /// Opens a stream for the first that still waits for one.
    fn open_next(&mut self, cx: &mut Context<'_>) -> Result<bool, yamux::ConnectionError> {
        self.waiting.retain(|open| !open.is_closed());
        if self.waiting.is_empty() {
            return Ok(false);
        }
        let mut dead = self.health.dead.lock().unwrap_or_else(PoisonError::into_inner);
        match self.connection.poll_new_outbound(cx) {
            Poll::Ready(Ok(stream)) => {
                // Whoever gave up in this instant drops the stream, which resets it.
                if let Some(open) = self.waiting.pop_front() {
                    drop(open.send(stream));
                }
                Ok(true)
            }
            Poll::Ready(Err(error)) => {
                *dead = true;
                Err(error)
            }
            Poll::Pending => Ok(false),
        }
    }
}

/// Reads to the end of a stream that nobody else reads any more.
async fn drain(lingering: Lingering) {
    let Lingering { mut stream, permit } = lingering;
    let mut scratch = vec![0; SPLIT_SEND_SIZE];
    while let Ok(1..) = stream.read(&mut scratch).await {}
    drop(permit);
}
