//! A build's client: its directories and archives come into directories of ours.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use naru_buildkit::fsutil::{Received, Sink};
use naru_buildkit::{BuildContext, ContextRequest, Session};
use naru_dockerfile::Place as Address;
use naru_error::chain;
use naru_image_store::WebUrl;
use tokio::io::AsyncRead;
use tokio::runtime::Handle;
use tokio_util::io::SyncIoBridge;
use tokio_util::sync::CancellationToken;

use super::builder::Shared;
use super::drawing::OwnStep;
use super::receive::{Filling, Place};
use super::secrets::{SessionSecrets, of_client};
use super::uploads::Uploads;
use crate::build::{BuildError, Context, Directory, GitAccess, Kept, ReceivedContext};
use crate::engine::Engine;
use crate::error::EngineError;
use crate::written::on_own_thread;

/// How much of an upload may wait.
const UPLOAD: usize = 256 << 10;

/// Who a build is for.
#[derive(Debug)]
pub(super) struct Client {
    shared: Arc<Shared>,
    context: BuildContext,
}

impl Client {
    pub(super) fn new(shared: &Arc<Shared>, context: &BuildContext) -> Self {
        Self { shared: Arc::clone(shared), context: context.clone() }
    }

    /// The build.
    pub(super) fn context(&self) -> &BuildContext {
        &self.context
    }

    pub(super) fn engine(&self) -> &Engine {
        &self.shared.engine
    }

    /// The files of a directory: in one that is kept, if the client has a name for it and no other
    /// build works with it, or else in one of their own.
    pub(super) async fn directory(
        &self,
        request: ContextRequest,
    ) -> Result<(Arc<Directory>, Received), BuildError> {
        let session = self.context.session().await.map_err(of_client)?;
        let taken = match session.shared_key() {
            "" => None,
            key => self.kept(&request.name, key).await?,
        };
        let Some(kept) = taken else {
            let (folder, received) = self.fresh(request).await?;
            let (path, keeper) = (folder.path().to_owned(), Box::new(folder));
            return Ok((Arc::new(Directory { path, identity: None, _keeper: keeper }), received));
        };
        let (path, place) = (kept.files(), Place::kept(&kept));
        let (kept, received) = receive(session, request, place, kept).await?;
        let identity = self.engine().run_blocking(move || {
            let failed = EngineError::io("reading the identity of", kept.files());
            Ok((kept.identity().map_err(failed)?, kept))
        });
        let (identity, kept) = identity.await?;
        let identity = Some(identity);
        Ok((Arc::new(Directory { path, identity, _keeper: Box::new(kept) }), received))
    }

    /// Whatever it has of these files, in a directory of their own.
    pub(super) async fn fresh(
        &self,
        request: ContextRequest,
    ) -> Result<(Context, Received), BuildError> {
        let session = self.context.session().await.map_err(of_client)?;
        let folder = self.folder().await?;
        let root = folder.path().to_owned();
        receive(session, request, Place::fresh(root), folder).await
    }

    /// What it has of these files, which comes nowhere.
    pub(super) async fn look<S: Sink>(
        &self,
        request: ContextRequest,
        sink: &mut S,
    ) -> Result<Received, BuildError> {
        let session = self.context.session().await.map_err(of_client)?;
        session.receive_context(&request, sink).await.map_err(of_client)
    }

    async fn folder(&self) -> Result<Context, BuildError> {
        let place = self.place();
        Ok(self.engine().run_blocking(move || Ok(Context::new(&place))).await??)
    }

    /// What is at an address: one of the client's own, or elsewhere.
    pub(super) async fn uploaded(
        &self,
        address: &str,
        keep_git_dir: bool,
        step: &OwnStep,
    ) -> Result<(Context, ReceivedContext), BuildError> {
        if let Some(id) = Uploads::id(address) {
            let upload = self.shared.uploads.take(id).await;
            let gone = || BuildError::Client("the context was not uploaded".to_owned());
            return self.unpacked(upload.ok_or_else(gone)?).await;
        }
        let Some(path) = Session::upload_path(address) else {
            return self.fetched(address, keep_git_dir).await;
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

    /// An archive or a lone Dockerfile of the web, or a repository.
    async fn fetched(
        &self,
        address: &str,
        keep_git_dir: bool,
    ) -> Result<(Context, ReceivedContext), BuildError> {
        let (images, place) = (self.engine().images(), self.place());
        let known = Address::of_context(address);
        match known.map_err(|problem| BuildError::Invalid(problem.to_string()))? {
            Address::Http => {
                let url: Result<WebUrl, _> = address.parse();
                let url = url.map_err(|error| BuildError::Invalid(chain(&error)))?;
                Ok(Context::fetch(images, &url, &place).await?)
            }
            Address::Git(mut source) => {
                source.keep_git_dir.get_or_insert(keep_git_dir);
                let secrets = SessionSecrets::new(self.context.clone());
                let access = GitAccess::of([source.remote.as_str()], &secrets).await?;
                let context = Context::fetch_git(images, &source, &access, &place).await?;
                Ok((context, ReceivedContext::Archive))
            }
            Address::Path => {
                let message = format!("the context {address} is no address");
                Err(BuildError::Invalid(message))
            }
        }
    }

    /// Takes what the client sends as slowly as it pleases.
    async fn unpacked(
        &self,
        archive: impl AsyncRead + Send + Unpin + 'static,
    ) -> Result<(Context, ReceivedContext), BuildError> {
        let (archive, place) = (SyncIoBridge::new(archive), self.place());
        on_own_thread(move || {
            let folder = Context::new(&place)?;
            let received = folder.receive_any(archive)?;
            Ok((folder, received))
        })
        .await
    }

    fn place(&self) -> PathBuf {
        self.engine().paths().builds().join("contexts")
    }

    async fn kept(&self, name: &str, shared_key: &str) -> Result<Option<Kept>, BuildError> {
        let contexts = self.engine().builds().contexts().clone();
        let (name, shared_key) = (name.to_owned(), shared_key.to_owned());
        let place = self.engine().paths().root.clone();
        let take = move || {
            let failed = EngineError::io("looking for a kept context in", place);
            contexts.take(&name, &shared_key).map_err(failed)
        };
        Ok(self.engine().run_blocking(take).await?)
    }
}

/// Receives what a directory has, as slowly as the client pleases. Giving this up ends that; the
/// directory's keeper has it until it has ended.
async fn receive<K: Send + 'static>(
    session: Arc<Session>,
    request: ContextRequest,
    place: Place,
    keeper: K,
) -> Result<(K, Received), BuildError> {
    let (runtime, given_up) = (Handle::current(), CancellationToken::new());
    let _guard = given_up.clone().drop_guard();
    on_own_thread(move || {
        let failed = |path: &Path| EngineError::io("filling", path.to_owned());
        let root = place.root.clone();
        let mut filling = Filling::new(place).map_err(failed(&root))?;
        let receiving = session.receive_context(&request, &mut filling);
        match runtime.block_on(given_up.run_until_cancelled_owned(receiving)) {
            None => Err(BuildError::Cancelled),
            Some(Err(error)) => Err(of_client(error)),
            Some(Ok(received)) => {
                filling.finish().map_err(failed(&root))?;
                Ok((keeper, received))
            }
        }
    })
    .await
}
