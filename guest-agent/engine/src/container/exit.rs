//! A container's end: noticed, written down, told, cleaned up after.

use std::path::PathBuf;
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use tokio::time::timeout;

use super::mounts::older;
use super::shim::{Exit, ShimEvents, read_exit};
use super::state::Status;
use super::{Container, Record};
use crate::engine::Engine;
use crate::error::{EngineError, Result};

/// The code of a container whose end nobody saw: it was lost with the machine.
const LOST_EXIT_CODE: i32 = 255;

/// How long a process may take to end that nobody has asked for.
const KILL_LIMIT: Duration = Duration::from_secs(10);

/// Ends what runs of a container that does not run as far as anybody was told: an engine was
/// killed after it had started the process, and before it wrote that down.
async fn end_unknown(container: &Container) {
    // There is no shim for almost every container, which shows at once.
    let Ok(events) = container.shim.watch().await else { return };
    tracing::info!(container_id = container.id, "ending a start that was never acknowledged");
    // It may end by itself, which is as good.
    drop(container.shim.signal(nix::libc::SIGKILL).await);
    if timeout(KILL_LIMIT, events.exited()).await.is_err() {
        tracing::warn!(container_id = container.id, "a process does not end");
    }
}

impl Engine {
    /// Takes up a container of the database; one that ran may run still.
    ///
    /// When it returns the record is true: an end that came while no engine ran is in it.
    pub(crate) async fn find_again(&self, mut record: Record) -> Result<()> {
        if record.mounts.is_none() {
            record.mounts = Some(older(&record.host_config)?);
        }
        self.find_volumes_again(&record);
        self.containers().reserve_name(&record.name, &record.id)?;
        let running = record.running();
        let shim = self.shim_address(&record.id);
        let container = Arc::new(Container::new(record, shim));
        self.containers().insert(Arc::clone(&container));
        if running {
            self.find_running(&container).await?;
        } else {
            end_unknown(&container).await;
        }
        let record = container.record();
        if record.auto_remove() && record.state.exits > 0 && !record.running() {
            // The engine ended between the container's end and its removal.
            self.remove_in_background(&container);
        }
        Ok(())
    }

    async fn find_running(&self, container: &Arc<Container>) -> Result<()> {
        // A shim lingers a moment after it has written down the end.
        let ended = read_exit(&self.exit_path(container));
        let exit = match (ended, container.shim.watch().await) {
            (None, Ok(events)) => {
                if let Err(error) = self.find_paused(container).await {
                    // It has just ended, which its events will tell.
                    tracing::info!(container_id = container.id, %error, "not asked");
                }
                self.watch_exit(container, events);
                return self.begin_health(container).await;
            }
            (Some(exit), _) => exit,
            (None, Err(error)) => self.exit_on_disk(container, &error),
        };
        // What ended while no engine ran is not news, as with Docker; what becomes of it,
        // its policy says as of all that does not run when the engine starts.
        self.release(&container.record()).await;
        let mut change = self.change(container).await?;
        change.record.forget_endpoints();
        change.record.state.exit(exit);
        if let Err(error) = change.note().await {
            // On a full disk the engine must start all the same, for its user to make room.
            tracing::error!(container_id = container.id, %error, "an exit was not written down");
        }
        Ok(())
    }

    /// Follows a running container to its end, in the background.
    pub(super) fn watch_exit(&self, container: &Arc<Container>, events: ShimEvents) {
        let (engine, container) = (self.clone(), Arc::clone(container));
        self.tasks().spawn(async move {
            let exit = events.exited().await;
            let exit = exit.unwrap_or_else(|error| engine.exit_on_disk(&container, &error));
            engine.exited(&container, exit).await;
        });
    }

    fn exit_path(&self, container: &Container) -> PathBuf {
        self.paths().container(&container.id).join("exit.json")
    }

    /// The end as the shim wrote it down, or the admission that nobody knows.
    fn exit_on_disk(&self, container: &Container, error: &EngineError) -> Exit {
        read_exit(&self.exit_path(container)).unwrap_or_else(|| {
            tracing::warn!(container_id = container.id, %error, "a container was lost");
            Exit { code: LOST_EXIT_CODE, oom_killed: false, at: Timestamp::now() }
        })
    }

    #[tracing::instrument(level = "debug", skip_all, fields(container_id = container.id))]
    async fn exited(&self, container: &Arc<Container>, exit: Exit) {
        let as_running = container.record();
        // Its ports first: whoever sees the container exited may want them.
        self.give_up(&as_running).await;
        let leaving = Arc::clone(&container.leaving).lock_owned().await;
        let (engine, left) = (self.clone(), as_running.clone());
        self.tasks().spawn(async move {
            engine.network().detach(&left).await;
            drop(leaving);
        });
        let Ok(mut change) = self.change(container).await else { return };
        let record = &mut change.record;
        let ran = record.state.started_at.map_or(Duration::ZERO, |started| {
            exit.at.duration_since(started).try_into().unwrap_or_default()
        });
        record.forget_endpoints();
        record.state.exit(exit);
        drop(container.end_health_watch());
        if record.restart_policy().restarts(&record.state) && !self.closing().is_cancelled() {
            record.state.await_restart();
        }
        if let Err(error) = change.note().await {
            tracing::error!(container_id = container.id, %error, "an exit was not written down");
        }
        if exit.oom_killed {
            self.container_event(container, "oom", []);
        }
        self.container_event(
            container,
            "die",
            [("exitCode", exit.code.to_string()), ("execDuration", ran.as_secs().to_string())],
        );
        if change.record.state.status == Status::Restarting {
            let mut backoff = container.backoff.lock().unwrap_or_else(PoisonError::into_inner);
            self.restart_later(container, backoff.next(ran));
        } else if change.record.auto_remove() && !container.restarting.load(Ordering::Acquire) {
            self.remove_in_background(container);
        }
    }
}
