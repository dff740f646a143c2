//! `/naru/…`: what the host needs and Docker's API lacks; see `naru-protocol`.

use std::net::SocketAddr;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post, put};
use axum::{Json, Router};
use hyper::StatusCode;
use hyper_util::rt::TokioIo;
use naru_error::ErrorKind;
use naru_protocol::handshake::Handshake;
use naru_protocol::platforms::ImagePlatforms;
use naru_protocol::ports::PortProtocol;
use naru_protocol::registries::Registries;
use naru_protocol::{CLOCK_PATH, POWER_OFF_PATH, PROTOCOL_VERSION, SetClock, TUNNEL_PATH};
use naru_protocol::{folder, handshake, platforms, ports, registries, repository, search, usage};
use nix::sys::time::TimeSpec;
use nix::time::{ClockId, clock_settime};
use serde::Deserialize;
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::error::ApiError;
use super::folder::list_folder;
use super::hijack::{RAW_STREAM, hijack};
use super::json_body;
use super::query::Query;
use super::repository::list as list_repository;
use super::search::with_marks as search_with_marks;
use crate::args::Mode;
use crate::datagrams;
use crate::engine::Engine;
use crate::error::EngineError;
use crate::registries::{keep, with_settings};
use crate::usage::read as measure;

/// How long a container may take to accept a connection.
const TUNNEL_TIMEOUT: std::time::Duration = std::time::Duration::from_secs(10);

const CAPABILITIES: [&str; 10] = [
    "clock",
    "folder",
    "platforms",
    "ports",
    "registries",
    "repository",
    "search",
    "tunnel",
    "usage",
    "volumes",
];

type Answer = Result<Response, ApiError>;

pub(super) fn routes() -> Router<Engine> {
    Router::new()
        .route(handshake::PATH, get(greet))
        .route(CLOCK_PATH, post(set_clock))
        .route(POWER_OFF_PATH, post(power_off))
        .route(ports::PATH, post(serve_ports))
        .route(TUNNEL_PATH, post(tunnel))
        .route(registries::PATH, put(set_registries))
        .route(repository::PATH, get(list_repository))
        .route(search::PATH, get(search_with_marks))
        .route(folder::PATH, get(list_folder))
        .route(platforms::PATH, get(list_platforms))
        .route(usage::PATH, get(read_usage))
}

async fn list_platforms(State(engine): State<Engine>) -> Answer {
    let images = engine.images().platforms().map_err(EngineError::from)?;
    let rows = images.into_iter().map(|(id, platforms)| ImagePlatforms {
        id: id.to_string(),
        platforms: platforms.iter().map(ToString::to_string).collect(),
    });
    Ok(Json(rows.collect::<Vec<_>>()).into_response())
}

async fn greet() -> Json<Handshake> {
    Json(Handshake {
        agent_version: env!("CARGO_PKG_VERSION").to_owned(),
        protocol_version: PROTOCOL_VERSION,
        capabilities: CAPABILITIES.map(str::to_owned).to_vec(),
    })
}

/// The routes that act on the machine are the VM's: a native engine must not set its
/// host's clock.
fn in_vm(engine: &Engine) -> Result<(), ApiError> {
    match engine.mode() {
        Mode::Vm => Ok(()),
        Mode::Native => Err(ApiError::unsupported("this engine does not run in Naru's VM")),
    }
}

async fn set_clock(State(engine): State<Engine>, body: Body) -> Answer {
    in_vm(&engine)?;
    let Some(SetClock { unix_nanos }) = json_body(body).await? else {
        return Err(ApiError::invalid("unix_nanos is missing"));
    };
    let seconds = i64::try_from(unix_nanos / 1_000_000_000).unwrap_or(i64::MAX);
    let nanos = i64::try_from(unix_nanos % 1_000_000_000).unwrap_or_default();
    clock_settime(ClockId::CLOCK_REALTIME, TimeSpec::new(seconds, nanos)).map_err(|errno| {
        ApiError::new(ErrorKind::Internal, format!("setting the clock failed: {errno}"))
    })?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

async fn set_registries(State(engine): State<Engine>, body: Body) -> Answer {
    let told: Registries = json_body(body).await?;
    let config = with_settings(engine.registries(), told.clone());
    engine.images().reconfigure(config).map_err(EngineError::from)?;
    let root = engine.paths().root.clone();
    engine.run_blocking(move || keep(&root, &told)).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

async fn power_off(State(engine): State<Engine>) -> Answer {
    in_vm(&engine)?;
    engine.shutdown().cancel();
    Ok(StatusCode::ACCEPTED.into_response())
}

/// A file system may keep who measures it waiting.
async fn read_usage(State(engine): State<Engine>) -> Answer {
    let root = engine.paths().root.clone();
    let usage = engine.run_blocking(move || measure(&root)).await?;
    Ok(Json(usage).into_response())
}

async fn serve_ports(State(engine): State<Engine>, mut request: Request) -> Answer {
    in_vm(&engine)?;
    let (response, upgrade) = hijack(&mut request, RAW_STREAM)?;
    let task_engine = engine.clone();
    engine.tasks().spawn(async move {
        let (Ok(stream), Some(host)) = (upgrade.await, task_engine.network().port_host()) else {
            return;
        };
        tokio::select! {
            () = host.serve(TokioIo::new(stream)) => {}
            () = task_engine.shutdown().cancelled() => {}
        }
    });
    Ok(response)
}

#[derive(Debug, Deserialize)]
struct TunnelQuery {
    address: SocketAddr,
    #[serde(default)]
    protocol: PortProtocol,
}

/// Connected before the answer, so that the host can refuse its own client.
async fn tunnel(
    State(engine): State<Engine>,
    Query(query): Query<TunnelQuery>,
    mut request: Request,
) -> Answer {
    in_vm(&engine)?;
    let TunnelQuery { address, protocol } = query;
    let unreachable = |why: String| {
        ApiError::new(ErrorKind::Unavailable, format!("{address} cannot be reached: {why}"))
    };
    if protocol == PortProtocol::Udp {
        let socket = datagrams::connected(address).await;
        let socket = socket.map_err(|error| unreachable(error.to_string()))?;
        let (response, upgrade) = hijack(&mut request, RAW_STREAM)?;
        engine.tasks().spawn(async move {
            let Ok(client) = upgrade.await else { return };
            if let Err(error) = datagrams::relay(TokioIo::new(client), &socket).await {
                tracing::debug!(%address, %error, "a tunnel for datagrams ended early");
            }
        });
        return Ok(response);
    }
    let mut stream = timeout(TUNNEL_TIMEOUT, TcpStream::connect(address))
        .await
        .map_err(|_| unreachable("it does not answer".to_owned()))?
        .map_err(|error| unreachable(error.to_string()))?;
    stream.set_nodelay(true).map_err(|error| unreachable(error.to_string()))?;
    let (response, upgrade) = hijack(&mut request, RAW_STREAM)?;
    engine.tasks().spawn(async move {
        let Ok(client) = upgrade.await else { return };
        // An end of one side ends that direction only; errors end both.
        drop(tokio::io::copy_bidirectional(&mut TokioIo::new(client), &mut stream).await);
    });
    Ok(response)
}
