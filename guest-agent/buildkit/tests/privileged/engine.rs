//! An engine that hands over connections, and knows nothing else.

use std::convert::Infallible;
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::Arc;

use anyhow::{Context as _, ensure};
use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::header::{CONNECTION, CONTENT_TYPE, UPGRADE};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use naru_buildkit::{Door, Offer};
use naru_test_framework::clients;
use tempfile::TempDir;
use tokio::net::{UnixListener, UnixStream};
use tokio::process::Command;
use tokio_util::task::TaskTracker;

use crate::shower::Shower;

/// An engine, and a folder for its client.
pub(crate) struct Engine {
    folder: TempDir,
    shower: Arc<Shower>,
}

impl Engine {
    pub(crate) fn start() -> anyhow::Result<Self> {
        let folder = TempDir::new()?;
        std::fs::create_dir(folder.path().join("context"))?;
        let listener = UnixListener::bind(folder.path().join("engine.sock"))?;
        let shower = Arc::new(Shower::default());
        let door = Door::new(Arc::clone(&shower));
        let tasks = TaskTracker::new();
        let connections = tasks.clone();
        tasks.spawn(async move {
            // It ends with the test's runtime.
            while let Ok((connection, _)) = listener.accept().await {
                connections.spawn(serve(door.clone(), connections.clone(), connection));
            }
        });
        Ok(Self { folder, shower })
    }

    pub(crate) fn shower(&self) -> &Shower {
        &self.shower
    }

    pub(crate) fn path(&self, path: &str) -> PathBuf {
        self.folder.path().join(path)
    }

    /// buildx in the folder, not yet started. It is ended with the test.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        // One that is missing fails when it is started.
        let mut command = Command::new(clients::buildx().unwrap_or_default());
        command
            .args(arguments)
            .current_dir(self.folder.path())
            .env("DOCKER_HOST", format!("unix://{}", self.path("engine.sock").display()))
            .env("DOCKER_CONFIG", self.path("config"))
            .stdin(Stdio::null())
            .kill_on_drop(true);
        command
    }

    /// Runs buildx, and gives what it said.
    pub(crate) async fn buildx(&self, arguments: &[&str]) -> anyhow::Result<String> {
        let output = self.command(arguments).output().await.context("running buildx")?;
        let said = [output.stdout, output.stderr].concat();
        let said = String::from_utf8_lossy(&said).into_owned();
        ensure!(output.status.success(), "buildx {arguments:?}: {said}");
        Ok(said)
    }
}

async fn serve(door: Door<Shower>, tasks: TaskTracker, connection: UnixStream) {
    let service = service_fn(move |request| {
        let (door, tasks) = (door.clone(), tasks.clone());
        async move { Ok::<_, Infallible>(answer(&door, &tasks, request)) }
    });
    let connection = http1::Builder::new().serve_connection(TokioIo::new(connection), service);
    drop(connection.with_upgrades().await);
}

fn answer(
    door: &Door<Shower>,
    tasks: &TaskTracker,
    mut request: Request<Incoming>,
) -> Response<Full<Bytes>> {
    let path = request.uri().path().to_owned();
    let mut response = Response::default();
    let headers = response.headers_mut();
    headers.insert("api-version", "1.44".parse().expect("a version is a header"));
    headers.insert("ostype", "linux".parse().expect("a word is a header"));
    headers.insert("builder-version", "2".parse().expect("a number is a header"));
    if path.ends_with("/version") {
        headers.insert(CONTENT_TYPE, "application/json".parse().expect("a type is a header"));
        let version = r#"{"Version":"26.0.0","ApiVersion":"1.44","MinAPIVersion":"1.24"}"#;
        *response.body_mut() = Full::from(version);
    } else if path.ends_with("/info") {
        headers.insert(CONTENT_TYPE, "application/json".parse().expect("a type is a header"));
        *response.body_mut() = Full::from("{}");
    } else if path.ends_with("/grpc") || path.ends_with("/session") {
        headers.insert(CONNECTION, "Upgrade".parse().expect("a word is a header"));
        headers.insert(UPGRADE, "h2c".parse().expect("a word is a header"));
        *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
        let (door, upgrade) = (door.clone(), hyper::upgrade::on(&mut request));
        let offer = Offer::from_headers(request.headers());
        tasks.spawn(async move {
            let connection = TokioIo::new(upgrade.await?);
            match offer {
                Ok(offer) => door.sessions().serve(offer, connection).await?,
                Err(_) => door.serve(connection).await,
            }
            anyhow::Ok(())
        });
    } else if !path.ends_with("/_ping") {
        *response.status_mut() = StatusCode::NOT_FOUND;
        *response.body_mut() = Full::from(r#"{"message":"page not found"}"#);
    }
    response
}
