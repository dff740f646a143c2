//! What is wanted of a log, and how a line of it looks to the client.

use std::borrow::Cow;
use std::collections::BTreeMap;

use bytes::{BufMut as _, BytesMut};
use jiff::Timestamp;
use serde::Deserialize;

/// The length of a time as the shim writes it: nine digits of a second, in UTC.
const TIME_LEN: usize = "2024-01-01T00:00:00.000000000Z".len();

/// Docker's number of a stream in a frame's header.
const STDOUT: u8 = 1;
const STDERR: u8 = 2;
const HEADER_LEN: usize = 8;

/// What of a log is wanted.
#[derive(Clone, Debug, Default)]
#[expect(clippy::struct_excessive_bools, reason = "they are the client's independent flags")]
pub(crate) struct LogQuery {
    pub(crate) stdout: bool,
    pub(crate) stderr: bool,
    pub(crate) since: Option<Timestamp>,
    pub(crate) until: Option<Timestamp>,
    /// How many of the last lines; all when there is none.
    pub(crate) tail: Option<usize>,
    pub(crate) timestamps: bool,
    /// The attributes before each line.
    pub(crate) details: bool,
    /// No frames: the container has a terminal.
    pub(crate) raw: bool,
}

/// One line of the file.
#[derive(Debug, Deserialize)]
pub(super) struct Line<'a> {
    #[serde(borrow, default)]
    log: Cow<'a, str>,
    #[serde(borrow, default)]
    stream: Cow<'a, str>,
    #[serde(default)]
    attrs: BTreeMap<String, String>,
    #[serde(borrow)]
    time: Cow<'a, str>,
}

/// Where a line is in time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    Before,
    Within,
    /// And so is all that follows.
    After,
}

impl LogQuery {
    /// Whether a line's time matters: reading it costs more than all the rest.
    pub(super) fn is_bounded(&self) -> bool {
        self.since.is_some() || self.until.is_some()
    }

    pub(super) fn place(&self, line: &Line<'_>) -> Place {
        if !self.is_bounded() {
            return Place::Within;
        }
        match line.time.parse::<Timestamp>() {
            Ok(time) if self.until.is_some_and(|until| time > until) => Place::After,
            Ok(time) if self.since.is_none_or(|since| time >= since) => Place::Within,
            // A line without a time is none of those that were asked for.
            Ok(_) | Err(_) => Place::Before,
        }
    }

    /// Appends the line as the client gets it, if it asked for its stream.
    pub(super) fn write(&self, line: &Line<'_>, out: &mut BytesMut) {
        let (wanted, stream) = match &*line.stream {
            "stderr" => (self.stderr, STDERR),
            _ => (self.stdout, STDOUT),
        };
        if !wanted {
            return;
        }
        let start = out.len();
        if !self.raw {
            out.put_slice(&[stream, 0, 0, 0, 0, 0, 0, 0]);
        }
        if self.timestamps {
            write_time(&line.time, out);
        }
        if self.details {
            write_details(&line.attrs, out);
        }
        out.put_slice(line.log.as_bytes());
        if !self.raw {
            let length = u32::try_from(out.len() - start - HEADER_LEN).unwrap_or(u32::MAX);
            out[start + 4..start + HEADER_LEN].copy_from_slice(&length.to_be_bytes());
        }
    }
}

fn write_time(time: &str, out: &mut BytesMut) {
    match time.parse::<Timestamp>() {
        // As the shim writes it is as Docker's clients get it.
        _ if time.len() == TIME_LEN && time.ends_with('Z') => out.put_slice(time.as_bytes()),
        Ok(time) => out.put_slice(format!("{time:.9}").as_bytes()),
        Err(_) => out.put_slice(time.as_bytes()),
    }
    out.put_u8(b' ');
}

/// `a=1,b=2 `, escaped as in the query of an address, as Docker has it.
fn write_details(attributes: &BTreeMap<String, String>, out: &mut BytesMut) {
    for (index, (name, value)) in attributes.iter().enumerate() {
        if index > 0 {
            out.put_u8(b',');
        }
        write_escaped(name, out);
        out.put_u8(b'=');
        write_escaped(value, out);
    }
    out.put_u8(b' ');
}

fn write_escaped(text: &str, out: &mut BytesMut) {
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => out.put_u8(byte),
            b' ' => out.put_u8(b'+'),
            _ => out.put_slice(format!("%{byte:02X}").as_bytes()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(query: &LogQuery, line: &str) -> String {
        let mut out = BytesMut::new();
        query.write(&serde_json::from_str(line).unwrap(), &mut out);
        String::from_utf8(out.to_vec()).unwrap()
    }

    #[test]
    fn details_come_between_time_and_line() {
        let query = LogQuery {
            stdout: true,
            timestamps: true,
            details: true,
            raw: true,
            ..LogQuery::default()
        };
        let line = r#"{"log":"x\n","stream":"stdout","attrs":{"b":"2 3","a":"é,"},"time":"2026-01-01T00:00:01.000000000Z"}"#;
        assert_eq!(shown(&query, line), "2026-01-01T00:00:01.000000000Z a=%C3%A9%2C,b=2+3 x\n");
        let line = r#"{"log":"x\n","stream":"stdout","time":"2026-01-01T01:00:01.5+01:00"}"#;
        assert_eq!(shown(&query, line), "2026-01-01T00:00:01.500000000Z  x\n");
    }

    #[test]
    fn a_frame_counts_all_that_is_in_it() {
        let query = LogQuery { stderr: true, details: true, ..LogQuery::default() };
        let line = r#"{"log":"x\n","stream":"stderr","time":"2026-01-01T00:00:01Z"}"#;
        assert_eq!(shown(&query, line), "\u{2}\0\0\0\0\0\0\u{3} x\n");
        assert_eq!(shown(&query, &line.replace("stderr", "stdout")), "");
    }
}
