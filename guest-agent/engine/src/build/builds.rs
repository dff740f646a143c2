//! All builds of an engine, and what they have in common.

use std::sync::Arc;
use std::thread::available_parallelism;
use std::time::Duration;

use naru_image_store::{Digest, ImageReference, MadeImage, Platform};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use super::building::Building;
use super::cache::{BuildCache, Contexts, Policies, Policy, PruneWanted, Pruned, UsageRecord};
use super::context;
use super::error::BuildError;
use super::progress::Progress;
use super::request::BuildRequest;
use super::result::Built;
use crate::engine::{Engine, Paths};
use crate::error::Result;

/// Fewer steps at once make no use of a disk or a network that waits.
const STEPS_MIN: usize = 8;

/// So long after a build the cache is looked at, so that builds one after the other are not in
/// the way of each other.
const CLEAN_DELAY: Duration = Duration::from_secs(5);

/// What builds share.
#[derive(Debug)]
pub(crate) struct Builds {
    cache: Arc<BuildCache>,
    /// For each step that is being done.
    permits: Semaphore,
}

impl Builds {
    /// Opens the cache.
    pub(crate) fn open(
        paths: &Paths,
        images: &naru_image_store::ImageStore,
        policies: Policies,
    ) -> Result<Self> {
        let directory = paths.builds();
        let cache = Arc::new(BuildCache::open(&directory, images, policies)?);
        let steps = available_parallelism().map_or(STEPS_MIN, |count| count.get().max(STEPS_MIN));
        Ok(Self { cache, permits: Semaphore::new(steps) })
    }

    /// The directories of clients that are kept.
    pub(crate) fn contexts(&self) -> &Contexts {
        self.cache.contexts()
    }

    pub(super) fn cache(&self) -> &Arc<BuildCache> {
        &self.cache
    }

    pub(super) fn permits(&self) -> &Semaphore {
        &self.permits
    }
}

impl Engine {
    /// Builds an image, which is not in the store yet. It ends early when `cancelled` is
    /// cancelled, the engine ends, or the caller goes away; nothing half made is left then, and
    /// what was done stays in the cache.
    pub(crate) async fn build(
        &self,
        request: BuildRequest,
        progress: Arc<dyn Progress>,
        cancelled: CancellationToken,
    ) -> Result<Built, BuildError> {
        let cancelled = cancelled.child_token();
        let _given_up = cancelled.clone().drop_guard();
        let (engine, closing, this) = (self.clone(), self.closing().clone(), self.clone());
        // To its end even when the caller goes away: it cleans up after itself.
        let built = self.run_to_end(async move {
            let work = async {
                let planned = Building::plan(engine, request, progress, cancelled.clone());
                let building = Box::pin(planned).await?;
                Box::pin(building.execute()).await
            };
            tokio::pin!(work);
            let built = tokio::select! {
                built = &mut work => built,
                () = closing.cancelled() => {
                    cancelled.cancel();
                    work.await
                }
            };
            // Also what a build that failed has done is kept.
            this.clean_builds_soon();
            Ok(built?)
        });
        Ok(built.await?)
    }

    /// Puts what was built into the store, for one platform or several, under all these names;
    /// gives the id of what they mean where nobody asks for a platform.
    pub(crate) async fn keep_built(
        &self,
        built: &[&Built],
        names: &[ImageReference],
    ) -> Result<Digest> {
        let mut ids = Vec::with_capacity(built.len());
        for Built { config, .. } in built {
            let made = MadeImage { base: None, layer: None, config: config.clone(), tag: None };
            let id = self.images().add_image(made).await?.id;
            let shown = id.to_string();
            self.image_event("create", &shown, &shown);
            ids.push(id);
        }
        let first = Platform::default_of(built.iter().map(|built| &built.platform));
        ids[..=first].rotate_right(1);
        let id = ids[0].clone();
        for name in names {
            self.images().tag_all(&ids, name)?;
            self.image_event("tag", &id.to_string(), &name.familiar());
        }
        Ok(id)
    }

    /// All that is in the build cache, what was used last first.
    pub(crate) async fn build_usage(&self) -> Result<Vec<UsageRecord>> {
        let engine = self.clone();
        self.run_blocking(move || engine.builds().cache().usage(engine.images())).await
    }

    /// Removes from the build cache what is wanted gone.
    pub(crate) async fn prune_builds(&self, wanted: PruneWanted) -> Result<Pruned> {
        let engine = self.clone();
        let pruning = move || engine.builds().cache().prune(&wanted, engine.images());
        let pruned = self.run_blocking(pruning).await?;
        self.images().collect().await?;
        self.trim_soon();
        let attributes = [("reclaimed".to_owned(), pruned.reclaimed.to_string())];
        self.events().publish("builder", "prune", "", attributes.into());
        Ok(pruned)
    }

    /// The policies by which something of the build cache goes by itself.
    pub(crate) async fn build_policies(&self) -> Result<[Policy; 4]> {
        let engine = self.clone();
        self.run_blocking(move || engine.builds().cache().policies()).await
    }

    /// Builds may have left more than they may: it goes soon, once for all that end until then.
    fn clean_builds_soon(&self) {
        if !self.builds().cache().policies_of().begin() {
            return;
        }
        let engine = self.clone();
        self.tasks().spawn(async move {
            let is_closing = tokio::select! {
                () = tokio::time::sleep(CLEAN_DELAY) => false,
                () = engine.closing().cancelled() => true,
            };
            // Before it begins: what a build leaves meanwhile may come too late for it.
            engine.builds().cache().policies_of().looked();
            if !is_closing && let Err(error) = engine.clean_builds().await {
                let error = naru_error::chain(&error);
                tracing::warn!(error, "the build cache is not cleaned");
            }
        });
    }

    async fn clean_builds(&self) -> Result<()> {
        let engine = self.clone();
        let cleaning = move || engine.builds().cache().clean(engine.images());
        let Pruned { records, reclaimed } = self.run_blocking(cleaning).await?;
        if !records.is_empty() {
            self.images().collect().await?;
            self.trim_soon();
            tracing::info!(records = records.len(), reclaimed, "cleaned the build cache");
        }
        Ok(())
    }

    /// Removes what builds of an engine that was killed have left.
    pub(crate) async fn sweep_builds(&self) {
        let builds = self.paths().builds();
        self.sweep_sandboxes(&builds).await;
        context::sweep(&builds.join("contexts"));
    }
}
