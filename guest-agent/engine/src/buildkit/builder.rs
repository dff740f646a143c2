//! The engine as BuildKit's door sees it.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use async_trait::async_trait;
use naru_buildkit::wire::control::{DiskUsageRequest, PruneRequest, UsageRecord};
use naru_buildkit::wire::ops;
use naru_buildkit::wire::worker::{BuildkitVersion, WorkerRecord};
use naru_buildkit::{
    BuildContext, BuildError, Builder, ExportRequest, HOST_GATEWAY_LABEL, SNAPSHOTTER_LABEL,
    Solved, Target,
};
use naru_error::ErrorKind;
use naru_image_store::Platform;
use tokio::sync::mpsc;

use super::solution::{Read, Solution};
use super::uploads::Uploads;
use super::{checks, export, failure, questions, usage};
use crate::emulators::Emulators;
use crate::engine::Engine;

/// The version of BuildKit whose protocol this is.
const VERSION: &str = "v0.13.0";
/// The Dockerfile language, in the version of BuildKit's own frontend.
const DOCKERFILE: &str = "1.7.0";

/// The engine's builder.
#[derive(Debug)]
pub(crate) struct EngineBuilder(Arc<Shared>);

/// What its builds share.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) engine: Engine,
    pub(super) uploads: Uploads,
}

impl EngineBuilder {
    pub(crate) fn new(engine: Engine) -> Self {
        Self(Arc::new(Shared { engine, uploads: Uploads::default() }))
    }

    /// The archives that requests bring.
    pub(crate) fn uploads(&self) -> &Uploads {
        &self.0.uploads
    }

    /// Where a `RUN` finds the host.
    fn host_gateway(&self) -> Option<IpAddr> {
        let network = self.0.engine.network().find("bridge").ok();
        let gateway = network.and_then(|network| Some(network.record.pool(false)?.gateway));
        self.0.engine.mode().host_address().or(gateway)
    }

    /// Gives `work` up when the build is.
    async fn unless_cancelled<T>(
        context: &BuildContext,
        work: impl Future<Output = Result<T, BuildError>>,
    ) -> Result<T, BuildError> {
        let done = context.cancelled().run_until_cancelled(work).await;
        done.unwrap_or_else(|| {
            Err(BuildError::new(ErrorKind::Cancelled, "the build was cancelled"))
        })
    }
}

#[async_trait]
impl Builder for EngineBuilder {
    type Solution = Solution;

    fn version(&self) -> BuildkitVersion {
        BuildkitVersion {
            package: "naru".to_owned(),
            version: VERSION.to_owned(),
            dockerfile_version: DOCKERFILE.to_owned(),
            ..BuildkitVersion::default()
        }
    }

    fn capabilities(&self) -> Vec<&'static str> {
        vec!["exporter.image.attestations", "exporter.multiple"]
    }

    async fn workers(&self) -> Result<Vec<WorkerRecord>, BuildError> {
        let mut labels = BTreeMap::from([(SNAPSHOTTER_LABEL.to_owned(), "naru".to_owned())]);
        if let Some(gateway) = self.host_gateway() {
            labels.insert(HOST_GATEWAY_LABEL.to_owned(), gateway.to_string());
        }
        let policies = self.0.engine.build_policies().await.map_err(failure::of_engine)?;
        Ok(vec![WorkerRecord {
            gc_policy: policies.iter().map(usage::policy).collect(),
            id: "naru".to_owned(),
            labels,
            platforms: Emulators::read().platforms().into_iter().map(wire).collect(),
            buildkit_version: Some(self.version()),
        }])
    }

    async fn solve(
        &self,
        context: &BuildContext,
        target: Target<Solution>,
    ) -> Result<Solved<Solution>, BuildError> {
        let read = Read::new(&self.0, context, target);
        let read = Self::unless_cancelled(context, read).await?;
        match &read.asked.question {
            Some(question) if question == checks::QUESTION => {
                let solution = read.solution(context);
                let (dockerfile, checked) = solution.check(&self.0.engine, context).await?;
                Ok(Solved { solution: None, metadata: checks::answer(dockerfile, &checked) })
            }
            Some(question) => {
                let metadata = questions::answer(question, &read)?;
                Ok(Solved { solution: None, metadata })
            }
            None => {
                Ok(Solved { solution: Some(read.solution(context)), metadata: BTreeMap::new() })
            }
        }
    }

    async fn evaluate(
        &self,
        context: &BuildContext,
        solution: Arc<Solution>,
    ) -> Result<(), BuildError> {
        solution.built(&self.0.engine, context, false).await.map(drop)
    }

    async fn export(
        &self,
        context: &BuildContext,
        solution: Arc<Solution>,
        request: ExportRequest,
    ) -> Result<BTreeMap<String, String>, BuildError> {
        export::check(&request, solution.provenance())?;
        // A cache elsewhere leaves the image what it is without.
        let is_inline = request.cache_exports.iter().any(|cache| cache.r#type == "inline");
        let built = solution.built(&self.0.engine, context, is_inline).await?;
        let exported =
            export::all(&self.0.engine, context, (&built, solution.provenance()), &request);
        Self::unless_cancelled(context, Box::pin(exported)).await
    }

    async fn disk_usage(&self, request: DiskUsageRequest) -> Result<Vec<UsageRecord>, BuildError> {
        usage::disk_usage(&self.0.engine, &request).await
    }

    async fn prune(
        &self,
        request: PruneRequest,
        removed: mpsc::Sender<UsageRecord>,
    ) -> Result<(), BuildError> {
        usage::prune(&self.0.engine, &request, &removed).await
    }
}

fn wire(platform: Platform) -> ops::Platform {
    ops::Platform {
        architecture: platform.architecture,
        os: platform.os,
        variant: platform.variant.unwrap_or_default(),
        ..ops::Platform::default()
    }
}
