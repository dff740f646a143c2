//! The engine: what the API's handlers work with.

use std::fs::{DirBuilder, File};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use naru_image_store::{ImageStore, RegistryConfig};
use nix::errno::Errno;
use nix::fcntl::{FcntlArg, fcntl};
use nix::libc;
use tokio::sync::Mutex as AsyncMutex;
use tokio::task::spawn_blocking;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::Instrument as _;

use crate::args::{EngineArgs, Mode};
use crate::build::{Builds, Policies};
use crate::container::{
    AgentProgram, Asker, Container, Containers, Database, Execs, Record, ShimAddress,
};
use crate::error::{EngineError, Result};
use crate::events::Events;
use crate::network::{ContainerNetwork, OpenRequest};
use crate::ports::PortHost;
use crate::registries;
use crate::reserve::Reserve;
use crate::trim::Trim;
use crate::volume::{VolumeDirectories, Volumes};

/// Where things are kept.
#[derive(Clone, Debug)]
pub(crate) struct Paths {
    pub(crate) root: PathBuf,
    pub(crate) run: PathBuf,
}

impl Paths {
    /// A container's own directory.
    pub(crate) fn container(&self, id: &str) -> PathBuf {
        self.root.join("containers").join(id)
    }

    /// What builds work with, and their cache.
    pub(crate) fn builds(&self) -> PathBuf {
        self.root.join("builds")
    }

    /// A container's log.
    pub(crate) fn log(&self, id: &str) -> PathBuf {
        self.container(id).join(format!("{id}-json.log"))
    }

    /// A container's control group, relative to the cgroup root.
    #[expect(clippy::unused_self, reason = "it is one of the places, whatever the root")]
    pub(crate) fn cgroup(&self, record: &Record) -> PathBuf {
        let parent = record.host_config.cgroup_parent.as_deref().unwrap_or_default();
        let parent = if parent.is_empty() { "naru" } else { parent.trim_start_matches('/') };
        Path::new("/").join(parent).join(&record.id)
    }
}

/// The engine. Clones share everything.
#[derive(Clone, Debug)]
pub(crate) struct Engine(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    mode: Mode,
    paths: Paths,
    database: Database,
    images: ImageStore,
    builds: Builds,
    /// How registries are reached where the host, or a file, says nothing else.
    registries: RegistryConfig,
    volumes: Volumes,
    containers: Containers,
    execs: Execs,
    network: ContainerNetwork,
    /// Where containers find the API, if they are given its socket.
    own_socket: Option<PathBuf>,
    events: Events,
    program: AgentProgram,
    trim: Trim,
    reserve: Reserve,
    /// Held over a prune, of which there is one at a time.
    pruning: AsyncMutex<()>,
    /// Background work; waited for at the end.
    tasks: TaskTracker,
    /// Waiters on shim processes; not waited for, since shims outlive the engine.
    shims: TaskTracker,
    shutdown: CancellationToken,
    /// Cancelled when it begins to: from then on no policy starts a container.
    closing: CancellationToken,
    /// Held for life: two engines on one root would ruin it.
    _lock: File,
}

