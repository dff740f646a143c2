//! `/containers/{id}/exec` and `/exec/…`.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::{Path, Request, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Extension, Json, Router};
use bollard_stubs::models::ExecConfig;
use futures::StreamExt as _;
use hyper::StatusCode;
use hyper::header::{CONTENT_TYPE, UPGRADE};
use hyper_util::rt::TokioIo;
use naru_error::{ErrorKind, chain};
use naru_protocol::version::ApiVersion;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt as _;
use tokio::time::timeout;
use tokio_util::io::ReaderStream;

use super::containers::ResizeQuery;
use super::detach::DetachKeys;
use super::error::ApiError;
use super::hijack::{Client, Ended, hijack, join, stream_type, tell, told};
use super::json_body;
use super::query::Query;
use crate::container::{AttachStreams, Exec, ExecCreate, ExecState};
use crate::engine::Engine;
use crate::error::EngineError;
use crate::spec::ExecRequest;

/// How long a resize waits for the start of what it resizes.
const START_PATIENCE: Duration = Duration::from_secs(5);

type Answer = Result<Response, ApiError>;

pub(super) fn routes() -> Router<Engine> {
    Router::new()
        .route("/containers/{id}/exec", post(create))
        .route("/exec/{id}/start", post(start))
        .route("/exec/{id}/resize", post(resize))
        .route("/exec/{id}/json", get(inspect))
}

async fn create(State(engine): State<Engine>, Path(id): Path<String>, body: Body) -> Answer {
    let container = engine.containers().find(&id)?;
    let config: ExecConfig = json_body(body).await?;
    let detach_keys = config.detach_keys.unwrap_or_default();
    DetachKeys::parse(&detach_keys)?;
    let create = ExecCreate {
        request: ExecRequest {
            command: config.cmd.unwrap_or_default(),
            env: config.env.unwrap_or_default(),
            user: config.user.unwrap_or_default(),
            working_dir: config.working_dir.unwrap_or_default(),
            tty: config.tty.unwrap_or_default(),
            console_size: config.console_size,
            privileged: config.privileged.unwrap_or_default(),
        },
        streams: AttachStreams {
            stdin: config.attach_stdin.unwrap_or_default(),
            stdout: config.attach_stdout.unwrap_or_default(),
            stderr: config.attach_stderr.unwrap_or_default(),
        },
        detach_keys,
    };
    container.settled().await;
    let exec = engine.create_exec(&container, &id, create)?;
    Ok((StatusCode::CREATED, Json(json!({ "Id": exec.id }))).into_response())
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
struct StartBody {
    detach: bool,
    console_size: Option<Vec<usize>>,
}

/// The connection is taken over before the process starts, so that an error of the
/// start stands where the output would have been, as in Docker.
async fn start(
    State(engine): State<Engine>,
    Extension(version): Extension<ApiVersion>,
    Path(id): Path<String>,
    mut request: Request,
) -> Answer {
    let exec = engine.execs().find(&id)?;
    let body = std::mem::take(request.body_mut());
    let options: StartBody = json_body(body).await?;
    exec.check_startable()?;
    if options.detach {
        engine.start_exec(&exec, false, options.console_size).await?;
        return Ok(StatusCode::OK.into_response());
    }
    let content_type = stream_type(exec.create.request.tty, version);
    if !request.headers().contains_key(UPGRADE) {
        let body = as_body(&engine, exec, options.console_size).await;
        return Ok(([(CONTENT_TYPE, content_type)], body).into_response());
    }
    let (response, upgrade) = hijack(&mut request, content_type)?;
    let task_engine = engine.clone();
    engine.tasks().spawn(async move {
        if let Ok(client) = upgrade.await {
            run(&task_engine, &exec, TokioIo::new(client), options.console_size).await;
        }
    });
    Ok(response)
}

async fn run(engine: &Engine, exec: &Arc<Exec>, client: Client, size: Option<Vec<usize>>) {
    match engine.start_exec(exec, true, size).await {
        Ok(Some(stream)) => {
            let keys = exec.create.request.tty.then(|| DetachKeys::parse(&exec.create.detach_keys));
            let keys = keys.transpose().unwrap_or_default();
            if join(client, stream, keys, exec.exited()).await == Ended::Detached {
                let attributes = [("execID", exec.id.clone())];
                engine.container_event(&exec.container, "exec_detach", attributes);
            }
        }
        Ok(None) => {}
        Err(error) => tell(client, &in_stream(exec, &error)).await,
    }
}

/// For clients that do not upgrade: the output as the answer's body, no input. As with a
/// connection that was taken over, the process's end is settled when the body ends.
async fn as_body(engine: &Engine, exec: Arc<Exec>, size: Option<Vec<usize>>) -> Body {
    let mut stream = match engine.start_exec(&exec, true, size).await {
        Ok(Some(stream)) => stream,
        Ok(None) => return Body::empty(),
        Err(error) => return Body::from(in_stream(&exec, &error)),
    };
    // It fails only when the process has ended by now.
    drop(stream.shutdown().await);
    let settled = futures::stream::once(async move { exec.exited().await });
    let nothing = settled.filter_map(|()| std::future::ready(None));
    Body::from_stream(ReaderStream::new(stream).chain(nothing))
}

/// Why a process could not start, for its output's place.
fn in_stream(exec: &Exec, error: &EngineError) -> Vec<u8> {
    let why = match error {
        EngineError::Start { message, .. } => {
            format!("unable to start container process: {message}: unknown")
        }
        error => chain(error),
    };
    told(exec.create.request.tty, &format!("OCI runtime exec failed: exec failed: {why}"))
}

async fn resize(
    State(engine): State<Engine>,
    Path(id): Path<String>,
    Query(query): Query<ResizeQuery>,
) -> Answer {
    let exec = engine.execs().find(&id)?;
    // A client resizes right after it asked for the start, which may still be on its way.
    if timeout(START_PATIENCE, exec.started()).await.is_err() {
        let message = format!("exec instance {} has not been started", exec.id);
        return Err(ApiError::new(ErrorKind::Conflict, message));
    }
    match exec.state() {
        ExecState::Running { .. } if query.h > 0 && query.w > 0 => {
            exec.shim.resize(query.h, query.w).await?;
        }
        ExecState::Created | ExecState::Running { .. } | ExecState::Exited { .. } => {}
    }
    Ok(StatusCode::OK.into_response())
}

async fn inspect(State(engine): State<Engine>, Path(id): Path<String>) -> Answer {
    let exec = engine.execs().find(&id)?;
    Ok(Json(view(&exec)).into_response())
}

fn view(exec: &Exec) -> Value {
    let ExecCreate { request, streams, detach_keys } = &exec.create;
    let (running, pid, exit_code) = match exec.state() {
        ExecState::Created => (false, 0, Value::Null),
        ExecState::Running { pid } => (true, pid, Value::Null),
        ExecState::Exited { code } => (false, 0, code.into()),
    };
    let mut view = json!({
        "ID": exec.id,
        "Running": running,
        "ExitCode": exit_code,
        "ProcessConfig": {
            "tty": request.tty,
            "entrypoint": request.command.first().cloned().unwrap_or_default(),
            "arguments": request.command.get(1..).unwrap_or_default(),
            "privileged": request.privileged,
        },
        "OpenStdin": streams.stdin,
        "OpenStdout": streams.stdout,
        "OpenStderr": streams.stderr,
        "CanRemove": false,
        "ContainerID": exec.container.id,
        "DetachKeys": detach_keys,
        "Pid": pid,
    });
    if !request.user.is_empty() {
        view["ProcessConfig"]["user"] = request.user.clone().into();
    }
    view
}
