//! A container's end: noticed, written down, told, cleaned up after.

use std::path::PathBuf;
use std::sync::Arc;

use jiff::Timestamp;

use super::shim::{Exit, ShimEvents, read_exit};
use super::{Container, Record};
use crate::engine::Engine;
use crate::error::{EngineError, Result};

/// The code of a container whose end nobody saw: it was lost with the machine.
const LOST_EXIT_CODE: i32 = 255;

impl Engine {
    /// Takes up a container of the database; one that ran may run still.
    ///
    /// When it returns the record is true: an end that came while no engine ran is in it.
    pub(crate) async fn find_again(&self, record: Record) -> Result<()> {
        self.containers().reserve_name(&record.name, &record.id)?;
        let running = record.running();
        let shim = self.shim_address(&record.id);
        let container = Arc::new(Container::new(record, shim));
        self.containers().insert(Arc::clone(&container));
        if running {
            // A shim lingers a moment after it has written down the end.
            let ended = read_exit(&self.exit_path(&container));
            match (ended, container.shim.watch().await) {
                (None, Ok(events)) => {
                    if let Err(error) = self.find_paused(&container).await {
                        // It has just ended, which its events will tell.
                        tracing::info!(container_id = container.id, %error, "not asked");
                    }
                    self.watch_exit(&container, events);
                }
                // What ended while no engine ran is not news, as with Docker.
                (Some(exit), _) => self.exited(&container, exit, false).await,
                (None, Err(error)) => {
                    let exit = self.exit_on_disk(&container, &error);
                    self.exited(&container, exit, false).await;
                }
            }
        } else if container.record().auto_remove() && container.record().state.exits > 0 {
            // The engine ended between the container's end and its removal.
            self.remove_in_background(&container);
        }
        Ok(())
    }

    /// Follows a running container to its end, in the background.
    pub(super) fn watch_exit(&self, container: &Arc<Container>, events: ShimEvents) {
        let (engine, container) = (self.clone(), Arc::clone(container));
        self.tasks().spawn(async move {
            let exit = events.exited().await;
            let exit = exit.unwrap_or_else(|error| engine.exit_on_disk(&container, &error));
            engine.exited(&container, exit, true).await;
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

    async fn exited(&self, container: &Arc<Container>, exit: Exit, tell: bool) {
        // The network first: whoever sees the container exited may start it again.
        self.network().detach(&container.record()).await;
        let Ok(mut change) = self.change(container).await else { return };
        let record = &mut change.record;
        let started_at = record.state.started_at.unwrap_or(exit.at);
        record.endpoint = None;
        record.state.exit(exit);
        let auto_remove = record.auto_remove();
        if let Err(error) = change.note().await {
            tracing::error!(container_id = container.id, %error, "an exit was not written down");
        }
        if tell {
            if exit.oom_killed {
                self.container_event(container, "oom", []);
            }
            let seconds = exit.at.as_second() - started_at.as_second();
            self.container_event(
                container,
                "die",
                [("exitCode", exit.code.to_string()), ("execDuration", seconds.to_string())],
            );
        }
        if auto_remove {
            self.remove_in_background(container);
        }
    }
}
