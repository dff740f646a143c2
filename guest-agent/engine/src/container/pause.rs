//! Pausing: the processes of a container stand still until they are told to go on.

use std::sync::Arc;

use super::state::{Denied, Status};
use super::{Change, Container};
use crate::engine::Engine;
use crate::error::{EngineError, Result};

impl Engine {
    /// Stops all processes of a container where they are.
    pub(crate) async fn pause_container(&self, container: &Arc<Container>) -> Result<()> {
        let (engine, container) = (self.clone(), Arc::clone(container));
        self.run_to_end(async move {
            let mut change = engine.change(&container).await?;
            change.record.state.pause().map_err(|denied| refused(denied, &container.id))?;
            container.shim.pause().await?;
            drop(container.end_health_watch());
            if let Err(error) = change.keep().await {
                // What nobody knows to be paused nobody would wake up.
                container.shim.resume().await?;
                engine.watch_health(&container);
                return Err(error);
            }
            engine.container_event(&container, "pause", []);
            Ok(())
        })
        .await
    }

    /// Lets the processes of a paused container go on.
    pub(crate) async fn unpause_container(&self, container: &Arc<Container>) -> Result<()> {
        let (engine, container) = (self.clone(), Arc::clone(container));
        self.run_to_end(async move {
            let mut change = engine.change(&container).await?;
            engine.unpause(&container, &mut change).await
        })
        .await
    }

    /// The same, for who is about to change the container anyway.
    pub(super) async fn unpause(
        &self,
        container: &Arc<Container>,
        change: &mut Change<'_>,
    ) -> Result<()> {
        change.record.state.unpause().map_err(|denied| refused(denied, &container.id))?;
        container.shim.resume().await?;
        let written = change.note().await;
        self.container_event(container, "unpause", []);
        self.watch_health(container);
        written
    }

    /// Believes the kernel: an engine may have been killed between freezing and writing.
    pub(super) async fn find_paused(&self, container: &Container) -> Result<()> {
        let mut paused = container.shim.paused().await?;
        if container.was_paused_for_copy() && paused {
            container.shim.resume().await?;
            paused = false;
        }
        let mut change = self.change(container).await?;
        let state = &mut change.record.state;
        let changed = match (state.status, paused) {
            (Status::Running, true) => state.pause(),
            (Status::Paused, false) => state.unpause(),
            _ => return Ok(()),
        };
        changed.map_err(|denied| refused(denied, &container.id))?;
        change.keep().await
    }
}

impl Container {
    /// Refuses in Docker's words an exec in what does not run, or does not move.
    pub(super) fn check_execable(&self, named: &str) -> Result<()> {
        match self.record.borrow().state.status {
            Status::Running => Ok(()),
            Status::Paused => Err(paused("Container", named, "exec")),
            Status::Restarting => Err(restarting("Container", &self.id)),
            Status::Created | Status::Exited => Err(EngineError::NotRunning(self.id.clone())),
        }
    }

    /// Refuses an attach to what does not move, or has no process for now. The container is
    /// called as its client has `named` it.
    pub(crate) fn check_attachable(&self, named: &str) -> Result<()> {
        match self.record.borrow().state.status {
            Status::Paused => Err(paused("container", named, "attach")),
            Status::Restarting => Err(restarting("container", named)),
            Status::Created | Status::Running | Status::Exited => Ok(()),
        }
    }
}

fn paused(container: &str, id: &str, what: &str) -> EngineError {
    EngineError::Conflict(format!(
        "{container} {id} is paused, unpause the container before {what}"
    ))
}

fn restarting(container: &str, id: &str) -> EngineError {
    EngineError::Conflict(format!(
        "{container} {id} is restarting, wait until the container is running"
    ))
}

fn refused(denied: Denied, id: &str) -> EngineError {
    match denied {
        Denied::NotRunning => EngineError::NotRunning(id.to_owned()),
        Denied::AlreadyPaused => EngineError::Conflict(format!("Container {id} is already paused")),
        Denied::NotPaused => EngineError::NotPaused(id.to_owned()),
        Denied::Restarting => restarting("Container", id),
    }
}
