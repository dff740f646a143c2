//! A process in a root of layers that is nobody's container: what a step of a build runs.
//!
//! It is made as a container's is, by the same shim, runtime, network and specification, so that
//! it is isolated as much. But nobody knows of it, no list has it, and it does not outlive its
//! engine: the next one ends it ([`Engine::sweep_sandboxes`]) before it does anything else.
//!
//! Its bundle lies in the run directory: its environment may hold secrets, which must not get on
//! the disk.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use bollard_stubs::models::{ContainerConfig, HostConfig};
use bytes::Bytes;
use futures::future::BoxFuture;
use jiff::Timestamp;
use naru_image_store::Platform;
use naru_shim::wire::{ShimConfig, Target};
use oci_spec::runtime::Mount;
use tokio::io::{AsyncReadExt as _, BufReader};
use tokio::net::UnixStream;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::files::{self, FilesRequest};
use super::shim::AttachStreams;
use super::start::host_resolv_conf;
use super::state::State;
use super::{Record, ShimAddress};
use crate::emulators;
use crate::engine::Engine;
use crate::error::{EngineError, Result};
use crate::files::remove_all;
use crate::spec::{Joined, RootParts, SpecRequest, container_spec};

/// How long a killed process may take to end.
const KILL_LIMIT: Duration = Duration::from_secs(10);
const HOSTNAME: &str = "buildkitsandbox";
const FRAME_HEADER: usize = 8;
const FRAME_STDERR: u8 = 2;
const SIGKILL: i32 = nix::libc::SIGKILL;

/// A process to be run.
#[derive(Debug)]
pub(crate) struct SandboxRequest<'a> {
    /// 64 hex digits; that of its directory below `builds/`.
    pub(crate) id: &'a str,
    /// The layers of its root, bottom first; at least one.
    pub(crate) layers: &'a [PathBuf],
    /// What it writes.
    pub(crate) upper: &'a Path,
    pub(crate) work: &'a Path,
    pub(crate) command: Vec<String>,
    pub(crate) config: ContainerConfig,
    pub(crate) host_config: HostConfig,
    /// What its programs are for.
    pub(crate) platform: &'a Platform,
    /// What is mounted in it, besides.
    pub(crate) mounts: Vec<Mount>,
}

/// Takes what it writes, and lets it wait where that is too much.
pub(crate) type Output<'a> = &'a (dyn Fn(OutputStream, Bytes) -> BoxFuture<'a, ()> + Send + Sync);

/// What a program writes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum OutputStream {
    Stdout,
    Stderr,
}

impl Engine {
    /// The directory that a sandbox has in memory.
    pub(crate) fn sandbox_directory(&self, id: &str) -> PathBuf {
        self.shim_address(id).directory().to_owned()
    }

    /// Runs a process to its end, and gives its exit code; none if it was cancelled. Either way
    /// nothing of it is left but what it wrote. Not to be dropped before it has ended.
    pub(crate) async fn run_sandbox(
        &self,
        request: SandboxRequest<'_>,
        output: Output<'_>,
        cancelled: &CancellationToken,
    ) -> Result<Option<i32>> {
        let mut record = sandbox_record(&request);
        record.networks = self.memberships(&record.host_config, HashMap::new(), None)?;
        let joined = self.join_others(&mut record)?;
        self.network().attach(&mut record).await?;
        let ran = self.run_attached(&record, joined, &request, output, cancelled).await;
        self.network().depart(&record).await;
        self.network().detach(&record).await;
        ran
    }

    async fn run_attached(
        &self,
        record: &Record,
        mut joined: Joined,
        request: &SandboxRequest<'_>,
        output: Output<'_>,
        cancelled: &CancellationToken,
    ) -> Result<Option<i32>> {
        joined.network = joined.network.or_else(|| self.network().namespace(record));
        let shim = self.shim_address(&record.id);
        self.write_bundle(record, &joined, request)?;
        let config = ShimConfig {
            id: record.id.clone(),
            run_dir: shim.directory().to_owned(),
            target: Target::Container { bundle: shim.directory().to_owned(), init: false },
            tty: false,
            open_stdin: false,
            stdin_once: false,
            log: None,
            exit_path: shim.directory().join("exit.json"),
        };
        let (mut events, _) = shim.spawn(self.program(), &config, self.shims()).await?;
        let streams = AttachStreams { stdin: false, stdout: true, stderr: true };
        let stream = shim.attach(streams).await?;
        let started = events.start().await;
        started.map_err(|error| emulators::explained(error, request.platform))?;
        let ended = async {
            let ((), exit) = tokio::join!(frames(stream, output, cancelled), events.exited());
            exit.map(|exit| exit.code)
        };
        tokio::pin!(ended);
        tokio::select! {
            code = &mut ended => return code.map(Some),
            () = cancelled.cancelled() => {}
        }
        // An error says that it has just ended.
        drop(shim.signal(SIGKILL).await);
        timeout(KILL_LIMIT, ended).await.map_err(|_| EngineError::Shim {
            container_id: record.id.clone(),
            message: format!("the process did not end within {KILL_LIMIT:?} of SIGKILL"),
        })??;
        Ok(None)
    }

