//! `POST /build`: the classic builder's door, and what concerns the build cache.
//!
//! The context is taken whole, then the image is built. What fails before anything is said keeps
//! its HTTP status, a Dockerfile that makes no sense among that; what fails later is a line.

mod cache;
mod context;
mod drawing;
mod options;
mod secrets;

use std::sync::Arc;

use axum::extract::{FromRequestParts as _, Request, State};
use axum::response::Response;
use axum::routing::post;
use axum::{Extension, Router};
use tokio_util::sync::CancellationToken;

use super::buildkit_build;
use super::error::ApiError;
use super::lines::{self, Lines};
use super::query::Query;
use super::transfer::BodyReader;
use crate::build::{BuildError, BuildRequest};
use crate::buildkit::BuildDoor;
use crate::engine::Engine;
use crate::error::Result;

use drawing::Drawing;
use options::Asked;
use secrets::RegistrySecrets;

pub(super) use cache::usage;

pub(super) fn routes() -> Router<Engine> {
    Router::new().route("/build", post(build)).merge(cache::routes())
}

async fn build(
    State(engine): State<Engine>,
    Extension(door): Extension<BuildDoor>,
    request: Request,
) -> Result<Response, ApiError> {
    let (mut parts, body) = request.into_parts();
    let Query::<Vec<(String, String)>>(query) =
        Query::from_request_parts(&mut parts, &engine).await?;
    if buildkit_build::is_for_buildkit(&query) {
        return buildkit_build::build(engine, door, query, body).await;
    }
    let asked = Asked::parse(&query)?;
    let secrets = Arc::new(RegistrySecrets::of(&parts.headers));
    let body = BodyReader::new(body);
    let building = engine.clone();
    lines::answer(&engine, |lines| Box::pin(run(building, asked, secrets, body, lines))).await
}

/// A client that goes away ends it.
async fn run(
    engine: Engine,
    asked: Asked,
    secrets: Arc<RegistrySecrets>,
    body: BodyReader,
    lines: Lines,
) -> Result<()> {
    let (dockerfile, files) = context::take(&engine, &asked, body, &lines).await?;
    let text = dockerfile.text.clone();
    let drawing = Arc::new(Drawing::new(lines, asked.quiet));
    let request = BuildRequest {
        dockerfile,
        files: Arc::new(files),
        secrets,
        options: asked.options.clone(),
    };
    let progress = Arc::clone(&drawing);
    let built = engine.build(request, progress, CancellationToken::new()).await;
    let built = match built {
        Ok(built) => built,
        Err(error) => {
            drawing.failed(&error, &asked.dockerfile, &text);
            return Err(told(error, &asked.dockerfile, &text).into());
        }
    };
    let id = engine.keep_built(&[&built], &asked.names).await?;
    drawing.succeeded(&id, &asked.names);
    Ok(())
}

/// What is wrong with a Dockerfile is shown where it is: this door's clients have no way to ask.
fn told(error: BuildError, file: &str, text: &str) -> BuildError {
    match error {
        BuildError::Dockerfile(error) if error.at.is_some() => {
            let excerpt = error.excerpt(file, text);
            BuildError::Invalid(format!("{}\n{}", error.message(), excerpt.trim_end()))
        }
        error => error,
    }
}
