//! `/containers/{id}/attach`, and the same over a web socket.

use std::future::ready;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::extract::ws::{Message, Utf8Bytes, WebSocket, WebSocketUpgrade};
use axum::extract::{Path, Request, State};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use axum::{Extension, Router};
use bytes::{Bytes, BytesMut};
use futures::stream::{BoxStream, empty};
use futures::{SinkExt as _, StreamExt as _};
use hyper::header::{CONTENT_TYPE, UPGRADE};
use hyper_util::rt::TokioIo;
use naru_protocol::version::ApiVersion;
use serde::Deserialize;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _, BufReader, copy};
use tokio::net::UnixStream;
use tokio_util::io::{ReaderStream, StreamReader};

use super::detach::DetachKeys;
use super::error::ApiError;
use super::hijack::{Client, Ended, hijack, join, stream_type};
use super::logs::check_readable;
use super::query::{Flag, Query};
use crate::container::{AttachStreams, Attached, Container, LogQuery, Upto, read_log};
use crate::engine::Engine;

/// From this version on a web socket's messages are binary.
const BINARY: ApiVersion = ApiVersion::new(1, 28);

/// The length of a frame's header, and where in it that of the frame is.
const HEADER_LEN: usize = 8;

type Answer = Result<Response, ApiError>;

