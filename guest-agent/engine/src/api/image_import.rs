//! `POST /images/create`: a pull, or with `fromSrc` the import of a file system's archive, which
//! becomes an image of one layer.

use axum::body::Body;
use axum::extract::{FromRequestParts as _, Request, State};
use axum::response::{IntoResponse as _, Response};
use bollard_stubs::models::ContainerConfig;
use hyper::header::CONTENT_TYPE;
use jiff::Timestamp;
use naru_error::chain;
use naru_image_store::{Digest, ImageReference, MadeImage, Platform};
use serde_json::json;

use super::commit::changes;
use super::error::ApiError;
use super::image_pull::{self, reference};
use super::query::Query;
use super::transfer::BodyReader;
use crate::dockerfile::apply_changes;
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
        let source = match text("fromSrc") {
            "" => return Ok(None),
            "-" => "-",
            url => {
                return Err(ApiError::unsupported(format!("import from {url} is not supported")));
            }
        };
        let target = match text("repo") {
            "" => None,
            repository => Some(reference(repository, text("tag"))?),
        };
        if target.as_ref().is_some_and(|target| target.digest().is_some()) {
            return Err(ApiError::invalid("cannot import digest reference"));
        }
        let config = apply_changes(ContainerConfig::default(), &changes(query));
        let message = match text("message") {
            "" => format!("Imported from {source}"),
            message => message.to_owned(),
        };
        let platform = match text("platform") {
            "" => Platform::host(),
            text => text.parse().map_err(|error| ApiError::invalid(chain(&error)))?,
        };
        let config = config.map_err(EngineError::from)?;
        Ok(Some(Self { target, config, message, platform }))
    }

    /// A client that goes away ends it: then its archive ends before its end.
    async fn run(self, engine: Engine, body: Body) -> Result<Response, ApiError> {
        let id = self.take(&engine, BodyReader::new(body)).await;
        trim_heap();
        let line = format!("{}\r\n", json!({ "status": id?.to_string() }));
        Ok(([(CONTENT_TYPE, "application/json")], line).into_response())
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
