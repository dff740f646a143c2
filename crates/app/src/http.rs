//! HTTP/1.1 over a byte stream that is there already: one connection, one request.

use std::error::Error;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::{Body, Incoming};
use hyper::client::conn::http1;
use hyper::header::{CONNECTION, CONTENT_TYPE, HOST, UPGRADE};
use hyper::upgrade::{self, Upgraded};
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use serde::Deserialize;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::timeout;
use tokio_util::task::TaskTracker;

use crate::AppError;

/// How long the engine may take to begin its answer to a request of ours.
pub(crate) const ANSWER_DEADLINE: Duration = Duration::from_secs(30);
/// The largest answer that is read whole.
const MAX_BODY: usize = 16 << 20;

/// A connection that has become a raw byte stream.
pub(crate) type RawStream = TokioIo<Upgraded>;

/// Sends one request over `stream` and gives the answer's head; its body comes as it
/// is read. An answer with an error status is an error with the engine's message.
pub(crate) async fn send<S>(
    stream: S,
    tasks: &TaskTracker,
    request: Request<Full<Bytes>>,
) -> Result<Response<Incoming>, AppError>
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    send_within(ANSWER_DEADLINE, stream, tasks, request).await
}

/// The same of a request whose answer may take so long, its own body included.
pub(crate) async fn send_within<S, B>(
    deadline: Duration,
    stream: S,
    tasks: &TaskTracker,
    request: Request<B>,
) -> Result<Response<Incoming>, AppError>
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    B: Body + Send + 'static,
    B::Data: Send,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    let path = request.uri().path().to_owned();
    let exchange = async {
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
        // Ends when the exchange does: its errors are those of the exchange.
        tasks.spawn(async move { drop(connection.with_upgrades().await) });
        sender.send_request(request).await
    };
    let response = timeout(deadline, exchange)
        .await
        .map_err(|_| AppError::Deadline { what: "the engine's answer" })?
        .map_err(|source| AppError::Http { path: path.clone(), source })?;
    let status = response.status();
    if status.is_success() || status == StatusCode::SWITCHING_PROTOCOLS {
        return Ok(response);
    }
    let body = read_whole(&path, response).await.unwrap_or_default();
    Err(AppError::Refused { path, status: status.as_u16(), message: message_of(&body, status) })
}

/// Sends one request with an `Upgrade` header and gives the raw stream after the 101.
pub(crate) async fn upgrade<S>(
    stream: S,
    tasks: &TaskTracker,
    request: Request<Full<Bytes>>,
) -> Result<RawStream, AppError>
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let path = request.uri().path().to_owned();
    let response = send(stream, tasks, request).await?;
    let status = response.status();
    if status != StatusCode::SWITCHING_PROTOCOLS {
        let message = "the engine did not switch protocols".to_owned();
        return Err(AppError::Refused { path, status: status.as_u16(), message });
    }
    let upgraded = upgrade::on(response).await.map_err(|source| AppError::Http { path, source })?;
    Ok(TokioIo::new(upgraded))
}

/// Reads an answer's body, up to a limit that no answer we ask for reaches.
pub(crate) async fn read_whole(
    path: &str,
    response: Response<Incoming>,
) -> Result<Bytes, AppError> {
    let body = Limited::new(response.into_body(), MAX_BODY);
    let read = timeout(ANSWER_DEADLINE, body.collect());
    let collected = read.await.map_err(|_| AppError::Deadline { what: "the engine's answer" })?;
    collected.map(http_body_util::Collected::to_bytes).map_err(|_| AppError::Refused {
        path: path.to_owned(),
        status: 200,
        message: "the engine's answer broke off".to_owned(),
    })
}

/// A request to the engine. `upgrade` names the protocol to switch to, if any.
pub(crate) fn request(
    method: Method,
    path_and_query: &str,
    upgrade: Option<&str>,
    body: Vec<u8>,
) -> Result<Request<Full<Bytes>>, AppError> {
    let mut builder = Request::builder().method(method).uri(path_and_query).header(HOST, "naru");
    if let Some(protocol) = upgrade {
        builder = builder.header(CONNECTION, "Upgrade").header(UPGRADE, protocol);
    }
    if !body.is_empty() {
        builder = builder.header(CONTENT_TYPE, "application/json");
    }
    builder
        .body(Full::new(Bytes::from(body)))
        .map_err(|_| AppError::InvalidName { what: "path", name: path_and_query.to_owned() })
}

/// The message in an error's body, whose shape is Docker's `{"message": "…"}`.
fn message_of(body: &[u8], status: StatusCode) -> String {
    #[derive(Deserialize)]
    struct Failure {
        message: String,
    }
    match serde_json::from_slice::<Failure>(body) {
        Ok(failure) => failure.message,
        Err(_) => format!("the engine answered {status}"),
    }
}

#[cfg(test)]
mod tests {
    use std::io;

    use futures::stream;
    use http_body_util::StreamBody;
    use hyper::body::Frame;
    use tokio::io::{AsyncReadExt as _, duplex};

    use super::*;

    #[tokio::test]
    async fn a_body_that_is_given_up_breaks_off_and_has_no_end() {
        let (ours, mut theirs) = duplex(4096);
        let piece = || Ok::<_, io::Error>(Frame::data(Bytes::from_static(b"piece")));
        let body = StreamBody::new(stream::repeat_with(piece));
        let request = Request::put("/archive").body(body).unwrap();
        let tasks = TaskTracker::new();
        let mut begun = [0; 64];
        tokio::select! {
            answer = send_within(ANSWER_DEADLINE, ours, &tasks, request) => {
                panic!("nobody answered: {answer:?}");
            }
            read = theirs.read_exact(&mut begun) => drop(read.unwrap()),
        }
        let mut rest = Vec::new();
        timeout(ANSWER_DEADLINE, theirs.read_to_end(&mut rest)).await.unwrap().unwrap();
        assert!(!rest.ends_with(b"0\r\n\r\n"), "it looks whole");
    }
}
