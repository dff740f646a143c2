//! Which process has the machine.
//!
//! ```text
//!            lock taken                      lock held by another
//! Undecided ────────────► Owner   Undecided ─────────────────────► Guest
//!                                     ▲                              │ owner gone
//!                                     └──────────────────────────────┘
//! ```
//!
//! The owner holds a file lock, which the system releases when the process ends
//! however it ends, and serves both sockets. A guest watches the owner's status and
//! takes over the ownership (with the machine off) when the owner is gone.

use std::fs::{File, TryLockError};
use std::time::Duration;

use naru_ipc::MachineStatus;
use tokio::sync::watch;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::control::client::Client;
use crate::control::server;
use crate::local::Listener;
use crate::machine::{Machine, off};
use crate::settings::SettingsFile;
use crate::{AppError, Directories, private_file, proxy};

/// How long to wait before asking again for an owner that holds the lock but does not
/// serve: it is beginning or ending, and nothing tells which.
const RETRY: Duration = Duration::from_millis(200);

/// This process's part.
#[derive(Clone, Debug)]
pub(crate) enum Role {
    /// Not known at the moment.
    Undecided,
    /// The machine is ours.
    Owner(Machine),
    /// The machine is another process's.
    Guest(Client),
}

/// What it takes to become the owner.
#[derive(Clone, Debug)]
struct Candidate {
    directories: Directories,
    settings: SettingsFile,
    status: watch::Sender<MachineStatus>,
    tasks: TaskTracker,
    cancel: CancellationToken,
}

/// Becomes the owner if nobody is, else a guest, and keeps the answer up to date.
pub(crate) fn take(
    directories: &Directories,
    settings: &SettingsFile,
    status: &watch::Sender<MachineStatus>,
    tasks: &TaskTracker,
    cancel: &CancellationToken,
) -> Result<watch::Receiver<Role>, AppError> {
    let candidate = Candidate {
        directories: directories.clone(),
        settings: settings.clone(),
        status: status.clone(),
        tasks: tasks.clone(),
        cancel: cancel.clone(),
    };
    let role = candidate.try_own()?.map_or(Role::Undecided, Role::Owner);
    let is_owner = matches!(role, Role::Owner(_));
    let (sender, receiver) = watch::channel(role);
    if !is_owner {
        tasks.spawn(async move {
            let cancel = candidate.cancel.clone();
            cancel.run_until_cancelled(candidate.follow(sender)).await
        });
    }
    Ok(receiver)
}

impl Candidate {
    /// Takes the lock and serves the sockets; none when another process has it.
    fn try_own(&self) -> Result<Option<Machine>, AppError> {
        let path = self.directories.owner_lock();
        let lock = private_file::open_or_create(&path)?;
        match lock.try_lock() {
            Ok(()) => self.own(lock).map(Some),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(source)) => {
                Err(AppError::File { action: "lock", path, source })
            }
        }
    }

    fn own(&self, lock: File) -> Result<Machine, AppError> {
        let docker = Listener::bind(&self.directories.docker_socket())?;
        let control = Listener::bind(&self.directories.control_socket())?;
        let (tasks, cancel) = (&self.tasks, &self.cancel);
        let machine = Machine::spawn(
            self.directories.clone(),
            self.settings.clone(),
            self.status.clone(),
            tasks,
            cancel,
        );
        let proxy = proxy::serve(docker, machine.engine(), tasks.clone(), cancel.clone());
        let control = server::serve(control, machine.clone(), tasks.clone(), cancel.clone());
        tasks.spawn(async move {
            tokio::join!(proxy, control);
            // The sockets are gone, so the next owner may come.
            drop(lock);
        });
        Ok(machine)
    }

    /// Follows the owner, and becomes it when it has gone.
    async fn follow(self, role: watch::Sender<Role>) {
        loop {
            match self.try_own() {
                Ok(Some(machine)) => {
                    role.send_replace(Role::Owner(machine));
                    return;
                }
                Ok(None) => {}
                Err(error) => {
                    tracing::warn!(error = %naru_error::chain(&error), "ownership not taken");
                }
            }
            let client = Client::new(&self.directories);
            match client.watch().await {
                Ok(Some(mut watch)) => {
                    role.send_replace(Role::Guest(client));
                    while let Ok(Some(status)) = watch.next().await {
                        self.status.send_replace(status);
                    }
                    role.send_replace(Role::Undecided);
                    self.status.send_replace(off());
                }
                Ok(None) => {}
                Err(error) => {
                    tracing::debug!(error = %naru_error::chain(&error), "owner does not answer");
                }
            }
            sleep(RETRY).await;
        }
    }
}
