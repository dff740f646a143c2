//! What the agent says on standard error.

use std::env;
use std::io::{IsTerminal as _, stderr};

use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::format::FmtSpan;

/// `RUST_LOG`, as `tracing-subscriber` has it.
const FILTER: &str = EnvFilter::DEFAULT_ENV;

/// Begins to log: from `info` on unless the environment says otherwise. With `debug` each
/// step on the way of a request says how long it took.
pub(crate) fn begin() {
    let filter =
        EnvFilter::builder().with_default_directive(tracing::Level::INFO.into()).from_env_lossy();
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_span_events(FmtSpan::CLOSE)
        .with_writer(stderr)
        .with_ansi(stderr().is_terminal())
        .init();
}

/// The same for a process that has nothing to say unless it is asked, and whose start
/// somebody waits for.
pub(crate) fn begin_if_asked() {
    if env::var_os(FILTER).is_some() {
        begin();
    }
}
