//! A client as long as the proxy itself speaks with it.

use std::future::pending;
use std::io;
use std::time::Duration;

use bytes::{Buf, BufMut, BytesMut};
use naru_protocol::ping;
use serde_json::json;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, copy, sink};
use tokio::time::timeout;

use super::head::{Asked, Ping, understand};
use crate::copy::client_to_server;
use crate::local::Stream;

/// How much is read of what there is no engine for yet. A longer request is left where
/// it is, and its client waits.
const MAX_AHEAD: usize = 64 * 1024;
/// How much room is made for one read.
const READ: usize = 4 * 1024;
/// How long a client may take to ask, and to take an answer.
const PATIENCE: Duration = Duration::from_secs(10);

/// A connection, and what was read of it and not yet answered or passed on.
#[derive(Debug)]
pub(super) struct Client {
    stream: Stream,
    ahead: BytesMut,
}

impl Client {
    pub(super) fn new(stream: Stream) -> Self {
        Self { stream, ahead: BytesMut::new() }
    }

    /// Whether there is something to be answered.
    pub(super) fn has_asked(&self) -> bool {
        !self.ahead.is_empty()
    }

    /// What the client asks, as soon as that can be told; nothing when it has gone.
    /// Cancel safe.
    pub(super) async fn asks(&mut self) -> io::Result<Option<Asked>> {
        loop {
            if let Some(asked) = understand(&self.ahead) {
                return Ok(Some(asked));
            }
            if self.ahead.len() == MAX_AHEAD {
                return Ok(Some(Asked::Other));
            }
            if !self.read().await? {
                return Ok(None);
            }
        }
    }

    /// Waits until the client goes, and keeps what it sends meanwhile. To send no more
    /// is to go: the engine's HTTP server sees it in the same way. Cancel safe.
    pub(super) async fn gone(&mut self) -> io::Result<()> {
        while self.read().await? {}
        Ok(())
    }

    /// Reads some bytes; false at the end. Cancel safe.
    async fn read(&mut self) -> io::Result<bool> {
        let room = MAX_AHEAD - self.ahead.len();
        if room == 0 {
            return pending().await;
        }
        self.ahead.reserve(room.min(READ));
        let mut limited = (&mut self.ahead).limit(room);
        Ok(self.stream.read_buf(&mut limited).await? > 0)
    }

    /// Answers a ping as the engine does; false if the connection ends with it.
    pub(super) async fn answer(&mut self, ping: Ping) -> io::Result<bool> {
        self.ahead.advance(ping.length);
        let headers = ping::SERVER_HEADERS.iter().chain(&ping::HEADERS);
        let headers: Vec<_> = headers.map(|(name, value)| format!("{name}: {value}\r\n")).collect();
        let headers = headers.concat();
        let connection = if ping.last { "connection: close\r\n" } else { "" };
        let body = if ping.head_only { "" } else { ping::BODY };
        let length = body.len();
        let answer = format!(
            "HTTP/1.1 200 OK\r\n{headers}{connection}content-length: {length}\r\n\r\n{body}"
        );
        self.say(&answer, ping.last).await?;
        Ok(!ping.last)
    }

    /// Answers what was asked with 503, in Docker's shape.
    pub(super) async fn refuse(&mut self, message: &str) -> io::Result<()> {
        let body = json!({ "message": message }).to_string();
        let head = format!(
            "HTTP/1.1 503 Service Unavailable\r\ncontent-type: application/json\r\n\
             content-length: {}\r\nconnection: close\r\n\r\n",
            body.len()
        );
        let body = if self.ahead.starts_with(b"HEAD ") { "" } else { &body };
        self.say(&format!("{head}{body}"), true).await
    }

    async fn say(&mut self, answer: &str, last: bool) -> io::Result<()> {
        in_time(async {
            self.stream.write_all(answer.as_bytes()).await?;
            if last {
                self.stream.shutdown().await?;
            }
            Ok(())
        })
        .await
    }

    /// Waits for what is asked, and refuses it.
    pub(super) async fn part(&mut self, message: &str) -> io::Result<()> {
        if in_time(self.asks()).await?.is_some() {
            self.refuse(message).await?;
            self.leave().await?;
        }
        Ok(())
    }

    /// Lets a client that was refused go: a socket closed with bytes unread takes the
    /// answer away from it.
    pub(super) async fn leave(&mut self) -> io::Result<()> {
        in_time(copy(&mut self.stream, &mut sink())).await.map(drop)
    }

    /// Passes everything on to `engine`, and its answers back, until the engine is done.
    pub(super) async fn pass_on<S>(&mut self, engine: S) -> io::Result<()>
    where
        S: AsyncRead + AsyncWrite,
    {
        client_to_server(&mut self.stream, &self.ahead, engine).await
    }
}

async fn in_time<T>(exchange: impl Future<Output = io::Result<T>>) -> io::Result<T> {
    timeout(PATIENCE, exchange).await.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
}
