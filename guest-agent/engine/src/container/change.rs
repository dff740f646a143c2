//! The one door through which a container's record changes.
//!
//! One change at a time: it begins with the record as it is, is written to the database,
//! and only then seen by others. So nobody's change is lost under another's.

use tokio::sync::MutexGuard;

use super::{Container, Record};
use crate::engine::Engine;
use crate::error::{EngineError, Result};

/// A change in the making. Dropped instead of made, it has not happened; until it is
/// dropped no other begins.
#[derive(Debug)]
pub(super) struct Change<'a> {
    engine: &'a Engine,
    container: &'a Container,
    _one_at_a_time: MutexGuard<'a, ()>,
    /// To be changed.
    pub(super) record: Record,
}

impl Engine {
    /// Waits for its turn to change the container's record.
    pub(super) async fn change<'a>(&'a self, container: &'a Container) -> Result<Change<'a>> {
        let one_at_a_time = container.changing.lock().await;
        if container.removed.is_cancelled() {
            // A late change must not bring its row back.
            return Err(EngineError::NoSuchContainer(container.id.clone()));
        }
        Ok(Change {
            engine: self,
            container,
            _one_at_a_time: one_at_a_time,
            record: container.record(),
        })
    }
}

impl Change<'_> {
    /// Makes it so. What cannot be written has not happened.
    pub(super) async fn keep(&mut self) -> Result<()> {
        self.engine.database().put_container(&self.record).await?;
        self.show();
        Ok(())
    }

    /// Takes note of what has happened: it is seen by all even if it cannot be written.
    pub(super) async fn note(&mut self) -> Result<()> {
        let written = self.engine.database().put_container(&self.record).await;
        self.show();
        written
    }

    /// Lets all see it now; it is written with the next change.
    pub(super) fn show(&mut self) {
        self.container.record.send_replace(self.record.clone());
    }
}
