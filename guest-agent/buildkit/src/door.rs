//! The door itself: connections come in, and each request finds its service.

use std::convert::Infallible;
use std::fmt;
use std::future::ready;
use std::sync::Arc;
use std::time::Duration;

use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tonic::Status;

use crate::builder::Builder;
use crate::control::told;
use crate::error::SessionError;
use crate::executor::Executor;
use crate::gateway::BUILD_ID;
use crate::jobs::Jobs;
use crate::rpc::{Answers, HttpRequest, HttpResponse, both_ways, streamed, unary};
use crate::session::{Offer, Sessions};
use crate::wire::control::{InfoRequest, SolveRequest, SolveResponse, StatusResponse};
use crate::wire::health::{HealthCheckRequest, HealthCheckResponse, ServingStatus};

/// How often a silent client is pinged, and how long it may take to answer: a build whose client
/// is gone without a word is to end.
const PING_EVERY: Duration = Duration::from_secs(10);
const PING_ANSWER: Duration = Duration::from_secs(20);

/// BuildKit's services over any connection, in front of a builder.
pub struct Door<B: Builder> {
    inner: Arc<Inner<B>>,
}

/// How a build ends.
type Solved = Result<SolveResponse, Status>;

/// What all calls share.
pub(crate) struct Inner<B: Builder> {
    pub(crate) builder: Arc<B>,
    pub(crate) jobs: Arc<Jobs<B::Solution>>,
    pub(crate) sessions: Sessions,
    pub(crate) tasks: TaskTracker,
    pub(crate) stop: CancellationToken,
}

impl<B: Builder> Clone for Door<B> {
    fn clone(&self) -> Self {
        Self { inner: Arc::clone(&self.inner) }
    }
}

impl<B: Builder> fmt::Debug for Door<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Door").field("sessions", &self.inner.sessions).finish_non_exhaustive()
    }
}

impl<B: Builder> Door<B> {
    /// A door to this builder.
    pub fn new(builder: Arc<B>) -> Self {
        let (tasks, stop) = (TaskTracker::new(), CancellationToken::new());
        let sessions = Sessions::new(tasks.clone(), stop.clone());
        let jobs = Arc::new(Jobs::default());
        Self { inner: Arc::new(Inner { builder, jobs, sessions, tasks, stop }) }
    }

    /// The sessions, for connections to `/session`.
    pub fn sessions(&self) -> &Sessions {
        &self.inner.sessions
    }

    /// Serves one connection that speaks HTTP/2 from its first byte on, until it ends: what
    /// `/grpc` was upgraded to, or one of the listener's own.
    ///
    /// Giving this up closes the connection, and with it cancels its builds.
    pub async fn serve<C>(&self, connection: C)
    where
        C: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        let inner = Arc::clone(&self.inner);
        let service = service_fn(move |request| {
            let inner = Arc::clone(&inner);
            async move { Ok::<_, Infallible>(answer(&inner, request).await) }
        });
        let connection = http2::Builder::new(Executor(self.inner.tasks.clone()))
            .timer(TokioTimer::new())
            .keep_alive_interval(PING_EVERY)
            .keep_alive_timeout(PING_ANSWER)
            .serve_connection(TokioIo::new(connection), service);
        tokio::select! {
            result = connection => if let Err(error) = result {
                // Clients that go away in mid-build are nothing unusual.
                tracing::debug!(%error, "a connection of BuildKit's door broke");
            },
            () = self.inner.stop.cancelled() => {}
        }
    }

    /// Begins a build of a client that speaks of it in another way than this protocol: what the
    /// build tells of itself, and its end. Giving that up cancels it.
    pub fn build(
        &self,
        request: SolveRequest,
    ) -> Result<(Answers<StatusResponse>, impl Future<Output = Solved> + Send + use<B>), Status>
    {
        let inner = Arc::clone(&self.inner);
        let (progress, end) = inner.begin(request)?;
        Ok((told(&progress), end))
    }

    /// The builder.
    pub fn builder(&self) -> &Arc<B> {
        &self.inner.builder
    }

    /// Does work that belongs to the door and ends with it.
    pub fn spawn(&self, work: impl Future<Output = ()> + Send + 'static) {
        let stop = self.inner.stop.clone();
        self.inner.tasks.spawn(async move { stop.run_until_cancelled(work).await });
    }

    /// Cancels all builds, closes all connections and sessions, and waits until they are gone.
    pub async fn shutdown(&self) {
        self.inner.stop.cancel();
        self.inner.tasks.close();
        self.inner.tasks.wait().await;
    }
}

/// Answers one call.
async fn answer<B: Builder>(inner: &Arc<Inner<B>>, request: HttpRequest) -> HttpResponse {
    let path = request.uri().path().to_owned();
    if let Some(method) = path.strip_prefix("/moby.buildkit.v1.Control/") {
        return control(inner, method, request).await;
    }
    if let Some(method) = path.strip_prefix("/moby.buildkit.v1.frontend.LLBBridge/") {
        return gateway(inner, method, request).await;
    }
    match path.as_str() {
        "/grpc.health.v1.Health/Check" => unary(request, health).await,
        _ => unimplemented(&path),
    }
}

async fn control<B: Builder>(
    inner: &Arc<Inner<B>>,
    method: &str,
    request: HttpRequest,
) -> HttpResponse {
    match method {
        "Info" => unary(request, |_: InfoRequest| ready(Ok(inner.info()))).await,
        "ListWorkers" => unary(request, |question| inner.list_workers(question)).await,
        "Solve" => unary(request, |question| inner.solve(question)).await,
        "Status" => streamed(request, |question| inner.status(question)).await,
        "DiskUsage" => unary(request, |question| inner.disk_usage(question)).await,
        "Prune" => streamed(request, |question| ready(Ok(inner.prune(question)))).await,
        "ListenBuildHistory" => {
            streamed(request, |question| ready(inner.listen_history(&question))).await
        }
        "UpdateBuildHistory" => {
            unary(request, |question| ready(inner.update_history(&question))).await
        }
        "Session" => match Offer::from_headers(request.headers()) {
            Ok(offer) => {
                both_ways(request, |incoming| ready(Ok(inner.session(offer.clone(), incoming))))
                    .await
            }
            Err(error) => refused(&error).into_http(),
        },
        _ => unimplemented(method),
    }
}

async fn gateway<B: Builder>(
    inner: &Arc<Inner<B>>,
    method: &str,
    request: HttpRequest,
) -> HttpResponse {
    let build = request.headers().get(BUILD_ID).and_then(|value| value.to_str().ok());
    let Some(build) = build.map(str::to_owned) else {
        return Status::invalid_argument("no buildid found in context").into_http();
    };
    let build = build.as_str();
    match method {
        "Ping" => unary(request, |question| inner.ping(build, question)).await,
        "Solve" => unary(request, |question| inner.gateway_solve(build, question)).await,
        "Evaluate" => unary(request, |question| inner.evaluate(build, question)).await,
        "Return" => unary(request, |question| inner.gateway_return(build, question)).await,
        _ => unimplemented(method),
    }
}

async fn health(request: HealthCheckRequest) -> Result<HealthCheckResponse, Status> {
    if !request.service.is_empty() {
        return Err(Status::not_found("unknown service"));
    }
    Ok(HealthCheckResponse { status: ServingStatus::Serving.into() })
}

fn unimplemented(method: &str) -> HttpResponse {
    Status::unimplemented(format!("method {method} is not supported by this builder")).into_http()
}

fn refused(error: &SessionError) -> Status {
    Status::new(crate::error::code(error.kind()), naru_error::chain(error))
}
