//! `POST /images/create`: a pull, or with `fromSrc` the import of a file system's archive, which
//! becomes an image of one layer. The archive is the request's body, or is fetched from the web.

use std::io::{self, ErrorKind};
use std::task::Poll;

use axum::body::{Body, HttpBody as _};
use axum::extract::{FromRequestParts as _, Request, State};
use axum::response::{IntoResponse as _, Response};
use bollard_stubs::models::ContainerConfig;
use bytes::Bytes;
use futures::{Stream, StreamExt as _};
use hyper::header::CONTENT_TYPE;
use jiff::Timestamp;
use naru_error::chain;
use naru_image_store::{Digest, ImageReference, MadeImage, Platform, WebFile, WebUrl};
use serde_json::json;
use tokio_util::sync::CancellationToken;

use super::commit::changes;
use super::error::ApiError;
use super::image_pull::{self, reference};
use super::lines::{self, Lines};
use super::query::Query;
use super::transfer::BodyReader;
use crate::changes::apply_changes;
use crate::engine::Engine;
use crate::error::{EngineError, Result};
use crate::image_document::{Base, ImageDocument};
use crate::sys::trim_heap;

pub(super) async fn create(
    State(engine): State<Engine>,
    request: Request,
) -> Result<Response, ApiError> {
    let (mut parts, body) = request.into_parts();
    let Query::<Vec<_>>(query) = Query::from_request_parts(&mut parts, &engine).await?;
    if let Some(import) = Import::parse(&query)? {
        return import.run(engine, body).await;
    }
    let query = Query::from_request_parts(&mut parts, &engine).await?;
    image_pull::create(State(engine), query, parts.headers).await
}

/// What is to be imported, and as what.
#[derive(Debug)]
struct Import {
    source: Option<WebUrl>,
    target: Option<ImageReference>,
    config: ContainerConfig,
    message: String,
    platform: Platform,
}

impl Import {
    /// What is asked for, checked; none if it is a pull.
    fn parse(query: &[(String, String)]) -> Result<Option<Self>, ApiError> {
        let text = |key: &str| {
            let found = query.iter().find(|(name, _)| name == key);
            found.map(|(_, value)| value.as_str()).unwrap_or_default()
        };
        let source: Option<WebUrl> = match text("fromSrc") {
            "" => return Ok(None),
            "-" => None,
            url => Some(url.parse().map_err(|error| ApiError::invalid(chain(&error)))?),
        };
        let target = match text("repo") {
            "" => None,
            repository => Some(reference(repository, text("tag"))?),
        };
        if target.as_ref().is_some_and(|target| target.digest().is_some()) {
            return Err(ApiError::invalid("cannot import digest reference"));
        }
        let config = apply_changes(ContainerConfig::default(), &changes(query));
        let message = match (text("message"), &source) {
            ("", Some(url)) => format!("Imported from {url}"),
            ("", None) => "Imported from -".to_owned(),
            (message, _) => message.to_owned(),
        };
        let platform = match text("platform") {
            "" => Platform::host(),
            text => text.parse().map_err(|error| ApiError::invalid(chain(&error)))?,
        };
        Ok(Some(Self { source, target, config: config?, message, platform }))
    }

    /// A client that goes away ends it: then its archive ends before its end.
    async fn run(self, engine: Engine, body: Body) -> Result<Response, ApiError> {
        if let Some(url) = self.source.clone() {
            let fetching = engine.clone();
            return lines::answer(&engine, |lines| self.fetch(fetching, url, lines)).await;
        }
        engine.images().check_room(body.size_hint().lower()).map_err(EngineError::from)?;
        let id = self.take(&engine, BodyReader::new(body)).await;
        trim_heap();
        let line = format!("{}\r\n", json!({ "status": id?.to_string() }));
        Ok(([(CONTENT_TYPE, "application/json")], line).into_response())
    }

