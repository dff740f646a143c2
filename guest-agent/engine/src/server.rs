//! Listening: unix sockets natively, the carriers in the VM; one HTTP server behind all.

use std::convert::Infallible;
use std::io;
use std::path::{Path, PathBuf};

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use naru_protocol::{MUX_PORT_NAME, Port};
use naru_transport::guest::{listen_virtio_serial, listen_vsock};
use naru_transport::{Acceptor, TransportError, selftest};
use nix::sys::stat::{Mode as Permissions, umask};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::UnixListener;
use tokio_util::task::TaskTracker;

use crate::api::Api;
use crate::args::socket_path;
use crate::drained::Drained;
use crate::engine::Engine;
use crate::error::{EngineError, Result};
use crate::preface::Begun;

/// Serves one connection to its end, upgrades included. One that begins with HTTP/2 is
/// BuildKit's.
async fn serve(
    api: Api,
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    connections: TaskTracker,
) {
    let stream = match Begun::new(stream).await {
        Ok(stream) if stream.is_http2() => return api.door().serve(stream).await,
        Ok(stream) => stream,
        Err(error) => {
            tracing::debug!(%error, "a connection ended before it began");
            return;
        }
    };
    let service = service_fn(move |request: hyper::Request<hyper::body::Incoming>| {
        let api = api.clone();
        let request = request.map(|body| Drained::new(body, connections.clone()));
        async move { Ok::<_, Infallible>(api.answer(request.map(axum::body::Body::new)).await) }
    });
    let connection =
        http1::Builder::new().serve_connection(TokioIo::new(stream), service).with_upgrades();
    if let Err(error) = connection.await {
        // Clients that go away in mid-request are nothing unusual.
        tracing::debug!(%error, "a connection ended");
    }
}

/// A unix socket that is its owner's alone, removed again at the end.
#[derive(Debug)]
pub(crate) struct Socket {
    listener: UnixListener,
    path: PathBuf,
}

impl Socket {
    /// Listens on `unix:PATH` or `unix://PATH`.
    pub(crate) fn bind(host: &str) -> Result<Self> {
        let path = socket_path(host).ok_or_else(|| {
            EngineError::Invalid(format!("cannot listen on {host}: only unix:PATH is known"))
        })?;
        let path = Path::new(path);
        let failed = |operation| EngineError::io(operation, path);
        match std::fs::remove_file(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(failed("removing")(error));
            }
            _ => {}
        }
        // From its first moment on nobody else may connect.
        let before = umask(Permissions::from_bits_truncate(0o177));
        let bound = UnixListener::bind(path);
        umask(before);
        Ok(Self { listener: bound.map_err(failed("listening on"))?, path: path.to_owned() })
    }

    /// Serves until the engine ends.
    pub(crate) async fn serve(
        self,
        engine: Engine,
        api: Api,
        connections: TaskTracker,
    ) -> Result<()> {
        loop {
            let accepted = tokio::select! {
                accepted = self.listener.accept() => accepted,
                () = engine.shutdown().cancelled() => break,
            };
            match accepted {
                Ok((stream, _)) => {
                    connections.spawn(serve(api.clone(), stream, connections.clone()));
                }
                Err(error) if out_of_files(&error) => {
                    tracing::error!(%error, "a connection was turned away");
                    tokio::task::yield_now().await;
                }
                Err(error) => return Err(EngineError::io("accepting on", &self.path)(error)),
            }
        }
        drop(std::fs::remove_file(&self.path));
        Ok(())
    }
}

fn out_of_files(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(nix::libc::EMFILE | nix::libc::ENFILE))
}

/// The ports served in the VM: the API, and what measures the way.
const PORTS: [Port; 4] = [Port::API, Port::ECHO, Port::STALL, Port::DISCARD];

/// Every carrier that this machine has.
pub(crate) fn carriers() -> Result<Vec<Box<dyn Acceptor>>> {
    let mut carriers: Vec<Box<dyn Acceptor>> = Vec::new();
    let mut failures = Vec::new();
    let mut add = |name: &str, found: Result<Box<dyn Acceptor>, TransportError>| match found {
        Ok(carrier) => {
            tracing::info!(carrier = name, "listening");
            carriers.push(carrier);
        }
        Err(error) => failures.push(format!("{name}: {}", naru_error::chain(&error))),
    };
    add(
        "virtio-serial",
        listen_virtio_serial(MUX_PORT_NAME, &PORTS).map(|carrier| Box::new(carrier) as _),
    );
    add("vsock", listen_vsock(&PORTS).map(|carrier| Box::new(carrier) as _));
    if carriers.is_empty() {
        return Err(EngineError::Invalid(format!(
            "the host cannot be reached ({})",
            failures.join("; ")
        )));
    }
    Ok(carriers)
}

/// Serves the streams of one carrier until the engine ends.
pub(crate) async fn serve_carrier(
    mut carrier: Box<dyn Acceptor>,
    engine: Engine,
    api: Api,
    connections: TaskTracker,
) -> Result<()> {
    loop {
        let (port, stream) = tokio::select! {
            accepted = carrier.accept() => accepted
                .map_err(|error| EngineError::Invalid(naru_error::chain(&error)))?,
            () = engine.shutdown().cancelled() => return Ok(()),
        };
        if port == Port::API {
            connections.spawn(serve(api.clone(), stream, connections.clone()));
        } else {
            let ended = engine.shutdown().clone().cancelled_owned();
            connections.spawn(async move {
                tokio::select! {
                    served = selftest::serve(port, stream) => drop(served),
                    () = ended => {}
                }
            });
        }
    }
}
