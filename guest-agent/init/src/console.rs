//! What init says: one line at a time on the console.

use std::io::{self, Write};

use rustix::time::{ClockId, clock_gettime};

/// Says what happened.
pub(crate) fn info(message: &str) {
    write_line("", message);
}

/// Says what went wrong.
pub(crate) fn error(message: &str) {
    write_line("error: ", message);
}

fn write_line(level: &str, message: &str) {
    let now = clock_gettime(ClockId::Monotonic);
    let millis = now.tv_nsec / 1_000_000;
    let line = format!("[{:5}.{millis:03}] init: {level}{message}\n", now.tv_sec);
    // One write, so that lines of the engine do not land in the middle of it. There is
    // nobody to tell if the console itself is gone.
    drop(io::stderr().write_all(line.as_bytes()));
}
