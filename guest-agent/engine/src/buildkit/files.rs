//! A build's files: directories of its client's, or an archive that it uploads.
//!
//! A directory comes when it is asked for, without what its `.dockerignore` names, and if that is
//! known only as far as it is needed. It comes into a directory that an earlier build may have
//! left, so that only what has changed is sent.

use std::fmt::Debug;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use naru_buildkit::fsutil::Received;
use naru_buildkit::{BuildContext, ContextRequest, Session};
use naru_dockerfile::{Ignore, Place, ignore_files, ignore_patterns};
use naru_image_store::WebUrl;
use tokio::io::AsyncRead;
use tokio::runtime::Handle;
use tokio::sync::oneshot;
use tokio_util::io::SyncIoBridge;
use tokio_util::sync::CancellationToken;

use super::builder::Shared;
use super::drawing::OwnStep;
use super::receive::Filling;
use super::secrets::of_client;
use super::uploads::Uploads;
use crate::build::{
    BuildError, BuildFiles, Context, ContextError, Directory, DockerfileText, Kept, ReceivedContext,
    WantedFiles,
};
use crate::error::EngineError;
use crate::written::start_thread;

/// How much of an upload may wait.
const UPLOAD: usize = 256 << 10;

/// Where a build's directories come from.
#[derive(Debug)]
pub(super) struct SessionFiles {
    shared: Arc<Shared>,
    context: BuildContext,
    /// The client's name of the build's own directory.
    name: String,
    /// Of the other contexts, by the build's names for them.
    names: Vec<(String, String)>,
    /// What the Dockerfile has beside it for itself alone.
    ignored: Option<String>,
    /// Instead of a directory of the client's.
    upload: Option<Arc<Context>>,
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
    pub(super) files_name: &'a str,
    pub(super) dockerfile_name: &'a str,
}

impl SessionFiles {
    /// Reads the Dockerfile.
    pub(super) async fn begin(
        shared: &Arc<Shared>,
        context: &BuildContext,
        places: Places<'_>,
    ) -> Result<Begin, BuildError> {
        let mut files = Self {
            shared: Arc::clone(shared),
            context: context.clone(),
            name: places.files_name.to_owned(),
            names: Vec::new(),
            ignored: None,
            upload: None,
        };
        let title = format!("[internal] load build definition from {}", places.filename);
        let step = OwnStep::begin(context, &title);
        let read = files.dockerfile(places, &step).await;
        let dockerfile = step.end(read)?;
        Ok(Begin { dockerfile, files })
    }

