//! What goes to standard output.

use std::io::{self, ErrorKind, Write};

use naru_ipc::IpcError;
use serde::Serialize;

/// Prints a line. A reader that has seen enough is no failure.
pub(crate) fn line(text: &str) -> Result<(), IpcError> {
    match writeln!(io::stdout(), "{text}") {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(crate::io_error("print", error)),
        _ => Ok(()),
    }
}

/// Prints a thing as JSON with line breaks.
pub(crate) fn json(thing: &impl Serialize) -> Result<(), IpcError> {
    let text = serde_json::to_string_pretty(thing)
        .map_err(|error| crate::io_error("write JSON", error.into()))?;
    line(&text)
}
