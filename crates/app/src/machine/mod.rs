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
//! the start ends the start. A reset is a stop after which the data disk is thrown away.

mod boot;
mod engine;
mod plan;
mod requests;
mod steps;

use std::mem;
use std::sync::Arc;

use naru_ipc::{IpcError, MachineState, MachineStatus};
use naru_machine::disk::remove_data_disk;
use naru_machine::{Carrier, Machine as Vm};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::spawn_blocking;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::guest::Guest;
use crate::settings::SettingsFile;
use crate::{AppError, Directories, console, context, ports};
pub(crate) use boot::GUEST_DEADLINE;
pub(crate) use engine::EngineState;
use requests::{Answer, Asked, Request, reply, reply_all};
use steps::Steps;

/// How much of the guest's console goes with a failure.
const CONSOLE_LINES: usize = 40;
/// Requests that may wait; more wait at their sender.
const REQUEST_BACKLOG: usize = 16;

/// The way to the driver. Clones lead to the same machine.
#[derive(Clone, Debug)]
pub(crate) struct Machine {
    requests: mpsc::Sender<Request>,
    status: watch::Receiver<MachineStatus>,
    engine: watch::Receiver<EngineState>,
}

/// The status of a machine that has not been started.
pub(crate) fn off() -> MachineStatus {
    MachineStatus {
        state: MachineState::Stopped,
        steps: Vec::new(),
        accelerator: None,
        advice: Vec::new(),
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
        let (engine, engine_receiver) = watch::channel(EngineState::Off);
        let machine = Self { requests, status: status.subscribe(), engine: engine_receiver };
        status.send_replace(off());
        let driver = Driver { directories, settings, status, engine, inbox, tasks: tasks.clone() };
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

    /// Stops the machine, throws its data disk away, and waits until that is done. The next start
    /// makes a new disk.
    pub(crate) async fn reset(&self) -> Result<(), IpcError> {
        self.ask(Request::Reset).await
    }

    /// The status as it changes.
    pub(crate) fn status(&self) -> watch::Receiver<MachineStatus> {
        self.status.clone()
    }

    /// The engine as it comes and goes.
    pub(crate) fn engine(&self) -> watch::Receiver<EngineState> {
        self.engine.clone()
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
    engine: watch::Sender<EngineState>,
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
                Request::Reset(answer) => {
                    self.settle(Asked { reset: vec![answer], ..Asked::default() }).await;
                }
            }
        }
    }

    /// Off → running → off again.
    async fn start(&mut self, answer: Answer) {
        let launch = self.settings.load();
        let launch = launch.and_then(|settings| plan::launch(&self.directories, &settings));
        let launch = match launch {
            Ok(launch) => launch,
            Err(error) => {
                let error = IpcError::from(error);
                self.fail(off(), error.clone(), Vec::new());
                return reply(answer, Err(error));
            }
        };
        let vm = Vm::new();
        let carrier = match launch.plan.carrier {
            Carrier::VirtioSerial { .. } => "virtio-serial",
            Carrier::Vsock { .. } | Carrier::VhostUserVsock { .. } => "vsock",
        };
        // From now on `docker` finds the socket, and waits there.
        self.register_context();
        self.engine.send_replace(EngineState::Starting);
        let mut steps = Steps::begin(self.status.clone(), carrier, vm.events());
        let mut asked = Asked { start: vec![answer], ..Asked::default() };
        let booted = tokio::select! {
            booted = boot::boot(&vm, &launch, &self.settings, &self.tasks) => Some(booted),
            () = steps.follow() => None,
            () = asked.until_stop(&mut self.inbox) => None,
        };
        steps.catch_up();
        match booted {
            Some(Ok(guest)) => return self.serve(vm, guest, asked).await,
            Some(Err(error)) => {
                let console_tail = console_tail(&error, &self.directories).await;
                let error = IpcError::from(error.in_the_guests_words());
                vm.shutdown(None).await;
                let status = self.status.borrow().clone();
                self.fail(status, error.clone(), console_tail);
                reply_all(asked.start, &Err(error));
            }
            None => {
                self.engine.send_replace(EngineState::Off);
                self.status.send_modify(|status| status.state = MachineState::Stopping);
                vm.shutdown(None).await;
                self.settle(asked).await;
            }
        }
    }

    fn register_context(&self) {
        let socket = self.directories.docker_socket();
        if let Err(error) = context::register(&self.directories.docker_config, &socket) {
            // `docker` can still be told the socket by hand.
            tracing::warn!(error = %naru_error::chain(&error), "no docker context");
        }
    }

    fn fail(&self, status: MachineStatus, error: IpcError, console_tail: Vec<String>) {
        tracing::error!(%error, "machine failed");
        self.engine.send_replace(EngineState::Failed(error.clone()));
        self.status.send_replace(MachineStatus {
            state: MachineState::Failed,
            error: Some(error),
            console_tail,
            ..status
        });
    }

    /// While the machine runs.
    async fn serve(&mut self, vm: Vm, guest: Guest, mut asked: Asked) {
        let session = CancellationToken::new();
        let _ends_with_the_machine = session.clone().drop_guard();
        self.tasks.spawn(ports::serve(guest.clone(), self.tasks.clone(), session.clone()));
        self.engine.send_replace(EngineState::Ready(guest.clone()));
        self.status.send_modify(|status| status.state = MachineState::Running);
        tracing::info!("machine runs");
        let mut running = true;
        while running {
            // Not before the status says so: who asked may look at it.
            reply_all(mem::take(&mut asked.start), &Ok(()));
            tokio::select! {
                () = boot::not_running(&vm) => break,
                () = asked.one(&mut self.inbox) => running = !asked.ends(),
            }
        }
        self.engine.send_replace(EngineState::Off);
        if running {
            return self.explain_death(vm).await;
        }
        self.status.send_modify(|status| status.state = MachineState::Stopping);
        let power_off = async move { guest.power_off().await.is_ok() };
        vm.shutdown(Some(Box::pin(power_off))).await;
        self.settle(asked).await;
        tracing::info!("machine is off");
    }

    /// Nothing runs any more: throws the disk away if that was asked for, and answers everybody.
    async fn settle(&self, asked: Asked) {
        let thrown_away = if asked.reset.is_empty() {
            Ok(())
        } else {
            self.throw_disk_away().await.map_err(IpcError::from)
        };
        // Not before that: the process that owns the machine may end with it.
        self.status.send_replace(off());
        reply_all(asked.start, &Err(AppError::StartCancelled.into()));
        reply_all(asked.stop, &Ok(()));
        reply_all(asked.reset, &thrown_away);
    }

    async fn throw_disk_away(&self) -> Result<(), AppError> {
        let disk = self.directories.data_disk();
        // A large file takes its time.
        let removed = spawn_blocking(move || remove_data_disk(&disk)).await;
        match removed {
            Ok(removed) => removed.map_err(|error| AppError::Machine(Arc::new(error))),
            Err(panicked) => {
                Err(AppError::System { action: "remove the data disk", source: panicked.into() })
            }
        }
    }

    /// The machine has ended by itself.
    async fn explain_death(&self, vm: Vm) {
        let error = match &*vm.state().borrow() {
            naru_machine::MachineState::Failed { error } => AppError::from(Arc::clone(error)),
            _ => AppError::PoweredOff,
        };
        let console_tail = console_tail(&error, &self.directories).await;
        let status = self.status.borrow().clone();
        self.fail(status, error.into(), console_tail);
        vm.shutdown(None).await;
    }
}

/// The end of the guest's console, as far as the error does not know it itself.
async fn console_tail(error: &AppError, directories: &Directories) -> Vec<String> {
    let text = match error.exit_report() {
        Some(report) => report.serial_tail.clone(),
        None => console::tail(directories).await,
    };
    let lines: Vec<_> = text.lines().map(|line| line.trim_end().to_owned()).collect();
    lines[lines.len().saturating_sub(CONSOLE_LINES)..].to_vec()
}
