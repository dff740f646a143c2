//! The door over in-memory connections, with a client half and a builder of the tests' own.

mod builds;
mod calls;
mod files;
mod packets;
mod sessions;
mod streams;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use futures::stream::BoxStream;
use futures::{StreamExt as _, stream};
use hyper::client::conn::http2;
use hyper::http::uri::PathAndQuery;
use hyper_util::rt::TokioIo;
use naru_error::ErrorKind;
use prost::Message;
use tokio::io::{DuplexStream, copy_bidirectional, duplex};
use tokio::sync::{Semaphore, mpsc};
use tokio::task::JoinHandle;
use tokio_util::task::TaskTracker;
use tonic::{Request, Status};
use tonic_prost::ProstCodec;

use crate::channel::Channel;
use crate::executor::Executor;
use crate::gateway::BUILD_ID;
use crate::wire::control::{DiskUsageRequest, PruneRequest, UsageRecord, Vertex};
use crate::wire::worker::{BuildkitVersion, WorkerRecord};
use crate::{BuildContext, BuildError, Builder, Door, ExportRequest, Solved, Target};

/// A builder that does what the attribute `do` says.
#[derive(Debug)]
struct Fake {
    /// A permit for each build that has begun to wait.
    waiting: Semaphore,
    /// A permit for each build that was cancelled and has tidied up.
    tidied: Semaphore,
    exports: Mutex<Vec<ExportRequest>>,
}

impl Fake {
    fn exports(&self) -> Vec<ExportRequest> {
        self.exports.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

#[async_trait]
impl Builder for Fake {
    type Solution = String;

    fn version(&self) -> BuildkitVersion {
        BuildkitVersion { version: "v0.13.0".to_owned(), ..BuildkitVersion::default() }
    }

    fn capabilities(&self) -> Vec<&'static str> {
        vec!["exporter.multiple"]
    }

    async fn workers(&self) -> Result<Vec<WorkerRecord>, BuildError> {
        Ok(vec![WorkerRecord { id: "one".to_owned(), ..WorkerRecord::default() }])
    }

    async fn solve(
        &self,
        context: &BuildContext,
        target: Target<String>,
    ) -> Result<Solved<String>, BuildError> {
        let metadata = BTreeMap::from([("seen".to_owned(), b"yes".to_vec())]);
        match target.attributes.get("do").map(String::as_str) {
            Some("fail") => {
                return Err(BuildError::new(
                    ErrorKind::InvalidArgument,
                    "unknown instruction: FRM",
                )
                .in_source("Dockerfile", b"FRM x\n", &[(1, 1)]));
            }
            Some("panic") => std::panic::resume_unwind(Box::new("as asked")),
            Some("wait") => {
                self.waiting.add_permits(1);
                context.cancelled().cancelled().await;
                self.tidied.add_permits(1);
                return Err(BuildError::new(ErrorKind::Cancelled, "cancelled"));
            }
            Some("describe") => return Ok(Solved { solution: None, metadata }),
            _ => {}
        }
        let inputs = target.inputs.values().map(|input| format!("({input})"));
        let name = target.attributes.get("target").cloned().unwrap_or_default();
        Ok(Solved { solution: Some(inputs.fold(name, |all, input| all + &input)), metadata })
    }

    async fn evaluate(
        &self,
        context: &BuildContext,
        solution: Arc<String>,
    ) -> Result<(), BuildError> {
        let name = String::clone(&solution);
        context.progress().vertex(Vertex { digest: name.clone(), name, ..Vertex::default() });
        Ok(())
    }

    async fn export(
        &self,
        context: &BuildContext,
        solution: Arc<String>,
        request: ExportRequest,
    ) -> Result<BTreeMap<String, String>, BuildError> {
        self.evaluate(context, Arc::clone(&solution)).await?;
        context.progress().log(&solution, 1, "printed".into());
        self.exports.lock().unwrap_or_else(PoisonError::into_inner).push(request);
        Ok(BTreeMap::from([("built".to_owned(), String::clone(&solution))]))
    }

    async fn disk_usage(&self, _: DiskUsageRequest) -> Result<Vec<UsageRecord>, BuildError> {
        Ok(vec![UsageRecord { size: 7, ..UsageRecord::default() }])
    }

    async fn prune(
        &self,
        request: PruneRequest,
        removed: mpsc::Sender<UsageRecord>,
    ) -> Result<(), BuildError> {
        for size in 0..100 {
            let record = UsageRecord { size, ..UsageRecord::default() };
            if removed.send(record).await.is_err() {
                return Ok(());
            }
        }
        if request.all { Err(BuildError::new(ErrorKind::Internal, "one is left")) } else { Ok(()) }
    }
}

/// A door, and the client at it.
struct Fixture {
    builder: Arc<Fake>,
    door: Door<Fake>,
    tasks: TaskTracker,
}

impl Fixture {
    fn new() -> Self {
        let builder = Arc::new(Fake {
            waiting: Semaphore::new(0),
            tidied: Semaphore::new(0),
            exports: Mutex::default(),
        });
        let door = Door::new(Arc::clone(&builder));
        Self { builder, door, tasks: TaskTracker::new() }
    }

