//! The container engine: the Docker Engine API and the services behind it.
//!
//! ```text
//! server ──► api (routes, versions, errors) ──► engine ─┬─► container ──► shim (a process)
//!  unix, vsock,                                         ├─► image-store
//!  virtio-serial                                        ├─► network, ports
//!                                                       ├─► volume
//!                                                       └─► events
//! ```
//!
//! [`run`] is the whole process. It may be killed at any instruction: what it has
//! acknowledged is in its database, running containers belong to their shims, and the
//! next engine finds both again.

#![recursion_limit = "256"]

mod api;
mod args;
mod build;
mod buildkit;
mod changes;
mod container;
mod datagrams;
mod drained;
mod emulators;
mod engine;
mod error;
mod events;
mod files;
mod glob;
mod image_document;
mod image_files;
mod network;
mod ports;
mod preface;
mod processes;
mod registries;
mod reserve;
mod server;
mod sizes;
mod spec;
mod stats;
mod sweep;
mod sys;
mod trim;
mod usage;
mod volume;
mod written;

use nix::sys::resource::{Resource, getrlimit, setrlimit};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::task::TaskTracker;

pub use args::EngineArgs;
pub use build::{BuildError, FailedInstruction};
pub use error::{EngineError, Result};
pub use files::FilesError;

use api::Api;
use engine::Engine;

/// Runs the engine until SIGTERM, SIGINT or the host's word, then stops all containers.
pub fn run(args: &EngineArgs) -> Result<()> {
    raise_file_limit();
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(EngineError::io("starting the threads of", "the engine"))?
        .block_on(serve(args))
}

/// Lets the engine have as many files open as it may: every client, attached stream
/// and published port takes one, and the usual soft limit is 1024.
fn raise_file_limit() {
    /// What Docker's service asks for.
    const WANTED: u64 = 1 << 20;
    let Ok((_, hard)) = getrlimit(Resource::RLIMIT_NOFILE) else { return };
    let wanted = WANTED.max(hard);
    // Raising the hard limit takes a privilege that a native engine may lack.
    let raised = setrlimit(Resource::RLIMIT_NOFILE, wanted, wanted)
        .or_else(|_| setrlimit(Resource::RLIMIT_NOFILE, hard, hard));
    if let Err(error) = raised {
        tracing::warn!(%error, "the limit of open files stays as it is");
    }
}

async fn serve(args: &EngineArgs) -> Result<()> {
    let mut terminate = listen_for(SignalKind::terminate())?;
    let mut interrupt = listen_for(SignalKind::interrupt())?;
    let engine = Engine::open(args).await?;
    let connections = TaskTracker::new();
    // One for all listeners: a client's session may come by another than its build.
    let api = Api::new(&engine);
    let mut listeners = tokio::task::JoinSet::new();
    for host in args.hosts() {
        let socket = server::Socket::bind(&host)?;
        listeners.spawn(socket.serve(engine.clone(), api.clone(), connections.clone()));
    }
    if args.vm {
        for carrier in server::carriers()? {
            let (engine, api) = (engine.clone(), api.clone());
            listeners.spawn(server::serve_carrier(carrier, engine, api, connections.clone()));
        }
    }
    tracing::info!(root = %args.root.display(), vm = args.vm, "the engine is ready");
    let ended = tokio::select! {
        _ = terminate.recv() => Ok(()),
        _ = interrupt.recv() => Ok(()),
        () = engine.shutdown().cancelled() => Ok(()),
        ended = listeners.join_next() => match ended {
            Some(Ok(ended)) => ended,
            Some(Err(error)) => Err(EngineError::Defect(error.to_string())),
            None => Err(EngineError::Invalid("nothing to listen on: --host is missing".to_owned())),
        },
    };
    tracing::info!("stopping builds and containers");
    api.door().shutdown().await;
    engine.close().await;
    ended
}

fn listen_for(kind: SignalKind) -> Result<Signal> {
    signal(kind).map_err(EngineError::io("listening for signals to", "the engine"))
}