pub(super) fn routes() -> Router<Engine> {
    Router::new()
        .route("/containers/{id}/attach", post(attach))
        .route("/containers/{id}/attach/ws", get(attach_by_web_socket))
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct AttachQuery {
    stream: Flag,
    stdin: Flag,
    stdout: Flag,
    stderr: Flag,
    logs: Flag,
    detach_keys: String,
}

/// What a client gets: what the log holds, then what comes.
struct Attachment {
    container: Arc<Container>,
    tty: bool,
    keys: DetachKeys,
    log: BoxStream<'static, std::io::Result<Bytes>>,
    /// Nothing for one that wants the log only.
    stream: Option<Attached>,
}

impl Attachment {
    /// Joins the streams: before the answer, so that the client may start the container
    /// after it.
    async fn of(engine: &Engine, id: &str, query: &AttachQuery) -> Result<Self, ApiError> {
        let container = engine.containers().find(id)?;
        container.check_attachable(id)?;
        let keys = DetachKeys::parse(&query.detach_keys)?;
        let record = container.record();
        let tty = record.tty();
        let streams =
            AttachStreams { stdin: query.stdin.0, stdout: query.stdout.0, stderr: query.stderr.0 };
        let mut log = empty().boxed();
        let stream = if query.logs.0 {
            check_readable(&record)?;
            let (position, stream) = engine.attach_after_log(&container, streams).await?;
            let wanted = LogQuery {
                stdout: streams.stdout,
                stderr: streams.stderr,
                raw: tty,
                ..LogQuery::default()
            };
            let path = engine.paths().log(&container.id);
            log = read_log(path, wanted, Upto::Position(position)).boxed();
            query.stream.0.then_some(stream)
        } else if query.stream.0 {
            Some(engine.attach_container(&container, streams).await?)
        } else {
            None
        };
        engine.container_event(&container, "attach", []);
        Ok(Self { container, tty, keys, log, stream })
    }
}

/// The process's stream once there is one, unless the engine ends before.
async fn joined(engine: &Engine, stream: Option<Attached>) -> Option<UnixStream> {
    engine.shutdown().run_until_cancelled(stream?.joined()).await?
}

async fn attach(
    State(engine): State<Engine>,
    Extension(version): Extension<ApiVersion>,
    Path(id): Path<String>,
    Query(query): Query<AttachQuery>,
    mut request: Request,
) -> Answer {
    let attachment = Attachment::of(&engine, &id, &query).await?;
    let content_type = stream_type(attachment.tty, version);
    if !request.headers().contains_key(UPGRADE) {
        return Ok(as_body(engine, attachment, content_type));
    }
    let (response, upgrade) = hijack(&mut request, content_type)?;
    let tasks = engine.tasks().clone();
    tasks.spawn(async move {
        if let Ok(client) = upgrade.await {
            serve(&engine, TokioIo::new(client), attachment).await;
        }
    });
    Ok(response)
}

async fn serve(engine: &Engine, mut client: Client, attachment: Attachment) {
    let Attachment { container, tty, keys, log, stream } = attachment;
    if copy(&mut StreamReader::new(log), &mut client).await.is_err() {
        return;
    }
    match joined(engine, stream).await {
        Some(stream) => {
            let keys = tty.then_some(keys);
            if join(client, stream, keys, ready(())).await == Ended::Detached {
                engine.container_event(&container, "detach", []);
            }
        }
        None => drop(client.shutdown().await),
    }
}

/// For clients that do not upgrade: the output as the answer's body, no input.
fn as_body(engine: Engine, attachment: Attachment, content_type: &'static str) -> Response {
    let stream = async move { joined(&engine, attachment.stream).await };
    let stream = futures::stream::once(stream);
    let live = stream.filter_map(|stream| ready(stream.map(ReaderStream::new))).flatten();
    ([(CONTENT_TYPE, content_type)], Body::from_stream(attachment.log.chain(live))).into_response()
}

/// Web sockets carry no frames: what comes is what was written, whichever stream it is of.
async fn attach_by_web_socket(
    State(engine): State<Engine>,
    Extension(version): Extension<ApiVersion>,
    Path(id): Path<String>,
    Query(query): Query<AttachQuery>,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Answer {
    let upgrade = upgrade.map_err(|rejected| ApiError::invalid(rejected.body_text()))?;
    let attachment = Attachment::of(&engine, &id, &query).await?;
    let wrap: fn(Bytes) -> Message = if version < BINARY { text } else { Message::Binary };
    let tasks = engine.tasks().clone();
    Ok(upgrade.on_upgrade(move |socket| {
        tasks.track_future(serve_web_socket(engine, socket, attachment, wrap))
    }))
}

#[expect(clippy::needless_pass_by_value, reason = "it stands where the binary one does")]
fn text(bytes: Bytes) -> Message {
    Message::Text(Utf8Bytes::from(String::from_utf8_lossy(&bytes).into_owned()))
}

async fn serve_web_socket(
    engine: Engine,
    socket: WebSocket,
    attachment: Attachment,
    wrap: fn(Bytes) -> Message,
) {
    let Attachment { container, tty, keys, log, stream } = attachment;
    let (mut to_client, mut from_client) = socket.split();
    let mut log = StreamReader::new(log);
    while let Ok(Some(bytes)) = next_output(&mut log, tty).await {
        if to_client.send(wrap(bytes)).await.is_err() {
            return;
        }
    }
    if let Some(stream) = joined(&engine, stream).await {
        let (from_process, mut to_process) = stream.into_split();
        let input = async {
            let mut watcher = keys.watcher();
            while let Some(Ok(message)) = from_client.next().await {
                let bytes = match message {
                    Message::Text(text) => Bytes::copy_from_slice(text.as_bytes()),
                    Message::Binary(bytes) => bytes,
                    Message::Ping(_) | Message::Pong(_) => continue,
                    Message::Close(_) => break,
                };
                let mut typed = Vec::new();
                let detached = tty && watcher.feed(&bytes, &mut typed);
                let bytes = if tty { typed.as_slice() } else { &bytes };
                // A process that reads no more still writes.
                drop(to_process.write_all(bytes).await);
                if detached {
                    return true;
                }
            }
            // A web socket has no half that could stay open.
            false
        };
        let output = async {
            let mut from_process = BufReader::new(from_process);
            while let Ok(Some(bytes)) = next_output(&mut from_process, tty).await {
                if to_client.send(wrap(bytes)).await.is_err() {
                    break;
                }
            }
            false
        };
        let detached =
            tokio::select! { detached = input => detached, detached = output => detached };
        if detached {
            engine.container_event(&container, "detach", []);
        }
    }
    drop(to_client.close().await);
}

/// What is read next of a stream: some bytes of a terminal's, or a frame's content.
async fn next_output(
    from: &mut (impl AsyncRead + Unpin),
    tty: bool,
) -> std::io::Result<Option<Bytes>> {
    let mut bytes = BytesMut::new();
    if tty {
        let length = from.read_buf(&mut bytes).await?;
        return Ok((length > 0).then(|| bytes.freeze()));
    }
    let mut header = [0; HEADER_LEN];
    if from.read(&mut header[..1]).await? == 0 {
        return Ok(None);
    }
    from.read_exact(&mut header[1..]).await?;
    let [_, _, _, _, length @ ..] = header;
    bytes.resize(usize::try_from(u32::from_be_bytes(length)).unwrap_or_default(), 0);
    from.read_exact(&mut bytes).await?;
    Ok(Some(bytes.freeze()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn frames_lose_their_headers_and_a_terminals_bytes_have_none() {
        let mut framed: &[u8] = b"\x01\0\0\0\0\0\0\x03out\x02\0\0\0\0\0\0\x04err\n";
        assert_eq!(next_output(&mut framed, false).await.unwrap().unwrap(), "out");
        assert_eq!(next_output(&mut framed, false).await.unwrap().unwrap(), "err\n");
        assert_eq!(next_output(&mut framed, false).await.unwrap(), None);
        let mut cut: &[u8] = b"\x01\0\0\0\0\0\0\x03ou";
        next_output(&mut cut, false).await.unwrap_err();
        let mut raw: &[u8] = b"\x01 raw";
        assert_eq!(next_output(&mut raw, true).await.unwrap().unwrap(), "\x01 raw");
        assert_eq!(next_output(&mut raw, true).await.unwrap(), None);
    }
}
