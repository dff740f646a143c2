//! Reading a container's log: Docker's json-file format, as the shim writes it.
//!
//! ```text
//! log.2 log.1 log ──► Scan (blocking: files, cut into lines) ──► stream ──► the client
//!                       ▲
//! shim ──files, news──► Feed
//! ```

mod driver;
mod feed;
mod files;
mod line;
mod scan;
mod stream;

pub(crate) use driver::{LogDriver, log_config, validate as validate_log_config};
pub(crate) use feed::{Feed, LogFeed, Word};
pub(crate) use files::Upto;
pub(crate) use line::LogQuery;
pub(crate) use stream::{follow, read};
