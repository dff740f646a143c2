//! The control service: builds from their beginning to their end.

use std::collections::BTreeMap;
use std::sync::Arc;

use futures::StreamExt as _;
use futures::stream;
use naru_error::ErrorKind;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, duplex, split};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tonic::{Status, Streaming};

use crate::builder::{BuildContext, Builder, Target};
use crate::door::Inner;
use crate::error::BuildError;
use crate::jobs::Job;
use crate::progress::Progress;
use crate::request::{Frontend, Plan};
use crate::rpc::Answers;
use crate::session::Offer;
use crate::solution;
use crate::wire::control::{
    DiskUsageRequest, DiskUsageResponse, InfoResponse, ListWorkersRequest, ListWorkersResponse,
    PruneRequest, SolveRequest, SolveResponse, StatusRequest, StatusResponse, UsageRecord,
};
use crate::wire::history::{
    BuildHistoryEvent, BuildHistoryRequest, UpdateBuildHistoryRequest, UpdateBuildHistoryResponse,
};
use crate::wire::session::BytesMessage;

/// How many records of what was pruned may wait for their client.
const PRUNED: usize = 64;
/// How much of a session that comes as messages may wait, in each direction.
const TUNNEL: usize = 64 << 10;

impl<B: Builder> Inner<B> {
    pub(crate) fn info(&self) -> InfoResponse {
        InfoResponse { buildkit_version: Some(self.builder.version()) }
    }

    pub(crate) async fn list_workers(
        &self,
        request: ListWorkersRequest,
    ) -> Result<ListWorkersResponse, Status> {
        if !request.filter.is_empty() {
            return Err(Status::unimplemented("filters of workers are not supported"));
        }
        Ok(ListWorkersResponse { record: self.builder.workers().await? })
    }

    /// One build. It is cancelled when the client gives the call up, and awaited all the same.
    pub(crate) async fn solve(
        self: &Arc<Self>,
        request: SolveRequest,
    ) -> Result<SolveResponse, Status> {
        self.begin(request)?.1.await
    }

    /// Begins a build, and gives what it tells and its end.
    pub(crate) fn begin(
        self: &Arc<Self>,
        request: SolveRequest,
    ) -> Result<(Progress, impl Future<Output = Result<SolveResponse, Status>> + use<B>), Status>
    {
        let plan = Plan::try_from(request)?;
        let cancelled = self.stop.child_token();
        let progress = Progress::default();
        let context = BuildContext {
            reference: plan.reference.clone(),
            session: plan.session.clone(),
            sessions: self.sessions.clone(),
            entitlements: Arc::clone(&plan.entitlements),
            progress: progress.clone(),
            cancelled: cancelled.clone(),
        };
        let running = self.jobs.start(context, plan.record(), plan.is_internal)?;
        let inner = Arc::clone(self);
        let end = async move {
            let building = Arc::clone(&inner);
            inner
                .attend(cancelled, async move {
                    let result = building.build(&running.job, plan).await;
                    running.finish(result.clone());
                    Ok(SolveResponse { exporter_response: result? })
                })
                .await
        };
        Ok((progress, end))
    }

    async fn build(
        &self,
        job: &Job<B::Solution>,
        plan: Plan,
    ) -> Result<BTreeMap<String, String>, Status> {
        let context = &job.context;
        let solution = if let Some(frontend) = plan.frontend {
            let target = self.target(frontend)?;
            self.builder.solve(context, target).await?.solution.map(Arc::new)
        } else {
            let returned = tokio::select! {
                returned = job.returned() => returned?,
                () = context.cancelled.cancelled() => return Err(given_up()),
            };
            let own = |id: String| job.own_solution(&id).ok_or_else(|| unknown(&id));
            returned.map(own).transpose()?
        };
        match solution {
            Some(solution) => Ok(self.builder.export(context, solution, plan.export).await?),
            // Clients begin a build for nothing but to learn what the builder can do.
            None => Ok(BTreeMap::new()),
        }
    }

    /// Gives a frontend's inputs their solutions.
    pub(crate) fn target(&self, frontend: Frontend) -> Result<Target<B::Solution>, Status> {
        let inputs = frontend.inputs.into_iter().map(|(name, definition)| {
            let id = solution::id(&definition).ok_or_else(|| {
                Status::unimplemented(format!(
                    "input {name} is a graph of build steps (LLB), which this builder does not take"
                ))
            })?;
            Ok((name, self.jobs.solution(&id).ok_or_else(|| unknown(&id))?))
        });
        Ok(Target {
            inputs: inputs.collect::<Result<_, Status>>()?,
            attributes: frontend.attributes,
            cache_imports: frontend.cache_imports,
        })
    }

