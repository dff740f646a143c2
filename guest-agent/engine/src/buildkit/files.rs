//! A build's files: directories of its client's, or an archive that it uploads.
//!
//! A directory comes when it is asked for, without what its `.dockerignore` names, and if that is
//! known only as far as it is needed. It comes into a directory that an earlier build may have
//! left, so that only what has changed is sent.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use async_trait::async_trait;
use naru_buildkit::{BuildContext, ContextRequest};
use naru_dockerfile::{Ignore, ignore_files, ignore_patterns};
use tokio::sync::{Mutex as AsyncMutex, OnceCell};

use super::builder;
use super::client::Client;
use super::drawing::{OwnStep, definition_step};
use crate::build::{
    BuildError, BuildFiles, Context, ContextError, Directory, DockerfileText, ReceivedContext,
    WantedFiles,
};
use crate::registries::without_password;

/// Where a build's directories come from.
#[derive(Debug)]
pub(super) struct SessionFiles {
    client: Client,
    /// The client's name of the build's own directory.
    name: String,
    /// Where the other contexts come from, by the build's names for them.
    others: BTreeMap<String, Other>,
    /// What the Dockerfile has beside it for itself alone.
    ignored: Option<String>,
    /// Instead of a directory of the client's.
    upload: Option<Arc<Context>>,
    /// What of the build's own directory is none of the build's, once that is asked for.
    own_excluded: OnceCell<Vec<String>>,
    /// What was fetched, for as long as somebody has it: builds for several platforms share it.
    fetched: Mutex<Vec<(WantedFiles, Shared)>>,
}

/// A directory, while somebody has it. Who fetches it has the lock.
type Shared = Arc<AsyncMutex<Weak<Directory>>>;

/// Where another context comes from.
#[derive(Debug)]
pub(super) enum Other {
    /// A directory, by the client's name for it.
    Directory(String),
    /// The web, or a repository.
    Address(String),
}

/// What is read before anything is built.
#[derive(Debug)]
pub(super) struct Begin {
    pub(super) dockerfile: DockerfileText,
    pub(super) files: SessionFiles,
}

/// Where what is asked for is to be found.
#[derive(Clone, Copy, Debug)]
pub(super) struct Places<'a> {
    pub(super) filename: &'a str,
    pub(super) address: Option<&'a str>,
    /// Whether `.git` is kept there, unless the address says it.
    pub(super) keep_git_dir: bool,
    pub(super) files_name: &'a str,
    pub(super) dockerfile_name: &'a str,
}

impl SessionFiles {
    /// Reads the Dockerfile.
    pub(super) async fn begin(
        shared: &Arc<builder::Shared>,
        context: &BuildContext,
        places: Places<'_>,
    ) -> Result<Begin, BuildError> {
        let mut files = Self {
            client: Client::new(shared, context),
            name: places.files_name.to_owned(),
            others: BTreeMap::new(),
            ignored: None,
            upload: None,
            own_excluded: OnceCell::new(),
            fetched: Mutex::default(),
        };
        let step = OwnStep::begin(context, &definition_step(places.filename));
        let read = files.dockerfile(places, &step).await;
        let dockerfile = step.end(read)?;
        Ok(Begin { dockerfile, files })
    }

    /// Knows where another context comes from.
    pub(super) fn add(&mut self, context: String, from: Other) {
        self.others.insert(context, from);
    }

    async fn dockerfile(
        &mut self,
        places: Places<'_>,
        step: &OwnStep,
    ) -> Result<DockerfileText, BuildError> {
        let name = places.filename.to_owned();
        let (folder, given) = match places.address {
            None => {
                let mut follow = vec![name.clone(), ignore_files(&name)[0].clone()];
                // Some file systems know no capitals.
                if name == "Dockerfile" {
                    follow.push(name.to_lowercase());
                }
                let request = ContextRequest {
                    name: places.dockerfile_name.to_owned(),
                    follow,
                    ..ContextRequest::default()
                };
                let (folder, received) = self.client.fresh(request).await?;
                step.part("transferring dockerfile:", received.bytes);
                (Arc::new(folder), None)
            }
            Some(address) => {
                let keep = places.keep_git_dir;
                let (folder, received) = self.client.uploaded(address, keep, step).await?;
                let folder = Arc::new(folder);
                self.upload = Some(Arc::clone(&folder));
                match received {
                    ReceivedContext::Archive => (folder, None),
                    ReceivedContext::Dockerfile(text) => (folder, Some(text)),
                }
            }
        };
        if let Some(text) = given {
            return Ok(DockerfileText { name, text });
        }
        let wanted = name.clone();
        let read = self.client.engine().run_blocking(move || {
            let mut text = folder.text(&wanted);
            if matches!(text, Ok(None)) && wanted == "Dockerfile" {
                text = folder.text(&wanted.to_lowercase());
            }
            let ignored = folder.text(&ignore_files(&wanted)[0]);
            Ok((text, ignored))
        });
        let (text, ignored) = read.await?;
        self.ignored = ignored?;
        let missing = || {
            let message = format!("open {name}: no such file or directory");
            BuildError::NotFound(format!("failed to read dockerfile: {message}"))
        };
        Ok(DockerfileText { text: text?.ok_or_else(missing)?, name })
    }