    async fn client(&self) -> anyhow::Result<Client> {
        let (near, far, cable) = self.cable();
        let door = self.door.clone();
        self.tasks.spawn(async move { door.serve(far).await });
        let handshake = http2::Builder::new(Executor(self.tasks.clone()));
        let (requests, connection) = handshake.handshake(TokioIo::new(near)).await?;
        // How it ends is what the tests look at, from the other side.
        self.tasks.spawn(async move { drop(connection.await) });
        Ok(Client { channel: Channel(requests), cable })
    }

    /// A connection that can be cut.
    fn cable(&self) -> (DuplexStream, DuplexStream, JoinHandle<()>) {
        let ((near, mut left), (mut right, far)) = (duplex(64 << 10), duplex(64 << 10));
        let cable = self.tasks.spawn(async move {
            drop(copy_bidirectional(&mut left, &mut right).await);
        });
        (near, far, cable)
    }
}

/// What buildx is to the door.
struct Client {
    channel: Channel,
    cable: JoinHandle<()>,
}

impl Client {
    /// Goes without a word.
    fn vanish(self) {
        self.cable.abort();
    }

    async fn call<Q, A>(&self, path: &'static str, build: &str, question: Q) -> Result<A, Status>
    where
        Q: Message + 'static,
        A: Message + Default + 'static,
    {
        let mut grpc = self.channel.clone().grpc();
        grpc.ready().await.map_err(|error| Status::unavailable(error.to_string()))?;
        let mut request = Request::new(question);
        if !build.is_empty() {
            let build = build.parse().map_err(|_| Status::internal("not a header"))?;
            request.metadata_mut().insert(BUILD_ID, build);
        }
        let path = PathAndQuery::from_static(path);
        let codec = ProstCodec::<Q, A>::default();
        Ok(grpc.unary(request, path, codec).await?.into_inner())
    }

    async fn stream<Q, A>(
        &self,
        path: &'static str,
        question: Q,
    ) -> Result<BoxStream<'static, Result<A, Status>>, Status>
    where
        Q: Message + 'static,
        A: Message + Default + 'static,
    {
        self.exchange(path, Request::new(stream::once(async { question }).boxed())).await
    }

    async fn exchange<Q, A>(
        &self,
        path: &'static str,
        request: Request<BoxStream<'static, Q>>,
    ) -> Result<BoxStream<'static, Result<A, Status>>, Status>
    where
        Q: Message + 'static,
        A: Message + Default + 'static,
    {
        let mut grpc = self.channel.clone().grpc();
        grpc.ready().await.map_err(|error| Status::unavailable(error.to_string()))?;
        let path = PathAndQuery::from_static(path);
        let codec = ProstCodec::<Q, A>::default();
        Ok(grpc.streaming(request, path, codec).await?.into_inner().boxed())
    }
}
