//! `container.logs`.

use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::Method;
use hyper::body::Incoming;
use naru_ipc::{ContainerLogs, IpcError, OutputChunk};

use super::check_container;
use super::container::has_terminal;
use crate::output::{self, Decoder};
use crate::streams::OpenStream;
use crate::{App, AppError, http, local};

impl App {
    /// `container.logs`: returns when the stream is open; its last chunk is `end`.
    pub async fn container_logs(
        &self,
        request: ContainerLogs,
        sink: impl Fn(OutputChunk) -> bool + Send + Sync + 'static,
    ) -> Result<(), IpcError> {
        let (stream, decoder, body) = self.open_logs(&request).await?;
        self.inner.tasks.spawn(async move {
            tokio::select! {
                () = stream.closed() => {}
                () = forward(body, decoder, &sink) => {}
            }
            sink(output::end());
        });
        Ok(())
    }

    async fn open_logs(
        &self,
        request: &ContainerLogs,
    ) -> Result<(OpenStream, Decoder, Incoming), AppError> {
        check_container(&request.id)?;
        let inner = &self.inner;
        let tty = has_terminal(&inner.docker()?, &request.id).await?;
        let stream = inner.streams.open(&request.stream_id, None)?;
        // Not through bollard: it holds a terminal's output back until its line ends.
        let path = format!(
            "/containers/{}/logs?follow=1&stdout=1&stderr=1&tail={}",
            request.id, request.tail
        );
        let connection = local::connect(&inner.directories.docker_socket()).await;
        let connection = connection.map_err(|source| AppError::OwnerSilent { source })?;
        let request = http::request(Method::GET, &path, None, Vec::new())?;
        let response = http::send(connection, &inner.tasks, request).await?;
        Ok((stream, Decoder::new(tty), response.into_body()))
    }
}

/// Gives the sink what comes, until it comes no more or the sink's receiver is gone.
async fn forward(
    mut body: Incoming,
    mut decoder: Decoder,
    sink: &(impl Fn(OutputChunk) -> bool + Sync),
) {
    while let Some(frame) = body.frame().await {
        let bytes: Bytes = match frame.map(hyper::body::Frame::into_data) {
            Ok(Ok(bytes)) => bytes,
            Ok(Err(_trailers)) => continue,
            Err(error) => return tracing::debug!(%error, "log stream broke off"),
        };
        if !decoder.decode(bytes).into_iter().all(sink) {
            return;
        }
    }
}
