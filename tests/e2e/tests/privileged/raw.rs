//! HTTP over the host's socket by hand, for what `docker` does not show.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use anyhow::{Context, Result};
use naru_test_framework::Vm;

/// Far more than any answer takes, also that to a client which waits for a start.
const DEADLINE: Duration = Duration::from_mins(4);

/// A connection on which one request was made.
pub(crate) struct Connection(BufReader<UnixStream>);

/// The head of an answer.
pub(crate) struct Head {
    pub(crate) status: u16,
    /// In alphabetical order, without the time.
    pub(crate) headers: Vec<String>,
}

/// Sends a request without a body.
pub(crate) fn send(vm: &Vm, request: &str, headers: &[&str]) -> Result<Connection> {
    let mut stream = UnixStream::connect(vm.socket())?;
    stream.set_read_timeout(Some(DEADLINE))?;
    let headers: Vec<_> = headers.iter().map(|header| format!("{header}\r\n")).collect();
    let head = format!("{request} HTTP/1.1\r\nHost: docker\r\n{}\r\n", headers.concat());
    stream.write_all(head.as_bytes())?;
    Ok(Connection(BufReader::new(stream)))
}

impl Connection {
    /// Reads the answer's head.
    pub(crate) fn head(&mut self) -> Result<Head> {
        let mut lines = Vec::new();
        loop {
            let mut line = String::new();
            self.0.read_line(&mut line)?;
            match line.trim_end() {
                "" => break,
                line => lines.push(line.to_ascii_lowercase()),
            }
        }
        let status = lines.first().and_then(|line| line.split(' ').nth(1));
        let status = status.context("no status line")?.parse()?;
        let mut headers = lines.split_off(1);
        headers.retain(|header| !header.starts_with("date:"));
        headers.sort();
        Ok(Head { status, headers })
    }

    /// Reads so many bytes.
    pub(crate) fn read(&mut self, length: usize) -> Result<Vec<u8>> {
        let mut bytes = vec![0; length];
        self.0.read_exact(&mut bytes)?;
        Ok(bytes)
    }

    /// Reads to the end.
    pub(crate) fn rest(&mut self) -> Result<String> {
        let mut text = String::new();
        self.0.read_to_string(&mut text)?;
        Ok(text)
    }

    /// Sends more.
    pub(crate) fn write(&mut self, bytes: &[u8]) -> Result<()> {
        Ok(self.0.get_mut().write_all(bytes)?)
    }
}