    fn write_bundle(
        &self,
        record: &Record,
        joined: &Joined,
        request: &SandboxRequest<'_>,
    ) -> Result<()> {
        let directory = self.sandbox_directory(&record.id);
        let rootfs = directory.join("rootfs");
        std::fs::create_dir_all(&rootfs).map_err(EngineError::io("creating", rootfs))?;
        let host_hosts = std::fs::read_to_string("/etc/hosts").unwrap_or_default();
        files::write(
            record,
            FilesRequest {
                directory: &directory,
                host_address: self.mode().host_address(),
                links: &[],
                host_resolv_conf: &host_resolv_conf(),
                host_hosts: &host_hosts,
            },
        )?;
        let parts = RootParts {
            layers: request.layers,
            upper: request.upper,
            work: request.work,
            directory: &directory,
        };
        let cgroup = self.paths().cgroup(record);
        let mut spec =
            container_spec(&SpecRequest { record, parts, joined, mounts: &[], cgroup: &cgroup })?;
        let mut mounts = spec.mounts().clone().unwrap_or_default();
        mounts.retain(|mount| {
            request.mounts.iter().all(|asked| asked.destination() != mount.destination())
        });
        mounts.extend(request.mounts.iter().cloned());
        spec.set_mounts(Some(mounts));
        let path = directory.join("config.json");
        let text = serde_json::to_vec(&spec).map_err(EngineError::encoding("a specification"))?;
        std::fs::write(&path, text).map_err(EngineError::io("writing", path))
    }

    /// Ends what an engine that was killed has left running below `builds`, and removes it.
    pub(crate) async fn sweep_sandboxes(&self, builds: &Path) {
        for entry in std::fs::read_dir(builds).into_iter().flatten().flatten() {
            let Ok(id) = entry.file_name().into_string() else { continue };
            if !is_sandbox(&id) {
                continue;
            }
            let shim = self.shim_address(&id);
            end(&shim).await;
            for directory in [shim.directory(), &entry.path()] {
                remove_or_tell(directory);
            }
        }
    }
}

/// Whether a directory below `builds/` is a step's, so that a sandbox may be of the same name.
fn is_sandbox(name: &str) -> bool {
    name.len() == 64 && name.bytes().all(|byte| byte.is_ascii_hexdigit())
}

async fn end(shim: &ShimAddress) {
    let Ok(events) = shim.watch().await else { return };
    tracing::info!(directory = %shim.directory().display(), "ending a step of a build");
    drop(shim.signal(SIGKILL).await);
    if timeout(KILL_LIMIT, events.exited()).await.is_err() {
        tracing::warn!(directory = %shim.directory().display(), "a process does not end");
    }
}

/// Removes a directory that may not be there.
pub(crate) fn remove_or_tell(path: &Path) {
    match remove_all(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            tracing::warn!(path = %path.display(), %error, "left behind");
        }
        _ => {}
    }
}

/// A record as of a container, which is kept nowhere.
fn sandbox_record(request: &SandboxRequest<'_>) -> Record {
    let mut config = request.config.clone();
    config.hostname = Some(HOSTNAME.to_owned());
    config.tty = Some(false);
    let mut host_config = request.host_config.clone();
    // What it writes becomes a layer, which is synced then.
    host_config.auto_remove = Some(true);
    Record {
        id: request.id.to_owned(),
        name: request.id.to_owned(),
        created: Timestamp::now(),
        image: String::new(),
        image_id: String::new(),
        command: request.command.clone(),
        config,
        host_config,
        mounts: Some(Vec::new()),
        networks: Vec::new(),
        ports: Vec::new(),
        state: State::default(),
    }
}

/// Reads Docker's attach stream to its end.
async fn frames(stream: UnixStream, output: Output<'_>, cancelled: &CancellationToken) {
    let mut stream = BufReader::new(stream);
    let mut header = [0; FRAME_HEADER];
    while stream.read_exact(&mut header).await.is_ok() {
        let [name, _, _, _, length @ ..] = header;
        let mut bytes = vec![0; usize::try_from(u32::from_be_bytes(length)).unwrap_or_default()];
        if stream.read_exact(&mut bytes).await.is_err() {
            return;
        }
        let name = if name == FRAME_STDERR { OutputStream::Stderr } else { OutputStream::Stdout };
        // What was given up is not waited with.
        cancelled.run_until_cancelled(output(name, bytes.into())).await;
    }
}