    pub(crate) async fn status(
        &self,
        request: StatusRequest,
    ) -> Result<Answers<StatusResponse>, Status> {
        Ok(told(&self.jobs.progress(&request.r#ref).await?))
    }

    pub(crate) async fn disk_usage(
        self: &Arc<Self>,
        request: DiskUsageRequest,
    ) -> Result<DiskUsageResponse, Status> {
        let builder = Arc::clone(&self.builder);
        let record =
            self.attend(
                CancellationToken::new(),
                async move { Ok(builder.disk_usage(request).await?) },
            );
        Ok(DiskUsageResponse { record: record.await? })
    }

    pub(crate) fn prune(&self, request: PruneRequest) -> Answers<UsageRecord> {
        let (removed, mut records) = mpsc::channel(PRUNED);
        let builder = Arc::clone(&self.builder);
        let pruning = self.tasks.spawn(async move { builder.prune(request, removed).await });
        let records = stream::poll_fn(move |context| records.poll_recv(context)).map(Ok);
        let end = stream::once(pruning).filter_map(|end| async {
            match end {
                Ok(Ok(())) => None,
                Ok(Err(error)) => Some(Err(error.into())),
                Err(_) => Some(Err(lost())),
            }
        });
        records.chain(end).boxed()
    }

    pub(crate) fn listen_history(
        &self,
        request: &BuildHistoryRequest,
    ) -> Result<Answers<BuildHistoryEvent>, Status> {
        let events = self.jobs.history.listen(request, || self.jobs.records())?;
        let stop = self.stop.clone();
        Ok(events.take_until(async move { stop.cancelled().await }).boxed())
    }

    pub(crate) fn update_history(
        &self,
        request: &UpdateBuildHistoryRequest,
    ) -> Result<UpdateBuildHistoryResponse, Status> {
        self.jobs.history.update(request)?;
        Ok(UpdateBuildHistoryResponse {})
    }

    /// A session whose connection comes as messages of another.
    pub(crate) fn session(
        &self,
        offer: Offer,
        mut incoming: Streaming<BytesMessage>,
    ) -> Answers<BytesMessage> {
        let (near, far) = duplex(TUNNEL);
        let (from_session, mut to_session) = split(near);
        let sessions = self.sessions.clone();
        self.tasks.spawn(async move {
            if let Err(error) = sessions.serve(offer, far).await {
                tracing::debug!(error = naru_error::chain(&error), "a session was turned away");
            }
        });
        self.tasks.spawn(async move {
            while let Ok(Some(message)) = incoming.message().await {
                if to_session.write_all(&message.data).await.is_err() {
                    break;
                }
            }
            // To the session its connection has ended; that it had already is as well.
            drop(to_session.shutdown().await);
        });
        let outgoing = stream::try_unfold(from_session, |mut session| async move {
            let mut piece = bytes::BytesMut::with_capacity(TUNNEL);
            let read = session.read_buf(&mut piece).await;
            let read = read.map_err(|error| Status::unknown(error.to_string()))?;
            Ok((read > 0).then(|| (BytesMessage { data: piece.freeze() }, session)))
        });
        outgoing.boxed()
    }

    /// Awaits work to its end whatever becomes of the call, whose end cancels it.
    pub(crate) async fn attend<T: Send + 'static>(
        &self,
        cancelled: CancellationToken,
        work: impl Future<Output = Result<T, Status>> + Send + 'static,
    ) -> Result<T, Status> {
        let _gone = cancelled.drop_guard();
        self.tasks.spawn(work).await.unwrap_or_else(|_| Err(lost()))
    }
}

/// All that a build tells.
pub(crate) fn told(progress: &Progress) -> Answers<StatusResponse> {
    progress.follow().map(|update| Ok(StatusResponse::clone(&update))).boxed()
}

fn given_up() -> Status {
    BuildError::new(ErrorKind::Cancelled, "the build was cancelled").into()
}

/// The work has panicked; what it said is in the log.
fn lost() -> Status {
    Status::unknown("the builder failed unexpectedly")
}

pub(crate) fn unknown(id: &str) -> Status {
    Status::not_found(format!("no such result {id}"))
}