    /// What of a directory is none of the build's.
    async fn excluded(&self, name: &str, own: Option<&str>) -> Result<Vec<String>, BuildError> {
        let text = if let Some(own) = own {
            own.to_owned()
        } else {
            let file = ignore_files("")[1].clone();
            let request = ContextRequest {
                name: name.to_owned(),
                follow: vec![file.clone()],
                ..ContextRequest::default()
            };
            let (folder, _) = self.client.fresh(request).await?;
            let read = self.client.engine().run_blocking(move || Ok(folder.text(&file)));
            read.await??.unwrap_or_default()
        };
        Ignore::parse(&text).map_err(ContextError::Ignore)?;
        Ok(ignore_patterns(&text))
    }

    async fn own_excluded(&self) -> Result<&Vec<String>, BuildError> {
        let excluded = || self.excluded(&self.name, self.ignored.as_deref());
        self.own_excluded.get_or_try_init(excluded).await
    }

    async fn directory(
        &self,
        name: &str,
        wanted: WantedFiles,
        step: &OwnStep,
    ) -> Result<Arc<Directory>, BuildError> {
        let exclude = match wanted.context {
            None => self.own_excluded().await?.clone(),
            Some(_) => self.excluded(name, None).await?,
        };
        let request = ContextRequest {
            name: name.to_owned(),
            exclude,
            follow: wanted.paths,
            ..ContextRequest::default()
        };
        let (directory, received) = self.client.directory(request).await?;
        step.part("transferring context:", received.bytes);
        Ok(directory)
    }
}

#[async_trait]
impl BuildFiles for SessionFiles {
    async fn fetch(&self, wanted: WantedFiles) -> Result<Arc<Directory>, BuildError> {
        let shared = self.shared(&wanted);
        let mut known = shared.lock().await;
        if let Some(directory) = known.upgrade() {
            return Ok(directory);
        }
        let directory = self.fetch_anew(wanted).await?;
        *known = Arc::downgrade(&directory);
        Ok(directory)
    }

    async fn ignored(&self) -> Result<Option<Ignore>, BuildError> {
        // An archive has what it has.
        if self.upload.is_some() {
            return Ok(None);
        }
        let patterns = self.own_excluded().await?;
        Ok(Some(Ignore::new(patterns).map_err(ContextError::Ignore)?))
    }

    async fn nearest(&self, context: Option<&str>, path: &str) -> Option<String> {
        let (name, own) = match context.map(|context| self.others.get(context)) {
            // All of what is uploaded is here.
            None if self.upload.is_some() => return None,
            None => (&self.name, self.ignored.as_deref()),
            Some(Some(Other::Directory(name))) => (name, None),
            Some(_) => return None,
        };
        let exclude = self.excluded(name, own).await.ok()?;
        let request = ContextRequest { name: name.clone(), exclude, ..ContextRequest::default() };
        self.client.nearest(&request, path).await.ok()?
    }
}

impl SessionFiles {
    fn shared(&self, wanted: &WantedFiles) -> Shared {
        let mut fetched = self.fetched.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, shared)) = fetched.iter().find(|(known, _)| known == wanted) {
            return Arc::clone(shared);
        }
        let shared = Shared::default();
        fetched.push((wanted.clone(), Arc::clone(&shared)));
        shared
    }

    async fn fetch_anew(&self, wanted: WantedFiles) -> Result<Arc<Directory>, BuildError> {
        let Some(context) = &wanted.context else {
            if let Some(upload) = &self.upload {
                return Ok(kept_by(Arc::clone(upload)));
            }
            let step = OwnStep::begin(self.client.context(), "[internal] load build context");
            let fetched = self.directory(&self.name, wanted, &step).await;
            return step.end(fetched);
        };
        let unknown = || BuildError::NotFound(format!("there is no context {context}"));
        let other = self.others.get(context).ok_or_else(unknown)?;
        let title = match other {
            Other::Directory(_) => format!("[context {context}] load from client"),
            Other::Address(address) => {
                format!("[context {context}] {}", without_password(address))
            }
        };
        let step = OwnStep::begin(self.client.context(), &title);
        let fetched = match other {
            Other::Directory(name) => self.directory(name, wanted, &step).await,
            Other::Address(address) => {
                let fetched = self.client.uploaded(address, false, &step).await;
                fetched.map(|(folder, _)| kept_by(Arc::new(folder)))
            }
        };
        step.end(fetched)
    }
}

fn kept_by(folder: Arc<Context>) -> Arc<Directory> {
    Arc::new(Directory {
        path: folder.path().to_owned(),
        identity: None,
        _keeper: Box::new(folder),
    })
}
