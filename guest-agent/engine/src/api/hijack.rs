//! A connection taken over for a raw byte stream: attach, exec, tunnels.

use axum::body::Body;
use axum::extract::Request;
use axum::response::Response;
use hyper::StatusCode;
use hyper::header::{CONNECTION, CONTENT_TYPE, HeaderValue, UPGRADE};
use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper_util::rt::TokioIo;
use naru_protocol::version::ApiVersion;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, copy, split};

use super::detach::DetachKeys;
use super::error::ApiError;

/// Bytes of a terminal, unframed.
pub(super) const RAW_STREAM: &str = "application/vnd.docker.raw-stream";
/// Frames of stdout and stderr.
pub(super) const MULTIPLEXED_STREAM: &str = "application/vnd.docker.multiplexed-stream";

/// From this version on a stream without a terminal says that it is framed.
const SAYS_MULTIPLEXED: ApiVersion = ApiVersion::new(1, 42);

/// What a stream says that it is.
pub(super) fn stream_type(tty: bool, version: ApiVersion) -> &'static str {
    if tty || version < SAYS_MULTIPLEXED { RAW_STREAM } else { MULTIPLEXED_STREAM }
}

/// Who ended a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ended {
    ByProcess,
    /// The client typed the keys for it; the process goes on.
    Detached,
}

/// The client's end of a connection that was taken over.
pub(super) type Client = TokioIo<Upgraded>;

/// Answers 101 with `content_type`, and gives what becomes of the connection after it.
pub(super) fn hijack(
    request: &mut Request,
    content_type: &'static str,
) -> Result<(Response, OnUpgrade), ApiError> {
    let Some(wanted) = request.headers().get(UPGRADE).cloned() else {
        return Err(ApiError::invalid(
            "this request needs the headers Connection: Upgrade and Upgrade",
        ));
    };
    let upgrade = hyper::upgrade::on(request);
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
    headers.insert(UPGRADE, wanted);
    Ok((response, upgrade))
}

/// Copies both ways between a client and a process until the process's side ends.
///
/// The client's half-close is passed on and ends nothing else: output goes on. Once the
/// process's side has ended `finally` is awaited, so that whatever the client asks next
/// finds it settled, and only then is the connection closed. With a terminal the detach
/// keys end it too.
pub(super) async fn join(
    client: Client,
    process: impl AsyncRead + AsyncWrite,
    keys: Option<DetachKeys>,
    finally: impl Future<Output = ()>,
) -> Ended {
    let (mut from_client, mut to_client) = split(client);
    let (mut from_process, mut to_process) = split(process);
    let input = async {
        // Errors of either side end this direction only.
        match keys {
            None => drop(copy(&mut from_client, &mut to_process).await),
            Some(keys) => {
                if let Ok(true) = type_in(&mut from_client, &mut to_process, &keys).await {
                    return;
                }
            }
        }
        drop(to_process.shutdown().await);
        std::future::pending::<()>().await;
    };
    let output = async {
        drop(copy(&mut from_process, &mut to_client).await);
    };
    let ended = tokio::select! {
        () = input => Ended::Detached,
        () = output => Ended::ByProcess,
    };
    if ended == Ended::ByProcess {
        finally.await;
    }
    drop(to_client.shutdown().await);
    ended
}

/// Copies what is typed until the client says no more, or types the keys: then it is true.
async fn type_in(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    keys: &DetachKeys,
) -> std::io::Result<bool> {
    let mut watcher = keys.watcher();
    let mut buffer = vec![0; 8 * 1024];
    loop {
        let length = from.read(&mut buffer).await?;
        if length == 0 {
            return Ok(false);
        }
        let mut typed = Vec::with_capacity(length);
        let detached = watcher.feed(&buffer[..length], &mut typed);
        to.write_all(&typed).await?;
        if detached {
            return Ok(true);
        }
    }
}

/// An error of a process that could not start, as it stands where its output would have been.
pub(super) fn told(tty: bool, message: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    if tty {
        bytes.extend_from_slice(message.as_bytes());
        bytes.extend_from_slice(b"\r\n");
    } else {
        let length = u32::try_from(message.len() + 1).unwrap_or(u32::MAX);
        bytes.extend_from_slice(&[2, 0, 0, 0]);
        bytes.extend_from_slice(&length.to_be_bytes());
        bytes.extend_from_slice(message.as_bytes());
        bytes.push(b'\n');
    }
    bytes
}

/// Writes such an error.
pub(super) async fn tell(mut client: Client, error: &[u8]) {
    // The client may be gone; there is nobody else to tell.
    drop(client.write_all(error).await);
    drop(client.shutdown().await);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn streams_are_named_by_version() {
        assert_eq!(stream_type(false, ApiVersion::new(1, 41)), RAW_STREAM);
        assert_eq!(stream_type(false, ApiVersion::new(1, 42)), MULTIPLEXED_STREAM);
        assert_eq!(stream_type(true, ApiVersion::new(1, 51)), RAW_STREAM);
    }
}
