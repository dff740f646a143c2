//! One build, while it goes on.

use std::collections::HashMap;
use std::sync::Arc;

use futures::future::OptionFuture;
use jiff::Timestamp;
use naru_dockerfile::{Dockerfile, Fingerprint, Globals, Graph, Inputs};
use naru_image_store::Platform;
use tokio::sync::OnceCell;
use tokio_util::sync::CancellationToken;

use super::cache::{BuildCache, CachedStep};
use super::error::BuildError;
use super::files::{Directory, WantedFiles};
use super::images::BaseImages;
use super::inline::Imported;
use super::progress::{Progress, Step};
use super::request::BuildRequest;
use super::results::Results;
use crate::engine::Engine;

/// What all steps of a build have in common.
#[derive(Debug)]
pub(super) struct Building {
    pub(super) engine: Engine,
    pub(super) request: BuildRequest,
    pub(super) progress: Arc<dyn Progress>,
    pub(super) cancelled: CancellationToken,
    pub(super) file: Dockerfile,
    pub(super) globals: Globals,
    pub(super) inputs: Inputs,
    pub(super) graph: Graph,
    /// The stages that are needed, in the file's order; the target is the last.
    pub(super) stages: Vec<usize>,
    /// The steps of each of those, the first of which is its `FROM`.
    pub(super) steps: HashMap<usize, Vec<Arc<Step>>>,
    pub(super) images: BaseImages,
    /// What images say of the steps that they were made by.
    pub(super) imported: Imported,
    pub(super) results: Results,
    pub(super) platform: Platform,
    /// What all times of the result are set to.
    pub(super) epoch: Option<Timestamp>,
    /// When this was asked for.
    pub(super) began: Timestamp,
    /// The client's directories, each fetched once.
    pub(super) directories: HashMap<Option<String>, OnceCell<Arc<Directory>>>,
}

/// What a step has come to.
#[derive(Debug)]
pub(super) struct Done {
    pub(super) step: CachedStep,
    /// By which it is found again.
    pub(super) key: Fingerprint,
    pub(super) is_cached: bool,
}

impl Building {
    pub(super) fn cache(&self) -> &Arc<BuildCache> {
        self.engine.builds().cache()
    }

    /// A directory of the client's; none is the build's own.
    pub(super) async fn directory(
        &self,
        context: Option<&str>,
    ) -> Result<Arc<Directory>, BuildError> {
        let context = context.map(str::to_owned);
        let no_context = || BuildError::NotFound("there is no such context".to_owned());
        let cell = self.directories.get(&context).ok_or_else(no_context)?;
        let wanted = WantedFiles { paths: self.wanted_paths(context.as_deref()), context };
        let fetched = cell.get_or_try_init(|| self.request.files.fetch(wanted));
        self.unless_cancelled(fetched).await.map(Arc::clone)
    }

    /// Waits for what may be given up.
    pub(super) async fn unless_cancelled<T, E>(
        &self,
        work: impl Future<Output = Result<T, E>>,
    ) -> Result<T, BuildError>
    where
        BuildError: From<E>,
    {
        match self.cancelled.run_until_cancelled(work).await {
            Some(done) => done.map_err(BuildError::from),
            None => Err(BuildError::Cancelled),
        }
    }

    /// Whether a step must be done though it was done before.
    pub(super) fn is_done_anew(&self, step: &Step) -> bool {
        self.request.options.no_cache.covers(&step.stage_name)
    }

    /// What a step comes to: what it came to before, or what `make` does now, which is kept. The
    /// same step in two builds is done once.
    pub(super) async fn done<W>(
        &self,
        step: &Arc<Step>,
        key: Fingerprint,
        make: impl FnOnce() -> W,
    ) -> Result<Done, BuildError>
    where
        W: Future<Output = Result<CachedStep, BuildError>>,
    {
        let is_anew = self.is_done_anew(step);
        // The times of its files are others then.
        let key = self.epoch.map_or(key, |epoch| {
            Fingerprint::of_bytes(format!("{key} {}", epoch.as_second()).as_bytes())
        });
        let lock = self.cache().doing(key);
        // What is done anew is done by each build.
        let alone = (!is_anew).then(|| self.cancelled.run_until_cancelled(lock.lock()));
        let _alone = OptionFuture::from(alone).await;
        if self.cancelled.is_cancelled() {
            return Err(BuildError::Cancelled);
        }
        if !is_anew {
            let found = self.cache().find(key)?.or_else(|| self.imported.find(key));
            if let Some(step) = found {
                return Ok(Done { step, key, is_cached: true });
            }
        }
        let permit = self.engine.builds().permits().acquire();
        let Some(_permit) = self.cancelled.run_until_cancelled(permit).await else {
            return Err(BuildError::Cancelled);
        };
        let made = make().await?;
        self.cache().keep(key, &step.text, &made)?;
        Ok(Done { step: made, key, is_cached: false })
    }
}
