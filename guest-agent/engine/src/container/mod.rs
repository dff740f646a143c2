//! Containers: their records, their life, their processes.
//!
//! ```text
//!          create            start                  exit
//! (none) ────────► Created ────────► Running ─────────────► Exited ──start──► Running
//!                     │                 │ stop, kill           │
//!                     └──────remove─────┴──(force)─────────────┴──► (none)
//! ```
//!
//! [`state`] has the whole diagram. One operation at a time changes a container's life:
//! `start` and `remove` hold its lifecycle lock. `stop` and `kill` only signal and watch,
//! so that they also reach a container in the middle of a restart. The record changes
//! through one door ([`change`]): it is written to the database, then published through a
//! `watch` channel.

mod attach;
mod change;
mod commit;
mod create;
mod database;
mod exec;
mod exit;
mod files;
mod following;
mod health;
mod lifecycle;
mod links;
mod logs;
mod membership;
mod migration;
mod mounts;
mod names;
mod networking;
mod pause;
mod probe;
mod program;
mod prune;
mod record;
mod refusals;
mod registry;
mod remove;
mod rename;
mod resolving;
mod restart_policy;
mod sandbox;
mod sharing;
mod shim;
mod signal;
mod start;
mod state;
mod storage;
mod update;
mod view;
mod wait;

use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex};

use tokio::net::UnixStream;
use tokio::sync::{Mutex as AsyncMutex, oneshot, watch};
use tokio_util::sync::CancellationToken;

pub(crate) use attach::Attached;
pub(crate) use commit::CommitRequest;
pub(crate) use create::{CreateRequest, image_config, random_id};
pub(crate) use database::Database;
pub(crate) use exec::{Exec, ExecCreate, ExecState, Execs};
pub(crate) use health::Health;
pub(crate) use lifecycle::{Asker, Stopped};
pub(crate) use links::shown_links;
pub(crate) use logs::{LogDriver, LogQuery, Upto, follow as follow_log, read as read_log};
pub(crate) use membership::{Endpoint, EndpointAddress, Membership, PublishedPort};
pub(crate) use mounts::{Bind, ImageMount, MountKind, MountPoint, Recursion, refuse_unshared};
pub(crate) use program::AgentProgram;
pub(crate) use prune::Pruned;
pub(crate) use record::Record;
#[cfg(test)]
pub(crate) use record::tests_support;
pub(crate) use registry::Containers;
pub(crate) use resolving::Resolving;
pub(crate) use sandbox::{OutputStream, SandboxRequest, remove_or_tell};
pub(crate) use sharing::release_shm;
pub(crate) use shim::{AttachStreams, ShimAddress};
pub(crate) use signal::signal_number;
pub(crate) use start::Started;
pub(crate) use state::Status;
pub(crate) use storage::ContainerSize;
pub(crate) use view::{ContainerFiles, FilesUse};
pub(crate) use wait::{Condition, WaitError};

use change::Change;
use restart_policy::Backoff;

/// A container the engine knows.
#[derive(Debug)]
pub(crate) struct Container {
    /// 64 hex digits.
    pub(crate) id: String,
    /// Where its shim listens while it runs.
    pub(crate) shim: ShimAddress,
    record: watch::Sender<Record>,
    /// Held over `start` and `remove`, and while its files are written from outside. An async
    /// lock: all of them wait for others in between.
    lifecycle: Arc<AsyncMutex<()>>,
    /// Held from an end until the network that it had is gone. An async lock: the kernel takes
    /// its time.
    leaving: Arc<AsyncMutex<()>>,
    /// Held over a change of the record. An async lock: a change waits for the database,
    /// and some for the shim.
    changing: AsyncMutex<()>,
    /// Attached before the process exists; each is answered during `start`.
    waiting: Mutex<Vec<Waiting>>,
    removing: AtomicBool,
    /// Its user has it stopped in order to start it.
    restarting: AtomicBool,
    backoff: Mutex<Backoff>,
    /// Cancelled to end the watch over its health.
    health_watch: Mutex<CancellationToken>,
    /// Cancelled when the container is gone.
    removed: CancellationToken,
}

/// An attach that came before the process it wants.
#[derive(Debug)]
struct Waiting {
    streams: AttachStreams,
    answer: oneshot::Sender<UnixStream>,
}

impl Container {
    fn new(record: Record, shim: ShimAddress) -> Self {
        Self {
            id: record.id.clone(),
            shim,
            record: watch::Sender::new(record),
            lifecycle: Arc::default(),
            leaving: Arc::default(),
            changing: AsyncMutex::new(()),
            waiting: Mutex::new(Vec::new()),
            removing: AtomicBool::new(false),
            restarting: AtomicBool::new(false),
            backoff: Mutex::default(),
            health_watch: Mutex::default(),
            removed: CancellationToken::new(),
        }
    }

    /// The record as it is now.
    pub(crate) fn record(&self) -> Record {
        self.record.borrow().clone()
    }

    /// The record after a start that is under way: who is attached may have seen the process's
    /// output before it is written down that it runs.
    pub(crate) async fn settled(&self) -> Record {
        if !self.record.borrow().counts_as_running() {
            drop(self.lifecycle.lock().await);
        }
        self.record()
    }

    /// The record from now on.
    pub(crate) fn watch(&self) -> watch::Receiver<Record> {
        self.record.subscribe()
    }
}
