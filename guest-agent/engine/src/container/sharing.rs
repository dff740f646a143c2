//! What a container shares with others, or lets them share: found when it starts, because only
//! then do they have processes.

use std::fs::create_dir_all;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use nix::mount::{MntFlags, MsFlags, mount, umount2};
use tokio::time::timeout;

use super::state::Status;
use super::{Container, Record};
use crate::engine::Engine;
use crate::error::{EngineError, Result};
use crate::spec::{IpcMode, Joined, PidMode, SHM_DEFAULT_BYTES};

/// How long a container waits for another that it joins, and that is about to start as well.
const DONOR_PATIENCE: Duration = Duration::from_secs(30);

/// The host's own shared memory.
const HOST_SHM: &str = "/dev/shm";

impl Engine {
    /// Finds the containers whose namespaces `record` is to join, and makes what others may
    /// join. [`release_shm`] undoes it.
    #[tracing::instrument(level = "debug", skip_all)]
    pub(super) fn join_others(&self, record: &mut Record) -> Result<Joined> {
        let mut joined = Joined::default();
        if let Some(name) = record.joined_network() {
            let other = self.network_donor(name, &record.id)?;
            joined.network = Some(namespace(&other, "net"));
            joined.network_files = Some(self.paths().container(&other.id));
            record.config.hostname = other.config.hostname;
            record.config.domainname = other.config.domainname;
        }
        if let PidMode::Container(name) = PidMode::parse(&record.host_config)? {
            joined.pid = Some(self.donor(name, "PID")?.state.pid);
        }
        match IpcMode::parse(&record.host_config)? {
            IpcMode::None | IpcMode::Private => {}
            IpcMode::Shareable => joined.shm = Some(self.make_shm(record)?),
            IpcMode::Host => joined.shm = Some(HOST_SHM.into()),
            IpcMode::Container(name) => {
                joined.ipc = Some(self.donor(name, "IPC")?.state.pid);
                joined.shm = Some(self.shm_of(name)?);
            }
        }
        Ok(joined)
    }

    /// Waits until those that `record` is to join have started, if they are about to, as when
    /// all start with the engine. Cancel safe.
    pub(super) async fn await_donors(&self, record: &Record) {
        let pid = match PidMode::parse(&record.host_config) {
            Ok(PidMode::Container(name)) => Some(name),
            _ => None,
        };
        let ipc = match IpcMode::parse(&record.host_config) {
            Ok(IpcMode::Container(name)) => Some(name),
            _ => None,
        };
        for name in [record.joined_network(), pid, ipc].into_iter().flatten() {
            let Ok(donor) = self.containers().find(name) else { continue };
            let mut watch = donor.watch();
            let started = watch.wait_for(|donor| donor.state.status != Status::Restarting);
            // Whatever has become of it, the start will tell.
            let waited = timeout(DONOR_PATIENCE, started);
            drop(self.closing().run_until_cancelled(waited).await);
        }
    }

    fn donor(&self, name: &str, what: &'static str) -> Result<Record> {
        let found = self.containers().find(name).and_then(|other| running(&other));
        found.map_err(|source| EngineError::CannotJoin { what, source: Box::new(source) })
    }

    fn network_donor(&self, name: &str, own: &str) -> Result<Record> {
        let other = self
            .containers()
            .find(name)
            .map_err(|source| EngineError::CannotJoinNetwork(Box::new(source)))?;
        if other.id == own {
            return Err(EngineError::Conflict("cannot join own network namespace".to_owned()));
        }
        let record = other.record();
        if record.running() {
            return Ok(record);
        }
        Err(EngineError::Conflict(format!(
            "cannot join network namespace of a non running container: container {} is {}",
            record.name,
            record.state.status.as_str()
        )))
    }

    /// The shared memory of a container that lets others join, be it another's in turn.
    fn shm_of(&self, name: &str) -> Result<PathBuf> {
        let refused = || {
            EngineError::Conflict(format!(
                "failed to join IPC namespace: container {name} has non-shareable IPC (hint: use \
                 IpcMode:shareable for the donor container)"
            ))
        };
        let mut record = self.containers().find(name)?.record();
        // Each of them existed before the one that joins it, unless a name was used anew.
        for _ in 0..self.containers().all().len() {
            let next = match IpcMode::parse(&record.host_config)? {
                IpcMode::Host => return Ok(HOST_SHM.into()),
                IpcMode::Shareable if record.running() => return Ok(self.shm_path(&record.id)),
                IpcMode::Container(next) => next.to_owned(),
                IpcMode::None | IpcMode::Private | IpcMode::Shareable => return Err(refused()),
            };
            record = self.containers().find(&next).map_err(|_| refused())?.record();
        }
        Err(refused())
    }

    fn shm_path(&self, id: &str) -> PathBuf {
        self.paths().container(id).join("shm")
    }

    /// Mounts the shared memory where others can find it.
    fn make_shm(&self, record: &Record) -> Result<PathBuf> {
        let directory = self.paths().container(&record.id);
        // What an engine that was killed has left there.
        release_shm(&directory);
        let path = self.shm_path(&record.id);
        create_dir_all(&path).map_err(EngineError::io("creating", &path))?;
        let size = record.host_config.shm_size.filter(|size| *size > 0);
        let options = format!("mode=1777,size={}", size.unwrap_or(SHM_DEFAULT_BYTES));
        let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC;
        mount(Some("shm"), &path, Some("tmpfs"), flags, Some(options.as_str()))
            .map_err(io::Error::from)
            .map_err(EngineError::io("mounting", &path))?;
        Ok(path)
    }
}

/// Takes away the shared memory of the container whose directory this is, if it has any; those
/// who have joined it keep it.
pub(crate) fn release_shm(directory: &Path) {
    while umount2(&directory.join("shm"), MntFlags::MNT_DETACH).is_ok() {}
}

fn running(container: &Arc<Container>) -> Result<Record> {
    let record = container.record();
    if record.running() { Ok(record) } else { Err(EngineError::NotRunning(record.id)) }
}

fn namespace(record: &Record, name: &str) -> PathBuf {
    format!("/proc/{}/ns/{name}", record.state.pid).into()
}
