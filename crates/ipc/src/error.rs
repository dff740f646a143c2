//! How a failure reaches the window.

use naru_error::ErrorKind;
use serde::{Deserialize, Serialize};
use ts_rs::TS;

use crate::hint::Hint;

/// A failed command: what kind, what happened, what to do next.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[ts(export)]
pub struct IpcError {
    /// [`ErrorKind::as_str`]; the window chooses its wording and buttons by it.
    #[ts(
        type = "\"not_found\" | \"invalid_argument\" | \"conflict\" | \"already_exists\" | \"precondition\" | \"unavailable\" | \"unauthorized\" | \"forbidden\" | \"unsupported\" | \"cancelled\" | \"deadline\" | \"internal\""
    )]
    pub kind: String,
    /// One sentence, causes included, in English (the engine's or the machine's words).
    pub message: String,
    /// What to do next, the likeliest first.
    pub hints: Vec<Hint>,
}

impl IpcError {
    /// An error of `kind` without hints.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self { kind: kind.as_str().to_owned(), message: message.into(), hints: Vec::new() }
    }

    /// The same with one more hint.
    #[must_use]
    pub fn with_hint(mut self, hint: Hint) -> Self {
        self.hints.push(hint);
        self
    }
}

impl std::fmt::Display for IpcError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for IpcError {}
