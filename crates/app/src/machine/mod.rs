//! The machine's life in the process that owns it.
//!
//! ```text
//!          start                engine answers
//! Stopped ───────► Starting ───────────────────► Running
//!    ▲                │  │ stop                    │  │ stop
//!    │                │  └───────► Stopping ◄──────┘  │
//!    │                │ a step failed   │             │ the machine died
//!    │                ▼                 │             ▼
//!    └──── stop ─── Failed ◄────────────┼──────────── +
//!    └──────────────────────────────────┘    Failed ── start ─► Starting
//! ```
//!
//! One task (the driver) has the machine; everybody else sends it requests and watches
//! the status. A request for what is the case already is answered at once; a stop during
//! the start ends the start.

mod boot;
mod steps;

use std::time::Duration;

use naru_ipc::{IpcError, MachineState, MachineStatus};
use tokio::sync::{mpsc, oneshot, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::guest::Guest;
use crate::settings::SettingsFile;
use crate::{AppError, Directories, ports};
use boot::Booted;
use steps::Steps;

/// How long containers have to end, and the guest to unmount, before QEMU is killed.
const STOP_DEADLINE: Duration = Duration::from_secs(30);
/// Requests that may wait; more wait at their sender.
const REQUEST_BACKLOG: usize = 16;

type Answer = oneshot::Sender<Result<(), IpcError>>;

enum Request {
    Start(Answer),
    Stop(Answer),
}

/// The way to the driver. Clones lead to the same machine.
#[derive(Clone, Debug)]
pub(crate) struct Machine {
    requests: mpsc::Sender<Request>,
    status: watch::Receiver<MachineStatus>,
    guest: watch::Receiver<Option<Guest>>,
}

/// The status of a machine that has not been started.
pub(crate) fn off() -> MachineStatus {
    MachineStatus {
        state: MachineState::Stopped,
        steps: Vec::new(),
        accelerator: None,
        carrier: None,
        error: None,
        console_tail: Vec::new(),
    }
}

impl Machine {
    /// Starts the driver of a machine that is off. It ends with `cancel`, and the
    /// machine, if it then still runs, with it.
    pub(crate) fn spawn(
        directories: Directories,
        settings: SettingsFile,
        status: watch::Sender<MachineStatus>,
        tasks: &TaskTracker,
        cancel: &CancellationToken,
    ) -> Self {
        let (requests, inbox) = mpsc::channel(REQUEST_BACKLOG);
        let (guest, guest_receiver) = watch::channel(None);
        let machine = Self { requests, status: status.subscribe(), guest: guest_receiver };
        status.send_replace(off());
        let driver = Driver { directories, settings, status, guest, inbox, tasks: tasks.clone() };
        let cancel = cancel.clone();
        tasks.spawn(async move { cancel.run_until_cancelled(driver.run()).await });
        machine
    }

    /// Starts the machine and waits until the engine answers.
    pub(crate) async fn start(&self) -> Result<(), IpcError> {
        self.ask(Request::Start).await
    }

    /// Stops the machine and waits until it is off.
    pub(crate) async fn stop(&self) -> Result<(), IpcError> {
        self.ask(Request::Stop).await
    }

    /// The status as it changes.
    pub(crate) fn status(&self) -> watch::Receiver<MachineStatus> {
        self.status.clone()
    }

    /// The way to the engine while the machine runs.
    pub(crate) fn guest(&self) -> watch::Receiver<Option<Guest>> {
        self.guest.clone()
    }

    async fn ask(&self, request: fn(Answer) -> Request) -> Result<(), IpcError> {
        let (answer, answered) = oneshot::channel();
        // Both fail when the driver has ended.
        if self.requests.send(request(answer)).await.is_ok()
            && let Ok(result) = answered.await
        {
            return result;
        }
        Err(AppError::OwnerEnded.into())
    }
}

/// Has the machine.
struct Driver {
    directories: Directories,
    settings: SettingsFile,
    status: watch::Sender<MachineStatus>,
    guest: watch::Sender<Option<Guest>>,
    inbox: mpsc::Receiver<Request>,
    tasks: TaskTracker,
}

impl Driver {
    /// Takes requests while the machine is off.
    async fn run(mut self) {
        while let Some(request) = self.inbox.recv().await {
            match request {
                Request::Start(answer) => self.start(answer).await,
                Request::Stop(answer) => {
                    // What was wrong has been seen.
                    self.status.send_replace(off());
                    reply(answer, Ok(()));
                }
            }
        }
    }

    /// Off → running → off again.
    async fn start(&mut self, answer: Answer) {
        let steps = Steps::begin(self.status.clone());
        let mut waiting = vec![answer];
        let mut stopping = Vec::new();
        let booted = {
            let boot = boot::boot(&self.directories, &self.settings, &steps, &self.tasks);
            tokio::pin!(boot);
            loop {
                tokio::select! {
                    booted = &mut boot => break Some(booted),
                    request = self.inbox.recv() => match request {
                        Some(Request::Start(answer)) => waiting.push(answer),
                        Some(Request::Stop(answer)) => {
                            stopping.push(answer);
                            break None;
                        }
                        None => break None,
                    },
                }
            }
        };
        let result = match booted {
            Some(Ok(booted)) => {
                reply_all(waiting, &Ok(()));
                return self.serve(booted).await;
            }
            Some(Err(failure)) => {
                tracing::error!(error = %failure.error, "machine not started");
                let error = failure.error.clone();
                steps.fail(failure);
                Err(error)
            }
            None => {
                self.status.send_replace(off());
                Err(AppError::StartCancelled.into())
            }
        };
        reply_all(waiting, &result);
        reply_all(stopping, &Ok(()));
    }

    /// While the machine runs.
    async fn serve(&mut self, mut booted: Booted) {
        let session = CancellationToken::new();
        let _ends_with_the_machine = session.clone().drop_guard();
        let ports = ports::serve(booted.guest.clone(), self.tasks.clone(), session.clone());
        self.tasks.spawn(ports);
        self.guest.send_replace(Some(booted.guest.clone()));
        self.status.send_modify(|status| status.state = MachineState::Running);
        tracing::info!("machine runs");
        let stop = loop {
            tokio::select! {
                died = booted.died() => break Err(died),
                request = self.inbox.recv() => match request {
                    Some(Request::Start(answer)) => reply(answer, Ok(())),
                    Some(Request::Stop(answer)) => break Ok(Some(answer)),
                    None => break Ok(None),
                },
            }
        };
        match stop {
            Err(failure) => {
                tracing::error!(error = %failure.error, "machine died");
                self.guest.send_replace(None);
                self.status.send_modify(|status| {
                    status.state = MachineState::Failed;
                    status.error = Some(failure.error);
                    status.console_tail = failure.console_tail;
                });
            }
            Ok(answer) => {
                self.status.send_modify(|status| status.state = MachineState::Stopping);
                self.guest.send_replace(None);
                let mut waiting: Vec<_> = answer.into_iter().collect();
                self.stop(booted, &mut waiting).await;
                self.status.send_replace(off());
                tracing::info!("machine is off");
                reply_all(waiting, &Ok(()));
            }
        }
    }

    /// Stops the machine; more who ask for it join `waiting`.
    async fn stop(&mut self, booted: Booted, waiting: &mut Vec<Answer>) {
        let stop = booted.stop(STOP_DEADLINE);
        tokio::pin!(stop);
        let mut open = true;
        loop {
            tokio::select! {
                () = &mut stop => return,
                request = self.inbox.recv(), if open => match request {
                    Some(Request::Stop(answer)) => waiting.push(answer),
                    Some(Request::Start(answer)) => {
                        reply(answer, Err(AppError::Busy { doing: "stopping" }.into()));
                    }
                    None => open = false,
                },
            }
        }
    }
}

/// Why the machine does not run.
#[derive(Clone, Debug)]
pub(crate) struct Failure {
    pub(crate) error: IpcError,
    /// The end of the guest's console.
    pub(crate) console_tail: Vec<String>,
}

impl From<AppError> for Failure {
    fn from(error: AppError) -> Self {
        Self { error: error.into(), console_tail: Vec::new() }
    }
}

/// Whoever asked may have gone.
fn reply(answer: Answer, result: Result<(), IpcError>) {
    drop(answer.send(result));
}

fn reply_all(answers: Vec<Answer>, result: &Result<(), IpcError>) {
    for answer in answers {
        reply(answer, result.clone());
    }
}
