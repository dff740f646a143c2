//! HTTP over the engine's socket by hand, for what `docker` does not show.

use std::fmt::Write as _;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use anyhow::Context;
use naru_test_framework::DockerHost;
use serde_json::Value;

/// Far more than any answer takes.
const DEADLINE: Duration = Duration::from_mins(1);

/// A connection on which a request was made, and the head of its answer.
pub(crate) struct Connection {
    reader: BufReader<UnixStream>,
    pub(crate) status: u16,
    headers: Vec<(String, String)>,
}

/// Sends a request and reads the head of the answer.
pub(crate) fn request(
    engine: &DockerHost,
    method: &str,
    path: &str,
    headers: &[&str],
    body: &str,
) -> anyhow::Result<Connection> {
    request_at(engine.socket(), method, path, headers, body)
}

/// The same for who does not hold the engine, which may be away just now.
pub(crate) fn request_at(
    socket: &Path,
    method: &str,
    path: &str,
    headers: &[&str],
    body: impl AsRef<[u8]>,
) -> anyhow::Result<Connection> {
    let body = body.as_ref();
    let mut stream = UnixStream::connect(socket)?;
    stream.set_read_timeout(Some(DEADLINE))?;
    let mut head = format!("{method} {path} HTTP/1.1\r\nHost: docker\r\n");
    for header in headers {
        head.push_str(header);
        head.push_str("\r\n");
    }
    write!(head, "Content-Length: {}\r\n\r\n", body.len())?;
    stream.write_all(&[head.as_bytes(), body].concat())?;
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    reader.read_line(&mut line)?;
    let status = line.split(' ').nth(1).context("a status line")?.parse()?;
    let mut headers = Vec::new();
    loop {
        line.clear();
        reader.read_line(&mut line)?;
        let Some((name, value)) = line.trim_end().split_once(": ") else { break };
        headers.push((name.to_ascii_lowercase(), value.to_owned()));
    }
    Ok(Connection { reader, status, headers })
}

/// A request without a body, answered on a connection of its own.
pub(crate) fn ask(engine: &DockerHost, method: &str, path: &str) -> anyhow::Result<Connection> {
    request(engine, method, path, &["Connection: close"], "")
}

/// Asks to take over the connection.
pub(crate) fn upgrade(engine: &DockerHost, path: &str, body: &str) -> anyhow::Result<Connection> {
    let headers = ["Connection: Upgrade", "Upgrade: tcp", "Content-Type: application/json"];
    request(engine, "POST", path, &headers, body)
}

/// Sends JSON.
pub(crate) fn post(engine: &DockerHost, path: &str, body: &str) -> anyhow::Result<Connection> {
    request(engine, "POST", path, &["Connection: close", "Content-Type: application/json"], body)
}

impl Connection {
    /// A header of the answer; its name in lower case.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(found, _)| found == name).map(|(_, value)| value.as_str())
    }

    /// All that follows, unchunked where it is chunked.
    pub(crate) fn body(&mut self) -> anyhow::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        if let Some(length) = self.header("content-length") {
            let length = length.parse()?;
            return self.read(length);
        }
        if self.header("transfer-encoding") != Some("chunked") {
            self.reader.read_to_end(&mut bytes)?;
            return Ok(bytes);
        }
        loop {
            let chunk = self.chunk()?;
            if chunk.is_empty() {
                return Ok(bytes);
            }
            bytes.extend(chunk);
        }
    }

    /// Some bytes of what follows, as they come.
    pub(crate) fn read_some(&mut self, count: usize) -> anyhow::Result<Vec<u8>> {
        let mut bytes = vec![0; count];
        self.reader.read_exact(&mut bytes)?;
        Ok(bytes)
    }

    /// All that follows, as JSON.
    pub(crate) fn json(&mut self) -> anyhow::Result<Value> {
        Ok(serde_json::from_slice(&self.body()?)?)
    }

    /// The `message` of an error.
    pub(crate) fn message(&mut self) -> anyhow::Result<String> {
        let body = self.json()?;
        Ok(body["message"].as_str().context("an error has a message")?.to_owned())
    }

    /// The next piece of a body that comes in pieces; nothing at its end.
    pub(crate) fn chunk(&mut self) -> anyhow::Result<Vec<u8>> {
        let mut line = String::new();
        self.reader.read_line(&mut line)?;
        let length = u64::from_str_radix(line.trim_end(), 16)?;
        let mut bytes = Vec::new();
        self.reader.by_ref().take(length).read_to_end(&mut bytes)?;
        self.reader.read_line(&mut line)?;
        Ok(bytes)
    }

    /// Writes to a connection that was taken over.
    pub(crate) fn write(&mut self, bytes: &[u8]) -> anyhow::Result<()> {
        Ok(self.reader.get_mut().write_all(bytes)?)
    }

    /// Reads so many bytes of a connection that was taken over.
    pub(crate) fn read(&mut self, length: usize) -> anyhow::Result<Vec<u8>> {
        let mut bytes = vec![0; length];
        self.reader.read_exact(&mut bytes)?;
        Ok(bytes)
    }

    /// Reads a connection that was taken over until `text` has come.
    pub(crate) fn read_until(&mut self, text: &str) -> anyhow::Result<String> {
        let mut bytes = Vec::new();
        while !bytes.ends_with(text.as_bytes()) {
            bytes.extend(self.read(1).with_context(|| format!("{bytes:?} and then"))?);
        }
        Ok(String::from_utf8(bytes)?)
    }

    /// Writes to a connection that was taken over, and says that no more comes.
    pub(crate) fn write_all(&mut self, bytes: &[u8]) -> anyhow::Result<()> {
        self.reader.get_mut().write_all(bytes)?;
        Ok(self.reader.get_mut().shutdown(Shutdown::Write)?)
    }

    /// Reads frames of a taken-over connection to its end: which stream, and what.
    pub(crate) fn frames(&mut self) -> anyhow::Result<Vec<(u8, Vec<u8>)>> {
        let mut bytes = Vec::new();
        self.reader.read_to_end(&mut bytes)?;
        let (mut frames, mut rest) = (Vec::new(), bytes.as_slice());
        while let Some((header, behind)) = rest.split_first_chunk::<8>() {
            let [stream, 0, 0, 0, length @ ..] = *header else {
                anyhow::bail!("no frame: {header:?}");
            };
            let length = usize::try_from(u32::from_be_bytes(length))?;
            let (content, behind) = behind.split_at_checked(length).context("a whole frame")?;
            frames.push((stream, content.to_vec()));
            rest = behind;
        }
        Ok(frames)
    }
}
