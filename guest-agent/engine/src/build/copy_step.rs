//! `COPY` and `ADD`.

use std::sync::Arc;

use jiff::Timestamp;
use naru_dockerfile::{Came, Command, Fingerprint, Transfer, created_by};

use super::building::Building;
use super::cache::CachedStep;
use super::context::GitAccess;
use super::copy::{self, CopyError, CopyPlan, CopyTarget, Fetched, Found, Sources};
use super::error::BuildError;
use super::origin::{Opened, Source};
use super::progress::Step;
use super::stage::Stage;
use super::workspace::Workspace;
use crate::error::EngineError;
use crate::files::Tree;

/// All that is to be known to copy.
#[derive(Debug)]
struct Copying {
    plan: CopyPlan,
    source: Option<Opened>,
    fetched: Option<Fetched>,
    /// Where it is done; with `--link` on nothing.
    workspace: Arc<Workspace>,
    /// The stage's own files, where owners are looked for.
    below: Vec<Arc<naru_image_store::MadeLayer>>,
}

impl Building {
    /// Carries out a `COPY` or an `ADD`; true if that was done before.
    pub(super) async fn copy(
        &self,
        stage: &mut Stage,
        command: &Command,
        transfer: &Transfer,
        step: &Arc<Step>,
        instruction: usize,
    ) -> Result<bool, BuildError> {
        let directory = stage.config.working_dir.clone().unwrap_or_default();
        let plan = CopyPlan::new(command.keyword(), transfer, &directory)?;
        let said = created_by(command, Came::Nothing, &stage.scope).unwrap_or_default();
        let source = if plan.needs_tree() {
            Some(self.source(step.stage, instruction, None).await?)
        } else {
            None
        };
        // What was looked at need not be looked at again to know what it is.
        let known = match &source {
            Some(source) if !plan.needs_fetching() => self.key_of(source).await?,
            _ => None,
        };
        let memo = known.map(|key| {
            let keyword = command.keyword().as_str();
            let told = format!("{key} {} {keyword} {directory} {transfer:?}", stage.key());
            Fingerprint::of_bytes(told.as_bytes())
        });
        if let Some(memo) = memo
            && let Some(key) = self.cache().known_files(memo)?
            && !self.is_done_anew(step)
            && self.epoch.is_none()
            && let Some(done) = self.cache().find(key)?
        {
            stage.take(done, said, key);
            return Ok(true);
        }
        let fetched = if plan.needs_fetching() {
            let contexts = self.engine.paths().builds().join("contexts");
            let access = GitAccess::of(plan.remotes(), self.request.secrets.as_ref());
            let access = self.unless_cancelled(access).await?;
            let fetched = plan.fetch(self.engine.images(), &access, &contexts);
            Some(self.unless_cancelled(fetched).await?)
        } else {
            None
        };
        let opened = match &source {
            Some(source) => Some(self.open(source).await?),
            None => None,
        };
        let layers = if plan.is_linked() { &[][..] } else { &stage.layers };
        let workspace = Workspace::new(&self.engine, layers)?;
        let below = stage.layers.clone();
        let copying = Arc::new(Copying { plan, source: opened, fetched, workspace, below });
        let (found, owner) = match self.find_files(&copying).await {
            Ok(found) => found,
            Err(error) => return Err(self.with_nearest(error, source.as_ref()).await),
        };
        let on = (!copying.plan.is_linked()).then(|| stage.key());
        let key = copying.plan.key(&found, on, owner);
        if let Some(memo) = memo {
            self.cache().keep_files(memo, key)?;
        }
        let work = || Box::pin(self.copy_files(&copying, found, owner));
        let done = self.done(step, key, work).await?;
        stage.take(done.step, said, done.key);
        Ok(done.is_cached)
    }

    /// Finds the files, and whose they are to be.
    async fn find_files(
        &self,
        copying: &Arc<Copying>,
    ) -> Result<(Found, Option<(u32, u32)>), BuildError> {
        let (copying, cancelled) = (Arc::clone(copying), self.cancelled.clone());
        self.blocking(move || {
            let owner = match copying.plan.chown() {
                Some(chown) => {
                    let root = copying.workspace.readable(&copying.below)?;
                    Some(copy::owner(chown, &root)?)
                }
                None => None,
            };
            let tree = copying.tree()?;
            Ok((copying.plan.find(copying.sources(tree.as_ref()), &cancelled)?, owner))
        })
        .await
    }

    /// Says of a file that is not there which may be meant of those that were not fetched.
    async fn with_nearest(&self, error: BuildError, source: Option<&Source>) -> BuildError {
        let BuildError::Copy(CopyError::Missing { path, nearest: None }) = &error else {
            return error;
        };
        let Some(Source::Context(context)) = source else { return error };
        let asked = self.request.files.nearest(context.as_deref(), path);
        match self.cancelled.run_until_cancelled(asked).await {
            Some(nearest) => CopyError::Missing { path: path.clone(), nearest }.into(),
            None => BuildError::Cancelled,
        }
    }

    /// Copies them, and makes a layer of that.
    async fn copy_files(
        &self,
        copying: &Arc<Copying>,
        found: Found,
        owner: Option<(u32, u32)>,
    ) -> Result<CachedStep, BuildError> {
        let (working, cancelled) = (Arc::clone(copying), self.cancelled.clone());
        self.blocking(move || {
            let tree = working.tree()?;
            let sources = working.sources(tree.as_ref());
            let target = if working.plan.is_linked() {
                let upper = working.workspace.upper();
                Tree::at(&upper).map_err(EngineError::io("opening", upper))?
            } else {
                working.workspace.writable()?
            };
            let target = CopyTarget { tree: &target, owner };
            Ok(working.plan.copy(&found, sources, target, &cancelled)?)
        })
        .await?;
        let layer = copying.workspace.layer(self.epoch).await?;
        Ok(CachedStep { layer, created: Timestamp::now() })
    }

    /// Does blocking work, which looks by itself whether it is given up.
    pub(super) async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<T, BuildError> + Send + 'static,
    ) -> Result<T, BuildError> {
        self.engine.run_blocking(move || Ok(work()?)).await.map_err(BuildError::from)
    }
}

impl Copying {
    fn tree(&self) -> Result<Option<Tree>, BuildError> {
        let tree = self.source.as_ref().map(|source| source.tree(&self.workspace));
        Ok(tree.transpose()?)
    }

    fn sources<'a>(&'a self, tree: Option<&'a Tree>) -> Sources<'a> {
        Sources { tree, fetched: self.fetched.as_ref() }
    }
}