impl Engine {
    /// Opens everything under the directories that `args` name, finds the containers
    /// that run, and sweeps what a crash left.
    pub(crate) async fn open(args: &EngineArgs) -> Result<Self> {
        let paths = Paths { root: args.root.clone(), run: args.run_dir() };
        for directory in [&paths.root, &paths.run, &paths.root.join("containers")] {
            private_directory(directory)?;
        }
        let lock = lock(&paths.root.join("engine.lock"))?;
        let reserve = Reserve::taken_from(&paths.root);
        let mode = args.mode();
        let registries = registries::of_arguments(args)?;
        let images = ImageStore::open(&paths.root.join("images"), registries.clone()).await?;
        let kept = registries::kept_file(&paths.root);
        if let Some(file) = args.registries.as_ref().or_else(|| kept.is_file().then_some(&kept)) {
            images.reconfigure(registries::with_file(&registries, file)?)?;
        }
        let limit = args.build_cache_mib.map(|mib| mib.saturating_mul(1 << 20));
        let builds = Builds::open(&paths, &images, Policies::new(limit))?;
        let database = Database::open(&paths.root.join("engine.db"))?;
        let records = database.containers().await?;
        let volumes = find_volumes(&paths, &database).await?;
        let running: Vec<Record> =
            records.iter().filter(|record| record.running()).cloned().collect();
        let port_host = (mode == Mode::Vm).then(PortHost::default);
        let network = ContainerNetwork::open(OpenRequest {
            run_dir: &paths.run,
            bridge: &args.bridge,
            host: port_host,
            host_address: mode.host_address(),
            networks: database.networks().await?,
            running: &running,
        })
        .await?;
        network.sweep(&running).await;
        let program = AgentProgram::prepare(&paths.run)?;
        let engine = Self(Arc::new(Inner {
            mode,
            paths,
            database,
            images,
            builds,
            registries,
            volumes,
            containers: Containers::default(),
            execs: Execs::default(),
            network,
            own_socket: args.own_socket(),
            events: Events::new(),
            program,
            trim: Trim::default(),
            reserve,
            pruning: AsyncMutex::new(()),
            tasks: TaskTracker::new(),
            shims: TaskTracker::new(),
            shutdown: CancellationToken::new(),
            closing: CancellationToken::new(),
            _lock: lock,
        }));
        engine.sweep_builds().await;
        engine.sweep(&records);
        for record in records {
            engine.find_again(record).await?;
        }
        engine.unmount_unused_volumes();
        // Once all are known: starts would be in the way of finding the others.
        // The oldest first: who joins another waits for it only if it is known to start.
        for container in engine.containers().all().into_iter().rev() {
            engine.start_with_engine(&container).await?;
        }
        engine.reserve().put_back();
        Ok(engine)
    }

    pub(crate) fn mode(&self) -> Mode {
        self.0.mode
    }

    pub(crate) fn paths(&self) -> &Paths {
        &self.0.paths
    }

    pub(crate) fn database(&self) -> &Database {
        &self.0.database
    }

    pub(crate) fn images(&self) -> &ImageStore {
        &self.0.images
    }

    pub(crate) fn reserve(&self) -> &Reserve {
        &self.0.reserve
    }

    pub(crate) fn builds(&self) -> &Builds {
        &self.0.builds
    }

    pub(crate) fn registries(&self) -> &RegistryConfig {
        &self.0.registries
    }

    pub(crate) fn volumes(&self) -> &Volumes {
        &self.0.volumes
    }

    pub(crate) fn containers(&self) -> &Containers {
        &self.0.containers
    }

    pub(crate) fn execs(&self) -> &Execs {
        &self.0.execs
    }

    pub(crate) fn network(&self) -> &ContainerNetwork {
        &self.0.network
    }

    /// The socket that this engine listens on, if it does on one.
    pub(crate) fn own_socket(&self) -> Option<&Path> {
        self.0.own_socket.as_deref()
    }

    pub(crate) fn events(&self) -> &Events {
        &self.0.events
    }

    pub(crate) fn program(&self) -> &AgentProgram {
        &self.0.program
    }

    pub(crate) fn trim(&self) -> &Trim {
        &self.0.trim
    }

    pub(crate) fn pruning(&self) -> &AsyncMutex<()> {
        &self.0.pruning
    }

    pub(crate) fn tasks(&self) -> &TaskTracker {
        &self.0.tasks
    }

    pub(crate) fn shims(&self) -> &TaskTracker {
        &self.0.shims
    }

    /// Cancelled when the engine is to end.
    pub(crate) fn shutdown(&self) -> &CancellationToken {
        &self.0.shutdown
    }

