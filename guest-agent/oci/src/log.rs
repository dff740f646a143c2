//! Where errors are told: standard error, and the file that the caller reads them from.

use std::fs::OpenOptions;
use std::io::{self, Write};
use std::path::PathBuf;

use jiff::Timestamp;
use serde_json::json;

use crate::NAME;
use crate::arguments::{Global, LogFormat};

/// The caller's log.
#[derive(Debug)]
pub(crate) struct Log {
    file: Option<PathBuf>,
    format: LogFormat,
}

impl Log {
    pub(crate) fn new(global: &Global) -> Self {
        Self { file: global.log.clone(), format: global.log_format }
    }

    /// Why the command failed.
    pub(crate) fn error(&self, message: &str) {
        self.write("error", message);
    }

    /// What went wrong without the command's failing.
    pub(crate) fn warning(&self, message: &str) {
        self.write("warning", message);
    }

    fn write(&self, level: &str, message: &str) {
        // There is nobody left to tell that this cannot be told.
        drop(writeln!(io::stderr(), "{NAME}: {message}"));
        let Some(path) = &self.file else { return };
        let line = line(self.format, level, message, Timestamp::now());
        let open = OpenOptions::new().create(true).append(true).open(path);
        drop(open.and_then(|mut file| file.write_all(line.as_bytes())));
    }
}

fn line(format: LogFormat, level: &str, message: &str, time: Timestamp) -> String {
    match format {
        LogFormat::Json => {
            format!("{}\n", json!({ "level": level, "msg": message, "time": time.to_string() }))
        }
        LogFormat::Text => format!("time=\"{time}\" level={level} msg={message:?}\n"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_as_callers_of_runc_read_them() {
        let line = |format| line(format, "error", "it \"broke\"", Timestamp::UNIX_EPOCH);
        assert_eq!(
            line(LogFormat::Json),
            "{\"level\":\"error\",\"msg\":\"it \\\"broke\\\"\",\"time\":\"1970-01-01T00:00:00Z\"}\n"
        );
        assert_eq!(
            line(LogFormat::Text),
            "time=\"1970-01-01T00:00:00Z\" level=error msg=\"it \\\"broke\\\"\"\n"
        );
    }
}
