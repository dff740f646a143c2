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
            if let Err(error) = change.keep().await {
                // What nobody knows to be paused nobody would wake up.
                container.shim.resume().await?;
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
            let change = engine.change(&container).await?;
            engine.unpause(&container, change).await
        })
        .await
    }

    /// The same, for who is about to change the container anyway.
    pub(super) async fn unpause(
        &self,
        container: &Container,
        mut change: Change<'_>,
    ) -> Result<()> {
        change.record.state.unpause().map_err(|denied| refused(denied, &container.id))?;
        container.shim.resume().await?;
        let written = change.note().await;
        self.container_event(container, "unpause", []);
        written
    }

    /// Believes the kernel: an engine may have been killed between freezing and writing.
    pub(super) async fn find_paused(&self, container: &Container) -> Result<()> {
        let paused = container.shim.paused().await?;
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
    /// Refuses in Docker's words what needs processes that move: `what` is `exec` or `attach`.
    pub(crate) fn check_not_paused(&self, subject: &str, what: &str) -> Result<()> {
        if self.record.borrow().state.status == Status::Paused {
            return Err(EngineError::Conflict(format!(
                "{subject} is paused, unpause the container before {what}"
            )));
        }
        Ok(())
    }
}

fn refused(denied: Denied, id: &str) -> EngineError {
    match denied {
        Denied::NotRunning => EngineError::NotRunning(id.to_owned()),
        Denied::AlreadyPaused => EngineError::Conflict(format!("container {id} is already paused")),
        Denied::NotPaused => EngineError::NotPaused(id.to_owned()),
    }
}
