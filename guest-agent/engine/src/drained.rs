//! A request's body that is read to its end, whatever becomes of the request.
//!
//! hyper closes a connection whose request it has not read whole. A client that is still
//! sending, a build context for instance, then sees its connection break and never the
//! answer, which may have been one clear sentence.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use http_body_util::BodyExt as _;
use hyper::body::{Body, Bytes, Frame, Incoming, SizeHint};
use tokio::time::timeout;
use tokio_util::task::TaskTracker;

/// How long a client may go on sending what nobody wants.
const DEADLINE: Duration = Duration::from_mins(1);

/// The body of a request. What its reader leaves is read and thrown away on `tasks`.
#[derive(Debug)]
pub(crate) struct Drained {
    /// Taken only when dropped.
    body: Option<Incoming>,
    tasks: TaskTracker,
}

impl Drained {
    pub(crate) fn new(body: Incoming, tasks: TaskTracker) -> Self {
        Self { body: Some(body), tasks }
    }
}

impl Body for Drained {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        match &mut self.body {
            Some(body) => Pin::new(body).poll_frame(cx),
            None => Poll::Ready(None),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body.as_ref().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.body.as_ref().map_or_else(SizeHint::default, Body::size_hint)
    }
}

impl Drop for Drained {
    fn drop(&mut self) {
        let Some(mut body) = self.body.take().filter(|body| !body.is_end_stream()) else { return };
        self.tasks
            .spawn(timeout(DEADLINE, async move { while let Some(Ok(_)) = body.frame().await {} }));
    }
}
