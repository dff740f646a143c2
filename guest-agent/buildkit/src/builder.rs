//! What the engine's builder is to this door.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::error::{BuildError, SessionError};
use crate::progress::Progress;
use crate::session::{Session, Sessions};
use crate::wire::control::{
    CacheOptionsEntry, DiskUsageRequest, Exporter, PruneRequest, UsageRecord,
};
use crate::wire::worker::{BuildkitVersion, WorkerRecord};

/// The worker's label that tells buildx's docker driver that there is a content store: without
/// it, it asks for neither `oci`, `docker` with a destination, several platforms, nor cache export.
pub const SNAPSHOTTER_LABEL: &str = "org.mobyproject.buildkit.worker.snapshotter";
/// The worker's label with the address that `host-gateway` stands for.
pub const HOST_GATEWAY_LABEL: &str = "org.mobyproject.buildkit.worker.moby.host-gateway-ip";

/// A builder of Dockerfiles.
///
/// A build is two steps, because buildx takes them apart. First [`solve`](Self::solve) makes
/// of a frontend's attributes something that can be built; then [`export`](Self::export)
/// builds it and hands it to where it was asked for. Between the two, what came of the first
/// may become an input of another build ([`Target::inputs`], bake's `target:` contexts), and may
/// be built without being handed to anyone ([`evaluate`](Self::evaluate)). How lazy the first is,
/// is the builder's choice.
///
/// Every method that gets a [`BuildContext`] ends soon after [`BuildContext::cancelled`] is
/// cancelled, and leaves nothing half made. None is given up half-way: the door awaits them
/// even when the client is gone.
#[async_trait]
pub trait Builder: Send + Sync + 'static {
    /// What a frontend's attributes come to.
    type Solution: Send + Sync + 'static;

    /// What the builder calls itself.
    fn version(&self) -> BuildkitVersion;

    /// The capabilities that clients ask for by name, such as `exporter.multiple`.
    fn capabilities(&self) -> Vec<&'static str>;

    /// Where builds run, and for which platforms. The first one is the default.
    async fn workers(&self) -> Result<Vec<WorkerRecord>, BuildError>;

    /// Reads what is to be built, or answers a sub-request (the attribute `requestid`).
    async fn solve(
        &self,
        context: &BuildContext,
        target: Target<Self::Solution>,
    ) -> Result<Solved<Self::Solution>, BuildError>;

    /// Builds.
    async fn evaluate(
        &self,
        context: &BuildContext,
        solution: Arc<Self::Solution>,
    ) -> Result<(), BuildError>;

    /// Builds and hands on; without exporters it only builds. What it gives is what the client
    /// learns of the result, such as `containerimage.digest`.
    async fn export(
        &self,
        context: &BuildContext,
        solution: Arc<Self::Solution>,
        request: ExportRequest,
    ) -> Result<BTreeMap<String, String>, BuildError>;

    /// What the builds' caches take.
    async fn disk_usage(&self, request: DiskUsageRequest) -> Result<Vec<UsageRecord>, BuildError>;

    /// Removes what the request names, and tells of each piece as it goes. Once nobody listens
    /// any more it may stop.
    async fn prune(
        &self,
        request: PruneRequest,
        removed: mpsc::Sender<UsageRecord>,
    ) -> Result<(), BuildError>;
}

/// What is to be built.
#[derive(Debug)]
pub struct Target<S> {
    /// The frontend's attributes: `filename`, `target`, `platform`, `build-arg:…`, `context:…`.
    pub attributes: BTreeMap<String, String>,
    /// What an attribute's `input:NAME` stands for: solutions of other builds.
    pub inputs: BTreeMap<String, Arc<S>>,
    /// Caches to read from.
    pub cache_imports: Vec<CacheOptionsEntry>,
}

/// What came of it.
#[derive(Debug)]
pub struct Solved<S> {
    /// What can be built; a sub-request gives none.
    pub solution: Option<S>,
    /// What the frontend says: a sub-request's `result.json` and `result.txt`.
    pub metadata: BTreeMap<String, Vec<u8>>,
}

/// Where a result goes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ExportRequest {
    /// The exporters; the place of one here is its number in [`Session::send_archive`].
    pub exporters: Vec<Exporter>,
    /// Caches to write to.
    pub cache_exports: Vec<CacheOptionsEntry>,
    /// The attributes of the build as a whole: `attest:…`, `build-arg:SOURCE_DATE_EPOCH`.
    pub attributes: BTreeMap<String, String>,
}

/// A build that is under way, as the builder sees it.
#[derive(Clone, Debug)]
pub struct BuildContext {
    pub(crate) reference: String,
    pub(crate) session: String,
    pub(crate) sessions: Sessions,
    pub(crate) entitlements: Arc<[String]>,
    pub(crate) progress: Progress,
    pub(crate) cancelled: CancellationToken,
}

impl BuildContext {
    /// The client's name of the build.
    pub fn reference(&self) -> &str {
        &self.reference
    }

    /// Whether the client lets the build do this: `network.host`, `security.insecure`.
    pub fn allows(&self, entitlement: &str) -> bool {
        self.entitlements.iter().any(|allowed| allowed == entitlement)
    }

    /// Where the builder tells what it does.
    pub fn progress(&self) -> &Progress {
        &self.progress
    }

    /// Cancelled when the client has gone, or the engine ends.
    pub fn cancelled(&self) -> &CancellationToken {
        &self.cancelled
    }

    /// The client's session, for which this waits a moment if it is still on its way.
    pub async fn session(&self) -> Result<Arc<Session>, SessionError> {
        if self.session.is_empty() {
            return Err(SessionError::None);
        }
        self.sessions.get(&self.session).await
    }

    /// The same build, for a part of it that may be given up alone.
    pub(crate) fn part(&self) -> Self {
        Self { cancelled: self.cancelled.child_token(), ..self.clone() }
    }
}
