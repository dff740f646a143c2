//! A container's files, for as long as somebody works on them.
//!
//! The file system is put together anew each time, as mounts that are nowhere: from the running
//! container's own root, or from its layers. Two overlays must not write to one upper directory,
//! so what writes keeps the container from being started and removed meanwhile; what reads
//! does not.

use std::ffi::OsStr;
use std::io::{self, Read};
use std::os::fd::AsFd as _;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use naru_image_store::Digest;
use naru_shim::{Cgroup, RuntimeError, ViewRequest, ViewRoot, view};
use oci_spec::runtime::Mount;
use rustix::process::{Pid, PidfdFlags, pidfd_open};
use tokio::sync::OwnedMutexGuard;
use tokio::time::timeout;

use super::mounts::check_sources;
use super::{Container, Record, Status};
use crate::engine::Engine;
use crate::error::{EngineError, Result};
use crate::files::{ContainerPath, FilesError, Node, Tree, UnpackOptions, unpack};
use crate::spec::{LayerFiles, RootParts, Writable, outside};
use crate::volume::VolumeInUse;

/// How long after the end of its process a container may be taken for running.
const END_TIMEOUT: Duration = Duration::from_secs(10);

/// What is to be done with the files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FilesUse {
    Read,
    Write,
    /// The root filesystem alone, without what is mounted in it.
    ReadRoot,
}

impl FilesUse {
    /// Whether the container must neither start nor go away meanwhile. One that was never
    /// started lacks the places of its mounts, which can only be made by writing.
    fn claims(self, record: &Record) -> bool {
        match self {
            Self::Write => true,
            Self::Read => record.state.status == Status::Created,
            Self::ReadRoot => false,
        }
    }
}

/// A container's files.
#[derive(Debug)]
pub(crate) struct ContainerFiles {
    tree: Tree,
    record: Record,
    _volumes: Vec<VolumeInUse>,
    /// Keeps the container from being started and removed.
    _alone: Option<OwnedMutexGuard<()>>,
}

/// How the files are put together.
#[derive(Debug)]
struct Plan {
    root: PlanRoot,
    binds: Vec<Mount>,
    /// An empty directory.
    scratch: PathBuf,
}

#[derive(Debug)]
enum PlanRoot {
    Overlay(Mount),
    Process { pid: i32, cgroup: PathBuf },
}

impl Plan {
    /// Blocks.
    fn make(&self) -> Result<Tree, RuntimeError> {
        let request = |root| ViewRequest { root, binds: &self.binds, scratch: &self.scratch };
        match &self.root {
            PlanRoot::Overlay(overlay) => view(&request(ViewRoot::Overlay(overlay))),
            PlanRoot::Process { pid, cgroup } => {
                let gone = || RuntimeError::ChildEnded;
                let pid = Pid::from_raw(*pid).ok_or_else(gone)?;
                let process = pidfd_open(pid, PidfdFlags::empty()).map_err(|_| gone())?;
                // The number may be another process's by now, which is in another group. The
                // descriptor stays with the process that was looked at.
                let group = Cgroup::of(pid).map_err(|_| gone())?;
                if !group.directory().starts_with(Cgroup::at(cgroup)?.directory()) {
                    return Err(gone());
                }
                view(&request(ViewRoot::Process(process.as_fd())))
            }
        }
        .map(Tree::new)
    }
}

impl Engine {
    /// The files of a container, whether it runs or not.
    pub(crate) async fn container_files(
        &self,
        container: &Arc<Container>,
        wanted: FilesUse,
    ) -> Result<ContainerFiles> {
        loop {
            let alone = Arc::clone(&container.lifecycle).lock_owned().await;
            if container.removed.is_cancelled() {
                return Err(EngineError::NoSuchContainer(container.id.clone()));
            }
            let record = container.record();
            if wanted.claims(&record) {
                check_sources(self, &record)?;
            }
            let plan = self.plan(&record, wanted)?;
            let (engine, looked_at) = (self.clone(), record.clone());
            let made = self.run_blocking(move || {
                let volumes = match wanted {
                    FilesUse::ReadRoot => Vec::new(),
                    _ => engine.look_into_volumes(&looked_at)?,
                };
                Ok((plan.make(), volumes))
            });
            let source = match made.await? {
                (Ok(tree), volumes) => {
                    let claim = wanted.claims(&record).then_some(alone);
                    return Ok(ContainerFiles { tree, record, _volumes: volumes, _alone: claim });
                }
                (Err(source), _) => source,
            };
            drop(alone);
            // Its process may have ended, and the engine is about to hear of it.
            let mut watch = container.watch();
            let ended = watch.wait_for(|now| now.state.exits > record.state.exits);
            if !record.state.has_process() || timeout(END_TIMEOUT, ended).await.is_err() {
                return Err(EngineError::View { container_id: record.id, source });
            }
        }
    }

