//! The files of a `POST /build`: its body, or what is fetched from the web.

use std::sync::Arc;

use async_trait::async_trait;
use naru_dockerfile::{Place, nearest};
use naru_image_store::WebUrl;
use serde_json::json;

use super::super::lines::Lines;
use super::super::transfer::{BodyReader, on_own_thread};
use super::options::Asked;
use crate::build::{
    BuildError, BuildFiles, Context, Directory, DockerfileText, ReceivedContext, WantedFiles,
};
use crate::engine::Engine;
use crate::error::Result;

/// A context that has come.
#[derive(Debug)]
pub(super) struct Files(Arc<Context>);

/// Takes a context whole, and reads its Dockerfile. It may come as slowly as the client pleases.
pub(super) async fn take(
    engine: &Engine,
    asked: &Asked,
    body: BodyReader,
    lines: &Lines,
) -> Result<(DockerfileText, Files)> {
    let contexts = engine.paths().builds().join("contexts");
    let name = asked.dockerfile.clone();
    let (context, received) = match &asked.remote {
        None => (None, ReceivedContext::Archive),
        Some(remote) => {
            let (context, received) = fetch(engine, remote, asked.quiet, lines).await?;
            (Some(context), received)
        }
    };
    let has_default = asked.has_default_dockerfile();
    on_own_thread(move || {
        let context = if let Some(context) = context {
            context
        } else {
            let context = Context::new(&contexts).map_err(BuildError::from)?;
            context.receive(body).map_err(BuildError::from)?;
            context
        };
        let text = match received {
            ReceivedContext::Dockerfile(text) => text,
            // Before it is left out, if it is ignored.
            ReceivedContext::Archive => dockerfile(&context, &name, has_default)?,
        };
        context.leave_out_ignored(&name).map_err(BuildError::from)?;
        Ok((DockerfileText { name, text }, Files(Arc::new(context))))
    })
    .await
}

/// The Dockerfile's text. The usual one may be written in small letters.
fn dockerfile(context: &Context, name: &str, has_default: bool) -> Result<String, BuildError> {
    let mut found = context.text(name)?;
    if found.is_none() && has_default {
        found = context.text(&name.to_lowercase())?;
    }
    found.ok_or_else(|| {
        let entries = std::fs::read_dir(context.path()).into_iter().flatten().flatten();
        let there: Vec<String> =
            entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
        let meant = nearest(name, there.iter().map(String::as_str));
        let meant = meant.map(|name| format!(" (did you mean {name}?)")).unwrap_or_default();
        BuildError::Invalid(format!("Cannot locate specified Dockerfile: {name}{meant}"))
    })
}

/// Fetches a context from the web, or a repository.
async fn fetch(
    engine: &Engine,
    remote: &str,
    quiet: bool,
    lines: &Lines,
) -> Result<(Context, ReceivedContext), BuildError> {
    let contexts = engine.paths().builds().join("contexts");
    match Place::of_context(remote) {
        Ok(Place::Http) => {
            let invalid = |error| BuildError::Invalid(naru_error::chain(&error));
            let url: WebUrl = remote.parse().map_err(invalid)?;
            if !quiet {
                let line = format!("Downloading build context from remote url: {url}\n");
                lines.send(json!({ "stream": line }));
            }
            Ok(Context::fetch(engine.images(), &url, &contexts).await?)
        }
        Ok(Place::Git(source)) => {
            let context = Context::fetch_git(engine.images(), &source, &contexts).await?;
            Ok((context, ReceivedContext::Archive))
        }
        Ok(Place::Path) => Err(BuildError::Invalid(format!(
            "remote URL {remote:?} is neither one of http nor one of https"
        ))),
        Err(problem) => Err(BuildError::Invalid(problem.to_string())),
    }
}

#[async_trait]
impl BuildFiles for Files {
    async fn fetch(&self, wanted: WantedFiles) -> Result<Arc<Directory>, BuildError> {
        if let Some(name) = wanted.context {
            return Err(BuildError::NotFound(format!("there is no context {name}")));
        }
        Ok(Arc::new(Directory {
            path: self.0.path().to_owned(),
            _keeper: Box::new(Arc::clone(&self.0)),
        }))
    }
}
