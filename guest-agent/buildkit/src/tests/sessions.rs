//! Sessions: the client serves, and the builder asks.

use std::convert::Infallible;
use std::sync::Arc;

use bytes::Bytes;
use futures::{StreamExt as _, TryStreamExt as _, stream};
use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper::{HeaderMap, Request as HttpRequest};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, duplex};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tonic::{Code, Request, Status, Streaming};

use super::Fixture;
use crate::executor::Executor;
use crate::rpc::{Answers, HttpResponse, both_ways, unary};
use crate::wire::fsutil::Packet;
use crate::wire::session::{
    BytesMessage, CheckAgentRequest, CheckAgentResponse, CredentialsRequest, CredentialsResponse,
    GetSecretRequest, GetSecretResponse,
};
use crate::{Offer, Session, SessionError};

const SESSION: &str = "/moby.buildkit.v1.Control/Session";

/// What the client's end does with one call of a kind that has messages both ways.
pub(super) type Script<M> =
    Box<dyn Fn(HeaderMap, Streaming<M>, mpsc::Sender<Result<M, Status>>) -> Ending + Send + Sync>;
pub(super) type Ending = futures::future::BoxFuture<'static, ()>;

/// The client's end of a session: what it serves.
#[derive(Default)]
pub(super) struct Serves {
    pub(super) packets: Option<Script<Packet>>,
    pub(super) bytes: Option<Script<BytesMessage>>,
}

/// The headers with which the client offers all that there is.
pub(super) fn headers(id: &str) -> anyhow::Result<HeaderMap> {
    let mut headers = HeaderMap::new();
    headers.insert("x-docker-expose-session-uuid", id.parse()?);
    headers.insert("x-docker-expose-session-sharedkey", "key".parse()?);
    for method in [
        "/moby.filesync.v1.FileSync/DiffCopy",
        "/moby.filesync.v1.FileSend/DiffCopy",
        "/moby.buildkit.secrets.v1.Secrets/GetSecret",
        "/moby.sshforward.v1.SSH/CheckAgent",
        "/moby.sshforward.v1.SSH/ForwardAgent",
        "/moby.filesync.v1.Auth/Credentials",
        "/moby.upload.v1.Upload/Pull",
    ] {
        headers.append("x-docker-expose-session-grpc-method", method.parse()?);
    }
    Ok(headers)
}

/// A session that is under way; ends when its connection is aborted.
pub(super) struct Connected {
    pub(super) session: Arc<Session>,
    cable: JoinHandle<()>,
    served: JoinHandle<Result<(), SessionError>>,
}

impl Connected {
    /// The client goes without a word. Returns once the door has seen it.
    async fn vanish(self) -> anyhow::Result<Arc<Session>> {
        self.cable.abort();
        self.served.await??;
        Ok(self.session)
    }
}

impl Fixture {
    pub(super) async fn connect(&self, serves: Serves) -> anyhow::Result<Connected> {
        let (near, far, cable) = self.cable();
        serve(self, serves, near);
        let sessions = self.door.sessions().clone();
        let offer = Offer::from_headers(&headers("s")?)?;
        let served = self.tasks.spawn(async move { sessions.serve(offer, far).await });
        let session = self.door.sessions().get("s").await?;
        Ok(Connected { session, cable, served })
    }
}

fn serve(fixture: &Fixture, serves: Serves, connection: DuplexStream) {
    let (serves, tasks) = (Arc::new(serves), fixture.tasks.clone());
    let executor = Executor(fixture.tasks.clone());
    let service = service_fn(move |request| {
        let (serves, tasks) = (Arc::clone(&serves), tasks.clone());
        async move { Ok::<_, Infallible>(serves.answer(&tasks, request).await) }
    });
    fixture.tasks.spawn(async move {
        let connection = TokioIo::new(connection);
        // How it ends is what the tests look at, from the other side.
        drop(http2::Builder::new(executor).serve_connection(connection, service).await);
    });
}

impl Serves {
    async fn answer(
        &self,
        tasks: &tokio_util::task::TaskTracker,
        request: HttpRequest<hyper::body::Incoming>,
    ) -> HttpResponse {
        let headers = request.headers().clone();
        let path = request.uri().path().to_owned();
        match (path.as_str(), &self.packets, &self.bytes) {
            (path, Some(packets), _) if path.ends_with("/DiffCopy") => {
                both_ways(request, |incoming| play(tasks, packets, &headers, incoming)).await
            }
            (_, _, Some(bytes)) => {
                both_ways(request, |incoming| play(tasks, bytes, &headers, incoming)).await
            }
            ("/moby.buildkit.secrets.v1.Secrets/GetSecret", ..) => unary(request, secret).await,
            ("/moby.sshforward.v1.SSH/CheckAgent", ..) => unary(request, agent).await,
            ("/moby.filesync.v1.Auth/Credentials", ..) => unary(request, credentials).await,
            _ => Status::unimplemented("not served").into_http(),
        }
    }
}

async fn play<M: Send + 'static>(
    tasks: &tokio_util::task::TaskTracker,
    script: &Script<M>,
    headers: &HeaderMap,
    incoming: Streaming<M>,
) -> Result<Answers<M>, Status> {
    let (outgoing, mut answers) = mpsc::channel(1024);
    tasks.spawn(script(headers.clone(), incoming, outgoing));
    // As gRPC for Go does: no headers before there is something to say.
    let first = answers.recv().await;
    let rest = stream::poll_fn(move |context| answers.poll_recv(context));
    match first {
        Some(Err(status)) => Err(status),
        first => Ok(stream::iter(first).chain(rest).boxed()),
    }
}

