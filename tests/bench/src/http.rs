//! One HTTP request on a connection of its own.

use std::path::Path;

use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1;
use hyper::header::{CONTENT_TYPE, HOST};
use hyper::{Method, Request};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::UnixStream;

/// What a request carries, of the type that it says.
pub(crate) enum Body<'a> {
    Json(&'a str),
    Tar(Bytes),
}

impl<'a> From<&'a str> for Body<'a> {
    fn from(text: &'a str) -> Self {
        Self::Json(text)
    }
}

impl<'a> From<&'a String> for Body<'a> {
    fn from(text: &'a String) -> Self {
        Self::Json(text)
    }
}

/// Sends a request to the engine that listens on `socket`, and reads the whole answer.
/// A status that is no success is an error.
pub(crate) async fn ask(
    socket: &Path,
    method: Method,
    path: &str,
    body: impl Into<Body<'_>>,
) -> Result<Bytes> {
    let stream = UnixStream::connect(socket)
        .await
        .with_context(|| format!("connect to {}", socket.display()))?;
    ask_over(stream, method, path, body).await
}

/// The same over a stream that is there already.
pub(crate) async fn ask_over<S>(
    stream: S,
    method: Method,
    path: &str,
    body: impl Into<Body<'_>>,
) -> Result<Bytes>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (content_type, body) = match body.into() {
        Body::Json(text) => ("application/json", Bytes::copy_from_slice(text.as_bytes())),
        Body::Tar(archive) => ("application/x-tar", archive),
    };
    let request = Request::builder()
        .method(&method)
        .uri(path)
        .header(HOST, "docker")
        .header(CONTENT_TYPE, content_type)
        .body(Full::new(body))?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    // The sender goes with the exchange, which is what ends the connection.
    let exchange = async move {
        let answer = sender.send_request(request).await?;
        let status = answer.status();
        let body = answer.into_body().collect().await?.to_bytes();
        let text = || String::from_utf8_lossy(&body).into_owned();
        ensure!(status.is_success(), "{method} {path} answers {status}: {}", text());
        Ok(body)
    };
    // A connection that fails is told by the exchange.
    let (answer, _ended) = tokio::join!(exchange, connection);
    answer
}