    fn plan(&self, record: &Record, wanted: FilesUse) -> Result<Plan> {
        let directory = self.paths().container(&record.id);
        let binds = match wanted {
            FilesUse::ReadRoot => Vec::new(),
            FilesUse::Read | FilesUse::Write => {
                outside::binds(&directory, record, &self.mount_sources(record)?)?
            }
        };
        let scratch = directory.join("rootfs");
        let root = if record.state.has_process() {
            PlanRoot::Process { pid: record.state.pid, cgroup: self.paths().cgroup(record) }
        } else {
            let layers = self.images().layers(&image_id(record)?)?;
            let (upper, work) = (directory.join("upper"), directory.join("work"));
            let parts =
                RootParts { layers: &layers, upper: &upper, work: &work, directory: &directory };
            PlanRoot::Overlay(if wanted.claims(record) {
                outside::root_overlay(parts, &record.host_config)?
            } else {
                outside::read_overlay(Some(&upper), &layers, &scratch)?
            })
        };
        Ok(Plan { root, binds, scratch })
    }

    /// The files of a container's image alone. Blocks.
    pub(super) fn image_files(&self, record: &Record) -> Result<Tree> {
        let layers = self.images().layers(&image_id(record)?)?;
        let scratch = self.paths().container(&record.id).join("rootfs");
        let overlay = outside::read_overlay(None, &layers, &scratch)?;
        let plan = Plan { root: PlanRoot::Overlay(overlay), binds: Vec::new(), scratch };
        let container_id = record.id.clone();
        plan.make().map_err(|source| EngineError::View { container_id, source })
    }

    /// The user and group that a container's processes are by default; none if its image and
    /// its creator name no user.
    pub(crate) fn container_owner(&self, record: &Record) -> Result<Option<(u32, u32)>> {
        let wanted = record.config.user.as_deref().unwrap_or_default();
        if wanted.is_empty() {
            return Ok(None);
        }
        let directory = self.paths().container(&record.id);
        let layers = self.images().layers(&image_id(record)?)?;
        let (upper, work) = (directory.join("upper"), directory.join("work"));
        let parts =
            RootParts { layers: &layers, upper: &upper, work: &work, directory: &directory };
        let user = LayerFiles::of(parts).identity(wanted, &[])?.user;
        Ok(Some((user.uid(), user.gid())))
    }
}

/// All of it blocks.
impl ContainerFiles {
    pub(crate) fn tree(&self) -> &Tree {
        &self.tree
    }

    pub(crate) fn root(&self) -> io::Result<Node> {
        self.tree.root()
    }

    /// What is at `path`, itself if it is a link.
    pub(crate) fn look(&self, path: &ContainerPath) -> io::Result<Node> {
        self.tree.look(path.as_bytes())
    }

    /// Where `path` leads when all links are followed.
    pub(crate) fn follow(&self, path: &ContainerPath) -> io::Result<Vec<u8>> {
        self.tree.follow(path.as_bytes())
    }

    /// Unpacks an archive into the directory at `path`, links followed.
    pub(crate) fn unpack(
        &self,
        path: &ContainerPath,
        options: UnpackOptions,
        archive: impl Read,
    ) -> Result<(), FilesError> {
        let failed = || FilesError::io("looking at", path.as_bytes());
        let destination = self.follow(path).map_err(failed())?;
        let found = self.tree.look(&destination).map_err(failed())?;
        if !found.metadata().is_dir() {
            return Err(FilesError::NotADirectory);
        }
        let place = Path::new(OsStr::from_bytes(&destination));
        match outside::writable(place, &self.record) {
            Writable::Yes => unpack(&self.tree, &destination, options, archive),
            Writable::NotTheMount => Err(FilesError::ReadOnlyVolume),
            Writable::NotTheRoot => Err(FilesError::ReadOnlyRoot),
        }
    }
}

fn image_id(record: &Record) -> Result<Digest> {
    let invalid = |error| EngineError::Invalid(format!("image id {}: {error}", record.image_id));
    record.image_id.parse().map_err(invalid)
}