async fn secret(request: GetSecretRequest) -> Result<GetSecretResponse, Status> {
    match request.id.as_str() {
        "token" => Ok(GetSecretResponse { data: b"\xffhush".to_vec() }),
        "broken" => Err(Status::unknown("cannot read the file")),
        _ => Err(Status::not_found("secret not found")),
    }
}

async fn agent(request: CheckAgentRequest) -> Result<CheckAgentResponse, Status> {
    match request.id.as_str() {
        "default" => Ok(CheckAgentResponse {}),
        id => Err(Status::unknown(format!("unset ssh forward key {id}"))),
    }
}

async fn credentials(request: CredentialsRequest) -> Result<CredentialsResponse, Status> {
    let (username, secret) = match request.host.as_str() {
        "registry-1.docker.io" => ("me".to_owned(), "hush".to_owned()),
        _ => (String::new(), String::new()),
    };
    Ok(CredentialsResponse { username, secret })
}

#[tokio::test]
async fn secrets_and_credentials_come_when_the_client_has_them() -> anyhow::Result<()> {
    let fixture = Fixture::new();
    let session = fixture.connect(Serves::default()).await?.session;
    assert_eq!(session.shared_key(), "key");
    let found = session.secret("token").await?;
    assert_eq!(found.as_ref().map(crate::Secret::reveal), Some(b"\xffhush".as_slice()));
    assert_eq!(format!("{found:?}"), "Some(Secret(…))");
    assert_eq!(session.secret("other").await?, None);
    let broken = session.secret("broken").await;
    assert!(matches!(broken, Err(SessionError::Refused { code: Code::Unknown, .. })));
    assert!(session.has_ssh_agent("default").await?);
    assert!(!session.has_ssh_agent("other").await?);
    let found = session.credentials("registry-1.docker.io").await?;
    assert_eq!(found.map(|credentials| credentials.username).as_deref(), Some("me"));
    assert_eq!(session.credentials("host").await?, None, "it has none");
    let token = session.fetch_token(crate::TokenRequest::default()).await?;
    assert_eq!(token, None, "it does not offer any");
    Ok(())
}

#[tokio::test]
async fn a_clients_end_is_the_sessions() -> anyhow::Result<()> {
    let fixture = Fixture::new();
    let never = |_, incoming: Streaming<BytesMessage>, outgoing| -> Ending {
        Box::pin(async move {
            let _held = (incoming, outgoing);
            std::future::pending::<()>().await;
        })
    };
    let serves = Serves { bytes: Some(Box::new(never)), ..Serves::default() };
    let connected = fixture.connect(serves).await?;
    let session = Arc::clone(&connected.session);
    let (received, gone) =
        tokio::join!(session.receive_upload("/a", tokio::io::sink()), connected.vanish(),);
    assert!(matches!(received, Err(SessionError::Refused { .. } | SessionError::Ended { .. })));
    gone?.ended().await;
    let late = session.secret("token").await;
    assert!(matches!(late, Err(SessionError::Ended { .. } | SessionError::Refused { .. })));
    Ok(())
}

#[tokio::test]
async fn one_id_is_one_session() -> anyhow::Result<()> {
    let fixture = Fixture::new();
    let connected = fixture.connect(Serves::default()).await?;
    let (_near, far) = duplex(64);
    let second = fixture.door.sessions().serve(Offer::from_headers(&headers("s")?)?, far).await;
    assert!(matches!(second, Err(SessionError::Exists { .. })));
    assert_eq!(fixture.door.sessions().get("prefix:s").await?.id(), "s");
    connected.vanish().await?;
    fixture.connect(Serves::default()).await?;
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn a_session_that_never_comes_is_unknown() {
    let fixture = Fixture::new();
    let unknown = fixture.door.sessions().get("s").await;
    assert!(matches!(unknown, Err(SessionError::Unknown { .. })));
}

#[tokio::test]
async fn a_session_may_come_as_messages_of_the_control_connection() -> anyhow::Result<()> {
    let fixture = Fixture::new();
    let client = fixture.client().await?;
    let (near, far) = duplex(64 << 10);
    serve(&fixture, Serves::default(), near);
    let (mut from_server, mut to_server) = tokio::io::split(far);
    let (messages, mut outgoing) = mpsc::channel::<BytesMessage>(16);
    fixture.tasks.spawn(async move {
        let mut piece = vec![0; 8192];
        while let Ok(read @ 1..) = from_server.read(&mut piece).await {
            let data = Bytes::copy_from_slice(&piece[..read]);
            if messages.send(BytesMessage { data }).await.is_err() {
                break;
            }
        }
    });
    let outgoing = stream::poll_fn(move |context| outgoing.poll_recv(context)).boxed();
    let mut request = Request::new(outgoing);
    *request.metadata_mut() = tonic::metadata::MetadataMap::from_headers(headers("t")?);
    let mut answers = client.exchange::<_, BytesMessage>(SESSION, request).await?;
    fixture.tasks.spawn(async move {
        while let Ok(Some(message)) = answers.try_next().await {
            if to_server.write_all(&message.data).await.is_err() {
                break;
            }
        }
    });
    let session = fixture.door.sessions().get("t").await?;
    assert!(session.secret("token").await?.is_some());
    client.vanish();
    session.ended().await;
    Ok(())
}
