//! An answer of JSON lines that come while work goes on, and end with it.

use std::convert::Infallible;

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use futures::StreamExt as _;
use hyper::header::CONTENT_TYPE;
use naru_error::chain;
use serde_json::{Value, json};
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

use super::error::ApiError;
use crate::engine::Engine;
use crate::error::{EngineError, Result};
use crate::sys::trim_heap;

/// So many lines may wait for a client before it is waited for.
const WAITING_MAX: usize = 1024;

/// Takes the lines of one answer.
#[derive(Clone, Debug)]
pub(super) struct Lines {
    sender: mpsc::UnboundedSender<Result<Value>>,
    waiting: watch::Sender<usize>,
}

impl Lines {
    /// Lines, and what they are sent to.
    #[cfg(test)]
    pub(super) fn kept() -> (Self, mpsc::UnboundedReceiver<Result<Value>>) {
        let (sender, receiver) = mpsc::unbounded_channel();
        (Self { sender, waiting: watch::Sender::new(0) }, receiver)
    }

    /// Sends one; one that nobody waits for any more is dropped.
    pub(super) fn send(&self, line: Value) {
        self.waiting.send_modify(|waiting| *waiting += 1);
        drop(self.sender.send(Ok(line)));
    }

    /// Waits until the client has taken most of what was sent. Who sends without an end of it has
    /// to do so now and then. Cancel safe.
    pub(super) async fn room(&self) {
        let mut waiting = self.waiting.subscribe();
        // The sender lives in `self`, so the channel cannot close meanwhile.
        drop(waiting.wait_for(|waiting| *waiting < WAITING_MAX).await.map(drop));
    }
}

/// Does `work` and answers with the lines it sends. It ends early when the client goes away.
///
/// What fails before the first line keeps its HTTP status; what fails later is a line.
pub(super) async fn answer<W>(
    engine: &Engine,
    work: impl FnOnce(Lines) -> W,
) -> Result<Response, ApiError>
where
    W: Future<Output = Result<()>> + Send + 'static,
{
    let cancelled = CancellationToken::new();
    // Dropped with the answer's stream.
    let guard = cancelled.clone().drop_guard();
    let (sender, mut lines) = mpsc::unbounded_channel();
    let waiting = watch::Sender::new(0);
    let work = work(Lines { sender: sender.clone(), waiting: waiting.clone() });
    engine.tasks().spawn(async move {
        tokio::select! {
            outcome = work => {
                if let Err(error) = outcome {
                    drop(sender.send(Err(error)));
                }
            }
            () = cancelled.cancelled() => {}
        }
        trim_heap();
    });
    let first = match lines.recv().await {
        Some(Ok(line)) => line,
        Some(Err(error)) => return Err(error.into()),
        None => json!({}),
    };
    waiting.send_modify(|waiting| *waiting = waiting.saturating_sub(1));
    let rest =
        futures::stream::unfold((lines, guard, waiting), |(mut lines, guard, waiting)| async {
            let line = lines.recv().await?.unwrap_or_else(|error| failure(&error));
            waiting.send_modify(|waiting| *waiting = waiting.saturating_sub(1));
            Some((line, (lines, guard, waiting)))
        });
    let body = futures::stream::once(std::future::ready(first))
        .chain(rest)
        .map(|line| Ok::<_, Infallible>(format!("{line}\r\n")));
    Ok(([(CONTENT_TYPE, "application/json")], Body::from_stream(body)).into_response())
}

fn failure(error: &EngineError) -> Value {
    let message = chain(error);
    let mut line = json!({ "errorDetail": { "message": message }, "error": message });
    // What the client's command ends with.
    if let EngineError::Build(error) = error
        && let Some(code) = error.exit_code()
    {
        line["errorDetail"]["code"] = code.into();
    }
    line
}
