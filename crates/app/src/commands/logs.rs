//! `container.logs`.

use std::fmt::Display;
use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use futures::{StreamExt, stream};
use http_body_util::BodyExt;
use hyper::Method;
use hyper::body::{Body, Incoming};
use naru_ipc::{ContainerLogs, ContainerSaveLogs, IpcError, OutputChunk};
use tokio::time::{Instant, sleep_until, timeout_at};

use super::check_container;
use super::container::has_terminal;
use crate::local_file::receive;
use crate::output::{self, Decoder, Gathered};
use crate::streams::OpenStream;
use crate::{App, AppError, http};

/// How long what a busy log says is gathered, before the window is given it.
const PAUSE: Duration = Duration::from_millis(50);
/// How many bytes are gathered at most.
const MOST: usize = 512 * 1024;

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

/// Gives the sink what comes, until it comes no more or the sink's receiver is gone. What comes
/// after a pause is given at once, the rest together at most every [`PAUSE`].
async fn forward(
    mut body: impl Body<Data = Bytes, Error: Display> + Unpin,
    mut decoder: Decoder,
    sink: &(impl Fn(OutputChunk) -> bool + Sync),
) {
    let mut gathered = Gathered::default();
    let mut due = Instant::now();
    loop {
        let next = match gathered.length() {
            0 => Ok(body.frame().await),
            MOST.. => {
                // The engine waits meanwhile.
                sleep_until(due).await;
                Err(())
            }
            _ => timeout_at(due, body.frame()).await.map_err(drop),
        };
        match next {
            Ok(Some(Ok(frame))) => {
                let bytes = frame.into_data().unwrap_or_default();
                for (source, piece) in decoder.split(bytes) {
                    gathered.push(source, &piece);
                }
            }
            Ok(Some(Err(error))) => {
                tracing::debug!(%error, "log stream broke off");
                break;
            }
            Ok(None) => break,
            Err(()) => {
                if !gathered.take().into_iter().all(sink) {
                    return;
                }
                due = Instant::now() + PAUSE;
            }
        }
    }
    // Nobody is left to tell when its receiver is gone.
    let _is_there = gathered.take().into_iter().all(sink);
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;
    use std::sync::Mutex;

    use base64::Engine;
    use base64::engine::general_purpose::STANDARD;
    use http_body_util::StreamBody;
    use hyper::body::Frame;

    use super::*;

    /// As the engine frames a line.
    fn framed(line: &str) -> Bytes {
        let length = u8::try_from(line.len()).expect("the line is short");
        Bytes::from([&[1, 0, 0, 0, 0, 0, 0, length], line.as_bytes()].concat())
    }

    async fn given(lines: Vec<String>) -> Vec<OutputChunk> {
        let frames = lines.into_iter().map(|line| Ok::<_, Infallible>(Frame::data(framed(&line))));
        let chunks = Mutex::new(Vec::new());
        let sink = |chunk| {
            chunks.lock().expect("nobody panics").push(chunk);
            true
        };
        forward(StreamBody::new(stream::iter(frames)), Decoder::new(false), &sink).await;
        chunks.into_inner().expect("nobody panics")
    }

    #[tokio::test(start_paused = true)]
    async fn a_busy_log_comes_in_few_chunks_and_whole() {
        let lines: Vec<String> = (0..50_000).map(|number| format!("line {number:94}\n")).collect();
        let chunks = given(lines.clone()).await;
        assert!(chunks.len() < 50, "{} chunks", chunks.len());
        let bytes = chunks.iter().map(|chunk| STANDARD.decode(&chunk.data).expect("it is base64"));
        assert!(bytes.flatten().eq(lines.concat().into_bytes()));
    }
}
