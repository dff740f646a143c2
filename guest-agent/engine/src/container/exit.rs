//! A container's end: noticed, written down, told, cleaned up after.

use std::sync::Arc;

use jiff::Timestamp;

use super::record::Status;
use super::shim::{Exit, ShimEvents, read_exit};
use super::{Container, Record};
use crate::engine::Engine;
use crate::error::{EngineError, Result};

/// The code of a container whose end nobody saw: it was lost with the machine.
const LOST_EXIT_CODE: i32 = 255;

/// Where the news of the end comes from.
#[derive(Debug)]
pub(super) enum ExitWatch {
    /// The shim that this engine started.
    Fresh(ShimEvents),
    /// A shim that an earlier engine started: it may still run, or have left its
    /// word on disk.
    Found,
}

impl Engine {
    /// Takes up a container of the database; one that ran may run still.
    pub(crate) fn find_again(&self, record: Record) -> Result<()> {
        self.containers().reserve_name(&record.name, &record.id)?;
        let running = record.running();
        let shim = self.shim_address(&record.id);
        let container = Arc::new(Container::new(record, shim));
        self.containers().insert(Arc::clone(&container));
        if running {
            self.watch_exit(&container, ExitWatch::Found);
        } else if container.record().auto_remove() && container.record().state.exits > 0 {
            // The engine ended between the container's end and its removal.
            self.remove_in_background(&container);
        }
        Ok(())
    }

    /// Follows a running container to its end, in the background.
    pub(super) fn watch_exit(&self, container: &Arc<Container>, watch: ExitWatch) {
        let (engine, container) = (self.clone(), Arc::clone(container));
        self.tasks().spawn(async move {
            let told = matches!(watch, ExitWatch::Fresh(_));
            let events = match watch {
                ExitWatch::Fresh(events) => Ok(events),
                ExitWatch::Found => container.shim.watch().await,
            };
            let alive = events.is_ok();
            let exit = match events {
                Ok(events) => events.exited().await,
                Err(error) => Err(error),
            };
            let exit = exit.unwrap_or_else(|error| engine.exit_on_disk(&container, &error));
            // What ended while no engine ran is not news, as with Docker.
            engine.exited(&container, exit, told || alive).await;
        });
    }

    /// The end as the shim wrote it down, or the admission that nobody knows.
    fn exit_on_disk(&self, container: &Container, error: &EngineError) -> Exit {
        let path = self.paths().container(&container.id).join("exit.json");
        read_exit(&path).unwrap_or_else(|| {
            tracing::warn!(container_id = container.id, %error, "a container was lost");
            Exit { code: LOST_EXIT_CODE, oom_killed: false, at: Timestamp::now() }
        })
    }

    async fn exited(&self, container: &Arc<Container>, exit: Exit, tell: bool) {
        let mut record = container.record();
        let started_at = record.state.started_at.unwrap_or(exit.at);
        // The network first: whoever sees the container exited may start it again.
        self.network().detach(&record).await;
        record.endpoint = None;
        record.state.status = Status::Exited;
        record.state.pid = 0;
        record.state.exit_code = exit.code;
        record.state.oom_killed = exit.oom_killed;
        record.state.finished_at = Some(exit.at);
        record.state.exits += 1;
        if let Err(error) = self.database().put_container(&record).await {
            tracing::error!(container_id = record.id, %error, "an exit was not written down");
        }
        let auto_remove = record.auto_remove();
        container.record.send_replace(record);
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
