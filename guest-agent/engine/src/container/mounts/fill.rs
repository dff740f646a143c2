//! Making the mount points of a new container, and looking after their sources at its start.

use std::fs::create_dir_all;
use std::path::Path;

use bollard_stubs::models::{ContainerConfig, HostConfig};

use super::asked::Recursion;
use super::host_paths::{refuse_unshared, refuse_windows};
use super::propagation::check_propagation;
use super::wanted::wanted_mounts;
use super::{MountKind, MountPoint, WantedMount};
use crate::container::Record;
use crate::engine::Engine;
use crate::error::{EngineError, Result};
use crate::volume::{Filling, PreparedVolumes};

impl Engine {
    /// All that a container is to have mounted, checked.
    pub(in crate::container) fn wanted_mounts(
        &self,
        config: &ContainerConfig,
        host_config: &HostConfig,
        recursion: Recursion,
    ) -> Result<Vec<WantedMount>> {
        refuse_windows(self.mode(), host_config)?;
        let mut wanted = wanted_mounts(config, host_config, recursion, |name| {
            let found = self.containers().find(name).map_err(|error| match error {
                // A client takes a 404 here for a missing image.
                EngineError::NoSuchContainer(_) => EngineError::Invalid(error.to_string()),
                error => error,
            });
            Ok(found?.record().mount_points().to_vec())
        })?;
        for wanted in &mut wanted {
            if let MountKind::Image(image) = &mut wanted.point.kind
                && image.image_id.is_empty()
            {
                image.image_id = self.images().resolve(&image.reference)?.id.to_string();
            }
        }
        refuse_missing(self, &wanted)?;
        Ok(wanted)
    }

    /// Finds or makes the volumes of a container that is being made, and fills those that are
    /// empty with what its image has there. `record` gets its mount points.
    #[tracing::instrument(level = "debug", skip_all)]
    pub(crate) async fn prepare_mounts(
        &self,
        record: &mut Record,
        wanted: Vec<WantedMount>,
    ) -> Result<PreparedVolumes> {
        let requests = wanted.iter().filter_map(|wanted| wanted.volume.clone());
        let prepared = self.prepare_volumes(requests).await.map_err(|error| match error {
            // A client takes a 404 here for a missing image.
            error @ EngineError::NoSuchVolumeDriver { .. } => {
                EngineError::Invalid(error.to_string())
            }
            error => error,
        })?;
        let points: Vec<MountPoint> = wanted.into_iter().map(|wanted| wanted.point).collect();
        record.mounts = Some(points.clone());
        let (engine, record) = (self.clone(), record.clone());
        self.run_blocking(move || {
            engine.fill_volumes(&record, &prepared)?;
            Ok(prepared)
        })
        .await
    }

    /// Blocks.
    fn fill_volumes(&self, record: &Record, prepared: &PreparedVolumes) -> Result<()> {
        let mut image = None;
        for (point, volume) in record.volumes().filter(|(_, volume)| volume.populate) {
            let filling = Filling {
                volume: &volume.name,
                subpath: volume.subpath.as_deref(),
                destination: &point.destination,
            };
            if !prepared.is_to_be_filled(filling)? {
                continue;
            }
            if image.is_none() {
                image = Some(self.image_files(record)?);
            }
            if let Some(image) = &image {
                prepared.fill(self, filling, image)?;
            }
        }
        Ok(())
    }
}

/// Holds if all that a container's mounts need is there. `-v` makes the directories that it
/// names, as Docker does; what else is missing is told before anything is made.
pub(in crate::container) fn check_sources(engine: &Engine, record: &Record) -> Result<()> {
    for point in record.mount_points() {
        let MountKind::Bind(bind) = &point.kind else { continue };
        if engine.means_own_socket(&bind.source) {
            continue;
        }
        refuse_unshared(engine.mode(), &bind.source)?;
        if bind.source.exists() {
            check_propagation(bind)?;
            continue;
        }
        if !bind.create_source {
            return Err(missing(&bind.source));
        }
        create_dir_all(&bind.source).map_err(|error| {
            EngineError::Invalid(format!(
                "error while creating mount source path '{}': {error}",
                bind.source.display()
            ))
        })?;
    }
    Ok(())
}

/// Refuses when a container is made what `--mount` names and is not there.
fn refuse_missing(engine: &Engine, wanted: &[WantedMount]) -> Result<()> {
    for wanted in wanted {
        let MountKind::Bind(bind) = &wanted.point.kind else { continue };
        if engine.means_own_socket(&bind.source) {
            continue;
        }
        refuse_unshared(engine.mode(), &bind.source)?;
        if !bind.create_source && !bind.source.exists() {
            return Err(missing(&bind.source));
        }
    }
    Ok(())
}

fn missing(source: &Path) -> EngineError {
    EngineError::Invalid(format!(
        "invalid mount config for type \"bind\": bind source path does not exist: {}",
        source.display()
    ))
}
