//! Requests to the engine that bollard does not know, at the socket that all clients use.

use std::error::Error;
use std::time::Duration;

use futures::{Stream, StreamExt, TryStreamExt, stream};
use http_body_util::{BodyExt, Full};
use hyper::body::{Body, Bytes, Incoming};
use hyper::{Request, Response};
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio_util::codec::{FramedRead, LinesCodec};
use tokio_util::io::StreamReader;

use crate::app::Inner;
use crate::{AppError, http, local};

/// The longest line of an answer that comes line by line.
const MAX_LINE: usize = 1 << 20;
/// How long the engine may take to read what it is handed: as long as the person waits.
const HAND_OVER_TIMEOUT: Duration = Duration::from_hours(24);

impl Inner {
    /// The answer's head; the machine has to run.
    pub(crate) async fn ask(
        &self,
        request: Request<Full<Bytes>>,
    ) -> Result<Response<Incoming>, AppError> {
        // It also says when the machine is off.
        self.docker()?;
        let connection = local::connect(&self.directories.docker_socket()).await;
        let connection = connection.map_err(|source| AppError::OwnerSilent { source })?;
        http::send(connection, &self.tasks, request).await
    }

    /// The same of a request with a body that comes piece by piece, for as long as that takes.
    pub(crate) async fn hand_over<B>(
        &self,
        request: Request<B>,
    ) -> Result<Response<Incoming>, AppError>
    where
        B: Body + Send + 'static,
        B::Data: Send,
        B::Error: Into<Box<dyn Error + Send + Sync>>,
    {
        self.docker()?;
        let connection = local::connect(&self.directories.docker_socket()).await;
        let connection = connection.map_err(|source| AppError::OwnerSilent { source })?;
        http::send_within(HAND_OVER_TIMEOUT, connection, &self.tasks, request).await
    }

    /// The whole answer, which is JSON.
    pub(crate) async fn ask_json<T: DeserializeOwned>(
        &self,
        what: &'static str,
        request: Request<Full<Bytes>>,
    ) -> Result<T, AppError> {
        let path = request.uri().path().to_owned();
        let body = http::read_whole(&path, self.ask(request).await?).await?;
        serde_json::from_slice(&body).map_err(|source| AppError::Garbled { what, source })
    }
}

/// An answer's lines, each of them JSON, as they come.
pub(crate) fn lines(response: Response<Incoming>) -> impl Stream<Item = Result<Value, AppError>> {
    let body = response.into_body().into_data_stream().map_err(std::io::Error::other);
    let lines = FramedRead::new(StreamReader::new(body), LinesCodec::new_with_max_length(MAX_LINE));
    let parsed = lines.map(|line| {
        let line = line.map_err(|error| AppError::System {
            action: "read the engine's answer",
            source: std::io::Error::other(error),
        })?;
        let what = "a line of the engine's answer";
        serde_json::from_str(&line).map_err(|source| AppError::Garbled { what, source })
    });
    // Nothing follows what cannot be read.
    let broken_off = parsed.scan(false, |broken, line| {
        let go_on = !*broken;
        *broken = line.is_err();
        std::future::ready(go_on.then_some(line))
    });
    stream::StreamExt::boxed(broken_off)
}