    /// Cancelled when the engine stops its containers for its own end.
    pub(crate) fn closing(&self) -> &CancellationToken {
        &self.0.closing
    }

    /// Where the shim of container or exec `id` listens.
    pub(crate) fn shim_address(&self, id: &str) -> ShimAddress {
        ShimAddress::new(&self.paths().run, id)
    }

    /// Runs `work` to its end even when the caller, a client's request, goes away.
    pub(crate) async fn run_to_end<T: Send + 'static>(
        &self,
        work: impl Future<Output = Result<T>> + Send + 'static,
    ) -> Result<T> {
        match self.tasks().spawn(work.in_current_span()).await {
            Ok(result) => result,
            Err(error) => Err(EngineError::Defect(error.to_string())),
        }
    }

    /// Runs blocking work off the async threads. It goes on when the caller goes away.
    pub(crate) async fn run_blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<T> + Send + 'static,
    ) -> Result<T> {
        match spawn_blocking(work).await {
            Ok(result) => result,
            Err(error) => Err(EngineError::Defect(error.to_string())),
        }
    }

    /// Tells everyone what happened to a container, `extra` on top of its labels.
    pub(crate) fn container_event<const N: usize>(
        &self,
        container: &Container,
        action: &str,
        extra: [(&str, String); N],
    ) {
        let mut attributes = container.record().event_attributes();
        attributes.extend(extra.map(|(key, value)| (key.to_owned(), value)));
        self.events().publish("container", action, &container.id, attributes);
    }

    /// Stops all containers, then the engine's own work: the orderly end.
    pub(crate) async fn close(&self) {
        self.closing().cancel();
        let all = self.containers().all();
        let stops =
            all.iter().map(|container| self.stop_container(container, None, None, Asker::Engine));
        for result in futures::future::join_all(stops).await {
            if let Err(error) = result {
                tracing::error!(%error, "a container did not stop");
            }
        }
        // Nobody is to wait any longer for what will not happen.
        self.shutdown().cancel();
        self.tasks().close();
        self.tasks().wait().await;
        if self.mode() == Mode::Native
            && let Err(error) = self.network().close().await
        {
            tracing::warn!(%error, "the network was left as it is");
        }
        self.program().release();
    }
}

/// Finds the volumes, each whole.
async fn find_volumes(paths: &Paths, database: &Database) -> Result<Volumes> {
    let directories = VolumeDirectories::new(&paths.root);
    let records = database.volumes().await?;
    let known = records.iter().map(|record| record.name.as_str()).collect();
    let mended = directories.prepare().and_then(|()| directories.mend(&known));
    mended.map_err(EngineError::io("looking for volumes in", &paths.root))?;
    Ok(Volumes::new(directories, records))
}

/// Makes a directory that is its owner's alone.
fn private_directory(path: &Path) -> Result<()> {
    let failed = EngineError::io("creating", path);
    DirBuilder::new().recursive(true).mode(0o711).create(path).map_err(failed)
}

/// Locks in the name of this process alone: a child that an engine was about to make a shim
/// when it was killed must not hold up the next engine.
fn lock(path: &Path) -> Result<File> {
    let file = File::create(path).map_err(EngineError::io("creating", path))?;
    let whole = libc::flock {
        l_type: i16::try_from(libc::F_WRLCK).unwrap_or_default(),
        l_whence: i16::try_from(libc::SEEK_SET).unwrap_or_default(),
        l_start: 0,
        l_len: 0,
        l_pid: 0,
    };
    match fcntl(&file, FcntlArg::F_SETLK(&whole)) {
        Ok(_) => Ok(file),
        Err(Errno::EAGAIN | Errno::EACCES) => Err(EngineError::Invalid(format!(
            "another engine works on {}",
            path.parent().unwrap_or(path).display()
        ))),
        Err(errno) => Err(EngineError::io("locking", path)(errno.into())),
    }
}
