//! What is mounted in a container because it was asked for, or because its image says so.
//!
//! A request (`Binds`, `Mounts`, `VolumesFrom`, and the image's `Volumes`) becomes a list of
//! mount points when the container is made ([`wanted`]); the list is part of its record. Tmpfs of
//! `--tmpfs` are not in it, as with Docker.

mod asked;
mod fill;
mod host_paths;
mod memory;
mod propagation;
mod sources;
mod text;
mod wanted;

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::Record;
use crate::error::{EngineError, Result};
use crate::volume::VolumeRequest;

pub(crate) use asked::Recursion;
pub(super) use fill::check_sources;
pub(crate) use host_paths::refuse_unshared;
pub(super) use wanted::older;

/// One place of a container's file system, and what is there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct MountPoint {
    /// Absolute.
    pub(crate) destination: PathBuf,
    pub(crate) read_only: bool,
    /// As `-v` has it behind the second colon.
    pub(crate) mode: String,
    pub(crate) kind: MountKind,
}

/// What is mounted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum MountKind {
    /// Something of the machine's file system.
    Bind(Bind),
    /// A volume.
    Volume(VolumeMount),
    /// A file system in memory; the options are the kernel's.
    Tmpfs(Vec<String>),
    /// An image's files.
    Image(ImageMount),
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Bind {
    pub(crate) source: PathBuf,
    pub(crate) propagation: String,
    /// `-v` makes a missing source directory, `--mount` refuses it unless it is told to.
    pub(crate) create_source: bool,
    /// Whether what is mounted below the source comes along.
    pub(crate) recursive: bool,
    /// Whether that is read-only too, if the mount is.
    pub(crate) recursively_read_only: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct VolumeMount {
    pub(crate) name: String,
    /// The directory of it that is mounted, if not all.
    pub(crate) subpath: Option<String>,
    /// Whether it gets what the image has there, if it is empty.
    pub(crate) populate: bool,
    /// Whether nobody has named it, so that it may go with its container.
    pub(crate) anonymous: bool,
    /// Whether it is there because a directory was declared to be a volume.
    pub(crate) declared: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ImageMount {
    /// As the client named it.
    pub(crate) reference: String,
    /// `sha256:…`.
    pub(crate) image_id: String,
    pub(crate) subpath: Option<String>,
}

/// A mount point, and the volume that it needs, be it still to be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct WantedMount {
    pub(crate) point: MountPoint,
    pub(crate) volume: Option<VolumeRequest>,
}

impl MountPoint {
    /// Whether it is found by `wanted`: its destination, its volume, or else its source.
    pub(crate) fn is(&self, wanted: &str) -> bool {
        let name = match &self.kind {
            MountKind::Bind(bind) => bind.source.as_path(),
            MountKind::Volume(volume) => Path::new(&volume.name),
            MountKind::Image(image) => Path::new(&image.reference),
            MountKind::Tmpfs(_) => Path::new(""),
        };
        [name, &self.destination].contains(&Path::new(wanted))
    }
}

impl Record {
    /// The mount points that are volumes.
    pub(crate) fn volumes(&self) -> impl Iterator<Item = (&MountPoint, &VolumeMount)> {
        self.mounts.iter().flatten().filter_map(|point| match &point.kind {
            MountKind::Volume(volume) => Some((point, volume)),
            _ => None,
        })
    }

    /// All mount points, parents before what is mounted in them.
    pub(crate) fn mount_points(&self) -> &[MountPoint] {
        self.mounts.as_deref().unwrap_or_default()
    }
}

/// A path of a container as a mount's destination, without `..` and doubled slashes.
fn destination(path: &str) -> Result<PathBuf> {
    if !path.starts_with('/') {
        return Err(not_absolute(path));
    }
    let clean = cleaned(path);
    if clean == Path::new("/") {
        return Err(EngineError::Invalid(
            "invalid specification: destination can't be '/'".to_owned(),
        ));
    }
    Ok(clean)
}

/// An absolute path as Go's `path.Clean` has it.
fn cleaned(path: &str) -> PathBuf {
    let mut clean = PathBuf::from("/");
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(clean.pop()),
            part => clean.push(part),
        }
    }
    clean
}

fn not_absolute(path: &str) -> EngineError {
    EngineError::Invalid(format!("invalid mount path: '{path}' mount path must be absolute"))
}