    async fn fetch(self, engine: Engine, url: WebUrl, lines: Lines) -> Result<()> {
        let file = engine.images().fetch(&url).await?;
        engine.images().check_room(file.size().unwrap_or(0))?;
        lines.send(json!({ "status": format!("Downloading from {url}") }));
        // The archive is read on a thread of its own, which is to end when this is dropped.
        let given_up = CancellationToken::new();
        let _guard = given_up.clone().drop_guard();
        let body = Body::from_stream(coming(file, lines.clone(), given_up));
        let id = self.take(&engine, BodyReader::new(body)).await?;
        lines.send(json!({ "status": id.to_string() }));
        Ok(())
    }

    async fn take(self, engine: &Engine, archive: BodyReader) -> Result<Digest> {
        let layer = engine.images().take_layer(archive).await?;
        let document = ImageDocument {
            base: Base::Nothing(&self.platform),
            config: &self.config,
            container: None,
            author: "",
            comment: &self.message,
            layer: Some(layer.diff_id()),
        };
        let config = document.write(Timestamp::now())?;
        let tag = self.target.clone();
        let made = MadeImage { base: None, layer: Some(layer), config, tag };
        let id = engine.images().add_image(made).await?.id;
        let shown = id.to_string();
        if let Some(target) = &self.target {
            engine.image_event("tag", &shown, &target.familiar());
        }
        engine.image_event("import", &shown, &shown);
        Ok(id)
    }
}

/// A file's bytes, with a line now and then that says how many have come.
fn coming(
    file: WebFile,
    lines: Lines,
    given_up: CancellationToken,
) -> impl Stream<Item = io::Result<Bytes>> + Send + 'static {
    // As Docker: no size is none.
    let total = file.size().unwrap_or(0);
    let stream = Box::pin(file.into_stream().take_until(given_up.clone().cancelled_owned()));
    let ended = futures::stream::poll_fn(move |_| {
        // What was given up must not look like a whole archive.
        let error = given_up.is_cancelled().then(|| Err(ErrorKind::Interrupted.into()));
        Poll::Ready(error)
    });
    let mut meter = Meter::default();
    stream.chain(ended).inspect(move |chunk| {
        if let Ok(chunk) = chunk
            && let Some(current) = meter.count(chunk.len())
        {
            lines.send(json!({
                "status": "Importing", "progressDetail": { "current": current, "total": total },
            }));
        }
    })
}

/// Counts bytes, and says at each step of them how many there were.
#[derive(Debug, Default)]
struct Meter {
    current: usize,
    told: usize,
}

impl Meter {
    const STEP: usize = 512 << 10;

    fn count(&mut self, bytes: usize) -> Option<usize> {
        let is_first = self.current == 0;
        self.current += bytes;
        if !is_first && self.current - self.told < Self::STEP {
            return None;
        }
        self.told = self.current;
        Some(self.current)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn import(query: &[(&str, &str)]) -> Result<Option<Import>, ApiError> {
        let query: Vec<_> =
            query.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        Import::parse(&query)
    }

    #[test]
    fn an_import_is_of_the_body_or_of_a_web_server() {
        assert!(import(&[("fromImage", "busybox")]).unwrap().is_none());
        let body = import(&[("fromSrc", "-")]).unwrap().unwrap();
        assert_eq!((body.source, body.message.as_str()), (None, "Imported from -"));
        let web = import(&[("fromSrc", "http://me:hush@host/a.tar")]).unwrap().unwrap();
        assert_eq!(web.message, "Imported from http://host/a.tar");
        import(&[("fromSrc", "ftp://host/a.tar")]).unwrap_err();
    }

    #[test]
    fn progress_is_told_first_and_then_in_steps() {
        let mut meter = Meter::default();
        assert_eq!(meter.count(1), Some(1));
        assert_eq!(meter.count(Meter::STEP - 1), None);
        assert_eq!(meter.count(1), Some(Meter::STEP + 1));
    }
}