    /// Knows the client's name of another context.
    pub(super) fn add(&mut self, context: &str, name: &str) {
        self.names.push((context.to_owned(), name.to_owned()));
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
                let (folder, received) = self.fresh(request).await?;
                step.part("transferring dockerfile:", received.bytes);
                (Arc::new(folder), None)
            }
            Some(address) => {
                let (folder, received) = self.uploaded(address, step).await?;
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
        let read = self.shared.engine.run_blocking(move || {
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

    /// Whatever it has of these files, in a directory of their own.
    async fn fresh(&self, request: ContextRequest) -> Result<(Context, Received), BuildError> {
        let session = self.context.session().await.map_err(of_client)?;
        let folder = self.folder().await?;
        let root = folder.path().to_owned();
        let received = self.receive(session, request, root.clone(), incoming(&root)).await?;
        Ok((folder, received))
    }

    async fn folder(&self) -> Result<Context, BuildError> {
        let place = self.place();
        Ok(self.shared.engine.run_blocking(move || Ok(Context::new(&place))).await??)
    }

    /// An archive that the client sends by an address of its own, or that is in the web.
    async fn uploaded(
        &self,
        address: &str,
        step: &OwnStep,
    ) -> Result<(Context, ReceivedContext), BuildError> {
        if let Some(id) = Uploads::id(address) {
            let upload = self.shared.uploads.take(id).await;
            let gone = || BuildError::Client("the context was not uploaded".to_owned());
            return self.unpacked(upload.ok_or_else(gone)?).await;
        }
        let Some(path) = Session::upload_path(address) else {
            let unsupported = || {
                BuildError::Unsupported(format!(
                    "the context {address} is not supported by this builder, but directories and \
                     archives are"
                ))
            };
            let Ok(Place::Http) = Place::of_context(address) else { return Err(unsupported()) };
            let url: WebUrl = address.parse().map_err(|_| unsupported())?;
            let images = self.shared.engine.images();
            return Ok(Context::fetch(images, &url, &self.place()).await?);
        };
        let session = self.context.session().await.map_err(of_client)?;
        let (near, far) = tokio::io::duplex(UPLOAD);
        let unpacked = self.unpacked(far);
        let (received, unpacked) = tokio::join!(session.receive_upload(path, near), unpacked);
        // What could not be unpacked was not read to its end, either.
        let unpacked = unpacked?;
        step.part("transferring context:", received.map_err(of_client)?);
        Ok(unpacked)
    }

    /// Takes what the client sends as slowly as it pleases.
    async fn unpacked(
        &self,
        archive: impl AsyncRead + Send + Unpin + 'static,
    ) -> Result<(Context, ReceivedContext), BuildError> {
        let (archive, place) = (SyncIoBridge::new(archive), self.place());
        let (sender, unpacked) = oneshot::channel();
        start_thread(move || {
            let unpack = || {
                let folder = Context::new(&place)?;
                let received = folder.receive_any(archive)?;
                Ok((folder, received))
            };
            // Who gave the build up does not wait any more.
            drop(sender.send(unpack()));
        })?;
        let lost = |_| BuildError::Client("the context could not be unpacked".to_owned());
        Ok(unpacked.await.map_err(lost)?.map_err(|error: ContextError| error)?)
    }

    fn place(&self) -> PathBuf {
        self.shared.engine.paths().builds().join("contexts")
    }

    /// Receives on a thread that may block. Giving this up ends that, too.
    async fn receive(
        &self,
        session: Arc<Session>,
        request: ContextRequest,
        root: PathBuf,
        incoming: PathBuf,
    ) -> Result<Received, BuildError> {
        let (runtime, given_up) = (Handle::current(), CancellationToken::new());
        let _guard = given_up.clone().drop_guard();
        let receive = move || {
            let failed = |path: &Path| EngineError::io("filling", path.to_owned());
            let mut filling = Filling::new(&root, &incoming).map_err(failed(&root))?;
            let receiving = session.receive_context(&request, &mut filling);
            let received = runtime.block_on(given_up.run_until_cancelled_owned(receiving));
            Ok(match received {
                None => Err(BuildError::Cancelled),
                Some(Err(error)) => Err(of_client(error)),
                Some(Ok(received)) => {
                    filling.finish().map_err(failed(&root))?;
                    Ok(received)
                }
            })
        };
        self.shared.engine.run_blocking(receive).await?
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
            let (folder, _) = self.fresh(request).await?;
            let read = self.shared.engine.run_blocking(move || Ok(folder.text(&file)));
            read.await??.unwrap_or_default()
        };
        Ignore::parse(&text).map_err(ContextError::Ignore)?;
        Ok(ignore_patterns(&text))
    }

    async fn directory(
        &self,
        name: &str,
        wanted: WantedFiles,
        step: &OwnStep,
    ) -> Result<Arc<Directory>, BuildError> {
        let own = if wanted.context.is_none() { self.ignored.as_deref() } else { None };
        let request = ContextRequest {
            name: name.to_owned(),
            exclude: self.excluded(name, own).await?,
            follow: wanted.paths,
            ..ContextRequest::default()
        };
        let session = self.context.session().await.map_err(of_client)?;
        let taken = match session.shared_key() {
            "" => None,
            key => self.kept(name, key).await?,
        };
        let Some(kept) = taken else {
            let (folder, received) = self.fresh(request).await?;
            step.part("transferring context:", received.bytes);
            return Ok(directory(folder.path().to_owned(), folder));
        };
        let (root, incoming) = (kept.files(), kept.incoming());
        let received = self.receive(session, request, root.clone(), incoming).await?;
        step.part("transferring context:", received.bytes);
        Ok(directory(root, kept))
    }

    async fn kept(&self, name: &str, shared_key: &str) -> Result<Option<Kept>, BuildError> {
        let contexts = self.shared.engine.builds().contexts().clone();
        let (name, shared_key) = (name.to_owned(), shared_key.to_owned());
        let place = self.shared.engine.paths().root.clone();
        let take = move || {
            let taken: io::Result<_> = contexts.take(&name, &shared_key);
            taken.map_err(EngineError::io("looking for a kept context in", place))
        };
        Ok(self.shared.engine.run_blocking(take).await?)
    }
}

#[async_trait]
impl BuildFiles for SessionFiles {
    async fn fetch(&self, wanted: WantedFiles) -> Result<Arc<Directory>, BuildError> {
        let name = match &wanted.context {
            None => {
                if let Some(upload) = &self.upload {
                    return Ok(directory(upload.path().to_owned(), Arc::clone(upload)));
                }
                &self.name
            }
            Some(context) => {
                let known = self.names.iter().find(|(known, _)| known == context);
                let unknown = || BuildError::NotFound(format!("there is no context {context}"));
                &known.ok_or_else(unknown)?.1
            }
        };
        let title = match &wanted.context {
            None => "[internal] load build context".to_owned(),
            Some(context) => format!("[context {context}] load from client"),
        };
        let step = OwnStep::begin(&self.context, &title);
        let fetched = self.directory(name, wanted, &step).await;
        step.end(fetched)
    }
}

/// Where contents are gathered for a directory that is thrown away.
fn incoming(root: &Path) -> PathBuf {
    let mut path = root.as_os_str().to_owned();
    path.push(".incoming");
    path.into()
}

fn directory(path: PathBuf, keeper: impl Debug + Send + Sync + 'static) -> Arc<Directory> {
    Arc::new(Directory { path, identity: None, _keeper: Box::new(keeper) })
}
