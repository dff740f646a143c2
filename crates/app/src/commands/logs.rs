//! `container.logs`.

use std::path::Path;

use bytes::Bytes;
use futures::{StreamExt, stream};
use http_body_util::BodyExt;
use hyper::Method;
use hyper::body::Incoming;
use naru_ipc::{ContainerLogs, ContainerSaveLogs, IpcError, OutputChunk};

use super::check_container;
use super::container::has_terminal;
use crate::local_file::receive;
use crate::output::{self, Decoder};
use crate::streams::OpenStream;
use crate::{App, AppError, http};

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

    /// `container.save_logs`.
    pub async fn container_save_logs(&self, request: ContainerSaveLogs) -> Result<(), IpcError> {
        let ContainerSaveLogs { id, path, timestamps } = request;
        check_container(&id)?;
        let query = format!("tail=all&timestamps={}", u8::from(timestamps));
        let (mut decoder, body) = self.logs(&id, &query).await?;
        let pieces = body.into_data_stream().map(move |bytes| match bytes {
            Ok(bytes) => {
                let pieces = decoder.split(bytes).into_iter().map(|(_, piece)| Ok(piece));
                stream::iter(pieces.collect::<Vec<_>>())
            }
            Err(source) => {
                let path = "/logs".to_owned();
                stream::iter(vec![Err(AppError::Http { path, source })])
            }
        });
        Ok(receive(Path::new(&path), pieces.flatten()).await?)
    }

    async fn open_logs(
        &self,
        request: &ContainerLogs,
    ) -> Result<(OpenStream, Decoder, Incoming), AppError> {
        check_container(&request.id)?;
        let stream = self.inner.streams.open(&request.stream_id, None)?;
        let query = format!("follow=1&timestamps=1&tail={}", request.tail);
        let (decoder, body) = self.logs(&request.id, &query).await?;
        Ok((stream, decoder, body))
    }

    async fn logs(&self, id: &str, query: &str) -> Result<(Decoder, Incoming), AppError> {
        let tty = has_terminal(&self.inner.docker()?, id).await?;
        // Not through bollard: it holds a terminal's output back until its line ends.
        let path = format!("/containers/{id}/logs?stdout=1&stderr=1&{query}");
        let request = http::request(Method::GET, &path, None, Vec::new())?;
        Ok((Decoder::new(tty), self.inner.ask(request).await?.into_body()))
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
