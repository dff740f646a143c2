//! A connection taken over for a raw byte stream: attach, exec, tunnels.

use axum::body::Body;
use axum::extract::Request;
use axum::response::Response;
use hyper::StatusCode;
use hyper::header::{CONNECTION, CONTENT_TYPE, HeaderValue, UPGRADE};
use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _, copy, split};

use super::error::ApiError;

/// Bytes of a terminal, unframed.
pub(super) const RAW_STREAM: &str = "application/vnd.docker.raw-stream";
/// Frames of stdout and stderr.
pub(super) const MULTIPLEXED_STREAM: &str = "application/vnd.docker.multiplexed-stream";

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
/// finds it settled, and only then is the connection closed.
pub(super) async fn join(
    client: Client,
    process: impl AsyncRead + AsyncWrite,
    finally: impl Future<Output = ()>,
) {
    let (mut from_client, mut to_client) = split(client);
    let (mut from_process, mut to_process) = split(process);
    let input = async {
        // Errors of either side end this direction only.
        drop(copy(&mut from_client, &mut to_process).await);
        drop(to_process.shutdown().await);
        std::future::pending::<()>().await;
    };
    let output = async {
        drop(copy(&mut from_process, &mut to_client).await);
    };
    tokio::select! {
        () = input => {}
        () = output => {}
    }
    finally.await;
    drop(to_client.shutdown().await);
}

/// Writes an error of a process that could not start where its output would have been.
pub(super) async fn tell(mut client: Client, tty: bool, message: &str) {
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
    // The client may be gone; there is nobody else to tell.
    drop(client.write_all(&bytes).await);
    drop(client.shutdown().await);
}
