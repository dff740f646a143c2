//! Another name for a container, whatever state it is in.

use std::sync::Arc;

use super::{Container, names};
use crate::engine::Engine;
use crate::error::{EngineError, Result};

impl Engine {
    /// Gives a container the name `wanted`, which nobody else may have.
    pub(crate) async fn rename_container(
        &self,
        container: &Arc<Container>,
        wanted: &str,
    ) -> Result<()> {
        let wanted = wanted.trim();
        let wanted = wanted.strip_prefix('/').unwrap_or(wanted).to_owned();
        if wanted.is_empty() {
            return Err(EngineError::Invalid("Neither old nor new names may be empty".to_owned()));
        }
        let (engine, container) = (self.clone(), Arc::clone(container));
        self.run_to_end(async move {
            let mut change = engine.change(&container).await?;
            let old = change.record.name.clone();
            if old == wanted {
                return Err(EngineError::Invalid(
                    "Renaming a container with the same name as its current name".to_owned(),
                ));
            }
            names::check_renamed(&wanted)
                .and_then(|()| engine.containers().reserve_name(&wanted, &container.id))
                .map_err(|error| EngineError::NewName(Box::new(error)))?;
            change.record.name.clone_from(&wanted);
            let kept = change.keep().await;
            // Whichever it does not have is free again; it had both until here.
            engine.containers().release_name(if kept.is_ok() { &old } else { &wanted });
            kept?;
            engine.network().renamed(&change.record);
            engine.container_event(&container, "rename", [("oldName", format!("/{old}"))]);
            Ok(())
        })
        .await
    }
}
