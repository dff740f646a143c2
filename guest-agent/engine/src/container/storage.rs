//! What a container has written: the changes to its image.

use std::sync::Arc;

use super::Container;
use crate::engine::Engine;
use crate::error::{EngineError, Result};
use crate::files::{Change, Tree, changes};

impl Engine {
    /// What a container has changed in its image's files.
    pub(crate) async fn container_changes(
        &self,
        container: &Arc<Container>,
    ) -> Result<Vec<Change>> {
        let (engine, record) = (self.clone(), container.record());
        self.run_blocking(move || {
            let image = engine.image_files(&record)?;
            let upper = engine.paths().container(&record.id).join("upper");
            let compared = Tree::at(&upper).and_then(|upper| changes(&upper, &image));
            compared.map_err(EngineError::io("comparing", upper))
        })
        .await
    }
}
