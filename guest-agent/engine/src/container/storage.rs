//! What a container has written: the changes to its image, and their size.

use std::sync::Arc;

use super::{Container, Record};
use crate::engine::Engine;
use crate::error::{EngineError, Result};
use crate::files::{Change, Tree, changes, size};

/// Bytes on disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ContainerSize {
    /// What the container has written.
    pub(crate) written: u64,
    /// That and its image.
    pub(crate) whole: u64,
}

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

    /// How much a container takes.
    pub(crate) async fn container_size(&self, record: &Record) -> Result<ContainerSize> {
        let upper = self.paths().container(&record.id).join("upper");
        let written = self
            .run_blocking(move || size(&upper).map_err(EngineError::io("measuring", upper)))
            .await?;
        let image = self.images().resolve(&record.image_id).map_or(0, |image| image.size);
        Ok(ContainerSize { written, whole: written.saturating_add(image) })
    }
}
