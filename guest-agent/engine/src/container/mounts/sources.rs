//! Where the kernel finds what a container has mounted.

use super::MountKind;
use crate::container::Record;
use crate::engine::Engine;
use crate::error::{EngineError, Result};
use crate::spec::Source;

impl Engine {
    /// The source of each of a container's mount points, in their order.
    pub(crate) fn mount_sources(&self, record: &Record) -> Result<Vec<Source>> {
        let directories = self.volumes().directories();
        let source = |kind: &MountKind| {
            Ok(match kind {
                MountKind::Bind(bind) => Source::Path(self.bind_source(&bind.source)),
                MountKind::Volume(volume) => Source::Path(directories.data(&volume.name)),
                MountKind::Tmpfs(_) => Source::Memory,
                MountKind::Image(image) => {
                    let id = image.image_id.parse().map_err(|error| {
                        EngineError::Invalid(format!("image id {}: {error}", image.image_id))
                    })?;
                    Source::Layers(self.images().layers(&id)?)
                }
            })
        };
        record.mount_points().iter().map(|point| source(&point.kind)).collect()
    }
}
