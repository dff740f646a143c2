//! The app: one value that the window and the tests hold.

use std::env::consts::{ARCH, OS};
use std::path::PathBuf;
use std::sync::Arc;

use bollard::{ClientVersion, Docker};
use naru_ipc::{
    AppEvent, AppInfo, IpcError, MachineState, MachineStatus, RegistrySettings, Settings, TrayWords,
};
use tokio::sync::{broadcast, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::config::Environment;
use crate::machine::off;
use crate::owner::{self, Role};
use crate::settings::SettingsFile;
use crate::streams::Streams;
use crate::tray::words;
use crate::{AppError, Directories, VERSION, context, demo, fanout, registries};

/// Events that a slow receiver may lag behind before it loses the oldest.
const EVENT_BACKLOG: usize = 256;
/// How long a request to the engine may take to be answered; a stop waits for the
/// container's own grace period.
const DOCKER_TIMEOUT_SECONDS: u64 = 300;
/// The newest version of Docker's API that the engine speaks.
const DOCKER_API: ClientVersion = ClientVersion { major_version: 1, minor_version: 51 };

/// How an [`App`] is opened.
#[derive(Clone, Debug, Default)]
pub struct AppOptions {
    /// Where the installation has kernel, initramfs and data disk template. The
    /// environment's `NARU_VM_IMAGES` goes before it; without both, the directory
    /// `vm-images` beside the program is taken.
    pub vm_images: Option<PathBuf>,
}

/// Everything behind the window. Clones are the same app.
///
/// The methods that the command table lists are in [`crate::commands`].
#[derive(Clone, Debug)]
pub struct App {
    pub(crate) inner: Arc<Inner>,
}

#[derive(Debug)]
pub(crate) struct Inner {
    pub(crate) directories: Directories,
    pub(crate) settings: SettingsFile,
    pub(crate) role: watch::Receiver<Role>,
    pub(crate) status: watch::Sender<MachineStatus>,
    pub(crate) events: broadcast::Sender<AppEvent>,
    pub(crate) streams: Streams,
    pub(crate) pulls: Streams,
    pub(crate) tray_words: watch::Sender<TrayWords>,
    pub(crate) tasks: TaskTracker,
    cancel: CancellationToken,
}

impl App {
    /// Opens the app: takes the machine's ownership, or joins the process that has it.
    ///
    /// The machine is not started. Must be called within a Tokio runtime, on which the
    /// app's tasks then live until [`App::shutdown`].
    pub fn open(options: AppOptions) -> Result<Self, IpcError> {
        Self::open_in(Directories::find(&Environment::read(), options.vm_images)?)
            .map_err(IpcError::from)
    }

    /// The same with directories that the caller chose.
    pub fn open_in(directories: Directories) -> Result<Self, AppError> {
        directories.create()?;
        let cancel = CancellationToken::new();
        let tasks = TaskTracker::new();
        let (status, _) = watch::channel(off());
        let settings = SettingsFile::of(&directories);
        let role = owner::take(&directories, &settings, &status, &tasks, &cancel)?;
        let words = words::recall(&directories);
        let inner = Arc::new(Inner {
            directories,
            settings,
            role,
            status,
            events: broadcast::channel(EVENT_BACKLOG).0,
            streams: Streams::new(cancel.clone()),
            pulls: Streams::new(cancel.clone()),
            tray_words: watch::channel(words).0,
            tasks,
            cancel,
        });
        let known = inner.settings.load().ok();
        inner.tasks.spawn(fanout::run(Arc::downgrade(&inner), known, inner.cancel.clone()));
        Ok(Self { inner })
    }

    /// Notices from now on. A receiver that lags gets `Lagged` and should list again.
    pub fn subscribe(&self) -> broadcast::Receiver<AppEvent> {
        self.inner.events.subscribe()
    }

    /// The machine's status as it changes.
    pub fn watch_status(&self) -> watch::Receiver<MachineStatus> {
        self.inner.status.subscribe()
    }

    /// Whether this process owns the machine, so that [`App::shutdown`] stops it. Waits
    /// while the ownership changes hands. Cancel safe.
    pub async fn owns_machine(&self) -> bool {
        matches!(self.inner.role().await, Ok(Role::Owner(_)))
    }

    /// Stops the machine if this process owns it, and ends all of the app's tasks.
    ///
    /// Calls that come later fail. Calling it again does nothing.
    pub async fn shutdown(&self) {
        let role = self.inner.role.borrow().clone();
        if let Role::Owner(machine) = role
            && let Err(error) = machine.stop().await
        {
            tracing::warn!(%error, "machine not stopped in good order");
        }
        self.inner.cancel.cancel();
        self.inner.tasks.close();
        self.inner.tasks.wait().await;
    }

    /// `app.info`. The demo image's name is empty when no VM image is installed.
    pub async fn app_info(&self, (): ()) -> Result<AppInfo, IpcError> {
        Ok(AppInfo {
            version: VERSION.to_owned(),
            platform: OS.to_owned(),
            architecture: ARCH.to_owned(),
            docker_context: context::NAME.to_owned(),
            docker_host: self.inner.directories.docker_socket().docker_host(),
            demo_image: demo::image(&self.inner.directories).await.unwrap_or_default(),
        })
    }

    /// `settings.get`.
    #[expect(clippy::unused_async, reason = "every row of the command table is async")]
    pub async fn settings_get(&self, (): ()) -> Result<Settings, IpcError> {
        Ok(self.inner.settings.load()?)
    }

    /// `settings.set`: checked, written, and told to all windows of this process; those for
    /// registries also to the engine, which may refuse them.
    pub async fn settings_set(&self, settings: Settings) -> Result<Settings, IpcError> {
        self.inner.settings.check(&settings)?;
        let known = self.inner.settings.load().map(|settings| settings.registries);
        let differ = known.is_ok_and(|known| known != settings.registries);
        if differ {
            self.inner.tell_registries(settings.registries.clone()).await?;
        }
        let settings = self.inner.settings.save(settings)?;
        if differ {
            self.inner.tell_registries_after_start(settings.registries.clone());
        }
        self.inner.emit(AppEvent::Settings { settings: settings.clone() });
        Ok(settings)
    }

    /// `machine.status`.
    #[expect(clippy::unused_async, reason = "every row of the command table is async")]
    pub async fn machine_status(&self, (): ()) -> Result<MachineStatus, IpcError> {
        Ok(self.inner.status.borrow().clone())
    }

    /// `machine.start`: answers when the engine does; nothing to do while it runs.
    pub async fn machine_start(&self, (): ()) -> Result<(), IpcError> {
        match self.inner.role().await? {
            Role::Owner(machine) => machine.start().await,
            Role::Guest(client) => Ok(client.start().await?),
            Role::Undecided => Err(AppError::Busy { doing: "changing hands" }.into()),
        }
    }

    /// `machine.stop`: answers when the machine is off; also ends a start under way.
    pub async fn machine_stop(&self, (): ()) -> Result<(), IpcError> {
        match self.inner.role().await? {
            Role::Owner(machine) => machine.stop().await,
            Role::Guest(client) => Ok(client.stop().await?),
            Role::Undecided => Err(AppError::Busy { doing: "changing hands" }.into()),
        }
    }

    /// `machine.reset`: answers when the machine is off and its data disk gone, with all images,
    /// containers and volumes; the next start makes a new one. Settings stay.
    pub async fn machine_reset(&self, (): ()) -> Result<(), IpcError> {
        match self.inner.role().await? {
            Role::Owner(machine) => machine.reset().await,
            Role::Guest(client) => Ok(client.reset().await?),
            Role::Undecided => Err(AppError::Busy { doing: "changing hands" }.into()),
        }
    }
}

impl Inner {
    /// Sends an event; nobody may be listening.
    pub(crate) fn emit(&self, event: AppEvent) {
        drop(self.events.send(event));
    }

    /// Does `work` until it is done or the app is shut down.
    pub(crate) fn spawn(&self, work: impl Future<Output = ()> + Send + 'static) {
        let cancel = self.cancel.clone();
        self.tasks.spawn(async move { cancel.run_until_cancelled(work).await });
    }

    /// A client of Docker's API at the proxy's socket, as everybody else is.
    pub(crate) fn docker(&self) -> Result<Docker, AppError> {
        if self.status.borrow().state != MachineState::Running {
            return Err(AppError::NotRunning);
        }
        docker_at(&self.directories)
    }

    /// Tells an engine that is being started how registries are reached: it may have been told
    /// what the file said before.
    fn tell_registries_after_start(&self, settings: RegistrySettings) {
        let mut status = self.status.subscribe();
        if status.borrow().state != MachineState::Starting {
            return;
        }
        let (directories, tasks) = (self.directories.clone(), self.tasks.clone());
        let told = async move {
            let started = status.wait_for(|status| status.state != MachineState::Starting).await;
            if started.is_ok_and(|status| status.state == MachineState::Running)
                && let Err(error) = registries::tell(&directories, &tasks, settings).await
            {
                let error = naru_error::chain(&error);
                tracing::error!(error, "the engine does not have the settings for registries");
            }
        };
        self.spawn(told);
    }

    /// Tells a running engine how registries are reached.
    async fn tell_registries(&self, settings: RegistrySettings) -> Result<(), AppError> {
        if self.status.borrow().state != MachineState::Running {
            return Ok(());
        }
        registries::tell(&self.directories, &self.tasks, settings).await
    }

    /// The role as soon as it is known.
    async fn role(&self) -> Result<Role, AppError> {
        let mut role = self.role.clone();
        let decided = role.wait_for(|role| !matches!(role, Role::Undecided)).await;
        Ok(decided.map_or(Role::Undecided, |role| role.clone()))
    }
}

/// A client of the Docker API that is served for `directories`.
pub(crate) fn docker_at(directories: &Directories) -> Result<Docker, AppError> {
    let address = directories.docker_socket();
    let path = address.path().to_string_lossy().into_owned();
    match Docker::connect_with_local(&path, DOCKER_TIMEOUT_SECONDS, &DOCKER_API) {
        Err(bollard::errors::Error::SocketNotFoundError(_)) => Err(AppError::NotRunning),
        made => Ok(made?),
    }
}
