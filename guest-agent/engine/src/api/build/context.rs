//! The files of a `POST /build`: its body, or what is fetched from the web.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use naru_dockerfile::{Fingerprint, Place, nearest};
use naru_image_store::WebUrl;
use serde_json::json;

use super::super::lines::Lines;
use super::super::transfer::BodyReader;
use super::options::Asked;
use crate::build::{
    BuildError, BuildFiles, Context, Directory, DockerfileText, GitAccess, ReceivedContext,
    Spooled, WantedFiles,
};
use crate::engine::Engine;
use crate::error::Result;
use crate::written::on_own_thread;

/// A context that has come.
#[derive(Debug)]
pub(super) struct Files {
    contexts: PathBuf,
    /// The Dockerfile's path in it, which is left out if it is ignored.
    dockerfile: String,
    identity: Option<Fingerprint>,
    /// Until it is fetched, which is once.
    came: Mutex<Option<Came>>,
}

/// As what it has come.
#[derive(Debug)]
enum Came {
    /// Whose files are not needed yet.
    Archive(Spooled),
    Directory(Context),
}

/// Takes a context whole, and reads its Dockerfile. It may come as slowly as the client pleases.
pub(super) async fn take(
    engine: &Engine,
    asked: &Asked,
    body: BodyReader,
    lines: &Lines,
) -> Result<(DockerfileText, Files)> {
    let contexts = engine.paths().builds().join("contexts");
    let name = asked.dockerfile.clone();
    let has_default = asked.has_default_dockerfile();
    let Some(remote) = &asked.remote else {
        return on_own_thread(move || Ok(taken(contexts, name, has_default, body)?)).await;
    };
    let (context, received) = fetch(engine, remote, asked.quiet, lines).await?;
    on_own_thread(move || {
        let text = match received {
            ReceivedContext::Dockerfile(text) => text,
            ReceivedContext::Archive => dockerfile(&context, &name, has_default)?,
        };
        Ok((DockerfileText { name: name.clone(), text }, Files::unpacked(contexts, name, context)?))
    })
    .await
}

/// Takes the body of a request. Blocks.
fn taken(
    contexts: PathBuf,
    name: String,
    has_default: bool,
    body: BodyReader,
) -> Result<(DockerfileText, Files), BuildError> {
    let small = name.to_lowercase();
    let spooled = Spooled::receive(&contexts, body, &[name.as_str(), small.as_str()])?;
    let found = spooled.text(&name);
    let found = found.or_else(|| spooled.text(&small).filter(|_| has_default));
    let Some(text) = found else {
        // It may be a link, or not be there.
        let context = spooled.unpack(&contexts)?;
        let text = dockerfile(&context, &name, has_default)?;
        let files = Files::unpacked(contexts, name.clone(), context)?;
        return Ok((DockerfileText { name, text }, files));
    };
    let identity = format!("{} {name}", spooled.identity());
    let files = Files {
        contexts,
        dockerfile: name.clone(),
        identity: Some(Fingerprint::of_bytes(identity.as_bytes())),
        came: Mutex::new(Some(Came::Archive(spooled))),
    };
    Ok((DockerfileText { name, text }, files))
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
            // This door's clients have no secrets.
            let access = GitAccess::default();
            let context = Context::fetch_git(engine.images(), &source, &access, &contexts).await?;
            Ok((context, ReceivedContext::Archive))
        }
        Ok(Place::Path) => Err(BuildError::Invalid(format!(
            "remote URL {remote:?} is neither one of http nor one of https"
        ))),
        Err(problem) => Err(BuildError::Invalid(problem.to_string())),
    }
}

impl Files {
    fn unpacked(
        contexts: PathBuf,
        dockerfile: String,
        context: Context,
    ) -> Result<Self, BuildError> {
        // Once its text is read.
        context.leave_out_ignored(&dockerfile)?;
        let came = Mutex::new(Some(Came::Directory(context)));
        Ok(Self { contexts, dockerfile, identity: None, came })
    }

    /// Its files, unpacked if they are not yet.
    async fn context(&self) -> Result<Context, BuildError> {
        let came = self.came.lock().unwrap_or_else(PoisonError::into_inner).take();
        let gone = || BuildError::NotFound("the build context could not be unpacked".to_owned());
        let spooled = match came.ok_or_else(gone)? {
            Came::Directory(context) => return Ok(context),
            Came::Archive(spooled) => spooled,
        };
        let (contexts, dockerfile) = (self.contexts.clone(), self.dockerfile.clone());
        let unpacked = on_own_thread(move || -> Result<Context> {
            let context = spooled.unpack(&contexts).map_err(BuildError::from)?;
            context.leave_out_ignored(&dockerfile).map_err(BuildError::from)?;
            Ok(context)
        });
        Ok(unpacked.await?)
    }
}

#[async_trait]
impl BuildFiles for Files {
    async fn fetch(&self, wanted: WantedFiles) -> Result<Arc<Directory>, BuildError> {
        if let Some(name) = wanted.context {
            return Err(BuildError::NotFound(format!("there is no context {name}")));
        }
        let context = self.context().await?;
        let path = context.path().to_owned();
        Ok(Arc::new(Directory { path, identity: self.identity, _keeper: Box::new(context) }))
    }

    async fn identity(&self, context: Option<&str>) -> Option<Fingerprint> {
        self.identity.filter(|_| context.is_none())
    }
}
