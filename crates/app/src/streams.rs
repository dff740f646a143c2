//! What is open and has a name that the window chose: logs, terminals, pulls.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::AppError;

/// Open streams by name.
#[derive(Clone, Debug)]
pub(crate) struct Streams {
    entries: Arc<Mutex<HashMap<String, Entry>>>,
    /// Closes all of them.
    cancel: CancellationToken,
}

#[derive(Debug)]
struct Entry {
    closed: CancellationToken,
    terminal: Option<Terminal>,
}

/// What a terminal's writer needs.
#[derive(Clone, Debug)]
pub(crate) struct Terminal {
    /// Bytes typed, in order.
    pub(crate) input: mpsc::Sender<Bytes>,
    /// The engine's name for the shell.
    pub(crate) exec_id: String,
    /// Whose shell it is.
    pub(crate) container_id: String,
}

/// An open stream; its name is free again when this is dropped.
#[derive(Debug)]
pub(crate) struct OpenStream {
    streams: Streams,
    stream_id: String,
    closed: CancellationToken,
}

impl Streams {
    /// None yet; `cancel` closes all that will be.
    pub(crate) fn new(cancel: CancellationToken) -> Self {
        Self { entries: Arc::default(), cancel }
    }

    /// Takes the name `stream_id`; fails when it is in use.
    pub(crate) fn open(
        &self,
        stream_id: &str,
        terminal: Option<Terminal>,
    ) -> Result<OpenStream, AppError> {
        let closed = self.cancel.child_token();
        let entry = Entry { closed: closed.clone(), terminal };
        let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        if entries.contains_key(stream_id) {
            return Err(AppError::StreamExists { stream_id: stream_id.to_owned() });
        }
        entries.insert(stream_id.to_owned(), entry);
        Ok(OpenStream { streams: self.clone(), stream_id: stream_id.to_owned(), closed })
    }

    /// Asks whoever reads the stream to end it; an unknown name is no error.
    pub(crate) fn close(&self, stream_id: &str) {
        let entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(entry) = entries.get(stream_id) {
            entry.closed.cancel();
        }
    }

    /// The terminal of this name.
    pub(crate) fn terminal(&self, stream_id: &str) -> Result<Terminal, AppError> {
        let entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        let terminal = entries.get(stream_id).and_then(|entry| entry.terminal.clone());
        terminal.ok_or_else(|| AppError::NoTerminal { stream_id: stream_id.to_owned() })
    }
}

impl OpenStream {
    /// Waits until someone closes the stream. Cancel safe.
    pub(crate) async fn closed(&self) {
        self.closed.cancelled().await;
    }
}

impl Drop for OpenStream {
    fn drop(&mut self) {
        let mut entries = self.streams.entries.lock().unwrap_or_else(PoisonError::into_inner);
        entries.remove(&self.stream_id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_name_is_taken_until_its_stream_is_dropped() {
        let streams = Streams::new(CancellationToken::new());
        let open = streams.open("a", None).unwrap();
        assert!(matches!(streams.open("a", None), Err(AppError::StreamExists { .. })));
        streams.close("a");
        open.closed().await;
        drop(open);
        drop(streams.open("a", None).unwrap());
    }

    #[tokio::test]
    async fn all_are_closed_at_the_end() {
        let cancel = CancellationToken::new();
        let open = Streams::new(cancel.clone()).open("a", None).unwrap();
        cancel.cancel();
        open.closed().await;
    }

    #[test]
    fn closing_an_unknown_stream_is_no_error_and_writing_to_it_is() {
        let streams = Streams::new(CancellationToken::new());
        streams.close("nobody");
        assert!(matches!(streams.terminal("nobody"), Err(AppError::NoTerminal { .. })));
    }
}
