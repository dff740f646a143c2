//! The task that owns the machine.

use std::mem;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures::FutureExt;
use futures::future::BoxFuture;
use tokio::sync::{broadcast, mpsc, oneshot, watch};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::boot::may_fall_back;
use super::machine::{MachineEvent, MachineState, PowerOff, never};
use super::plan::Plan;
use super::report::ExitReport;
use crate::spec::Accelerator;
use crate::{MachineError, Qemu};

/// How long the guest may take to stop its containers and power off.
const AGENT_DEADLINE: Duration = Duration::from_secs(30);
/// How long it may take after the power button.
const BUTTON_DEADLINE: Duration = Duration::from_secs(10);
/// How long QEMU may take to quit.
const QUIT_DEADLINE: Duration = Duration::from_secs(5);

/// What the driver can be asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Request {
    /// Run the machine.
    Start,
    /// End it.
    Stop,
}

/// The answer to a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// It is being done.
    Accepted,
    /// It is so already, or on the way.
    Already,
    /// It cannot be done now.
    Denied(Refusal),
}

/// Why a request is denied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The machine is being stopped; start it when it is.
    Stopping,
    /// The app ends.
    ShuttingDown,
}

pub(super) enum Message {
    Start { plan: Arc<Plan>, reply: oneshot::Sender<Answer> },
    Stop { power_off: Option<PowerOff>, reply: oneshot::Sender<Answer> },
    ConfirmReady,
}

/// What starts machines.
#[async_trait]
pub(super) trait Hypervisor: Send + Sync {
    /// Takes a plan to a running guest. Cancelled by the token, it leaves nothing running.
    async fn boot(
        &self,
        plan: Arc<Plan>,
        cancel: CancellationToken,
    ) -> Result<Box<dyn Guest>, MachineError>;

    /// Sees to it that the next boot does without this guest's accelerator.
    fn remember_failure(&self, plan: &Plan, guest: &dyn Guest);
}

/// A started machine. Dropping it kills it.
#[async_trait]
pub(super) trait Guest: Send + Sync {
    fn pid(&self) -> Option<u32>;
    fn accelerator(&self) -> Accelerator;
    fn qemu(&self) -> &Qemu;
    /// Waits for its end. Cancel safe, and can be asked again.
    async fn ended(&mut self) -> ExitReport;
    /// The same, but `None` as soon as the accelerator has failed. Cancel safe.
    async fn ended_or_accelerator_failed(&mut self) -> Option<ExitReport>;
    async fn power_button(&mut self);
    async fn quit(&mut self);
    fn kill(&mut self);
}

type Boot = BoxFuture<'static, Result<Box<dyn Guest>, MachineError>>;

enum Phase {
    Stopped,
    Failed,
    Starting {
        plan: Arc<Plan>,
        boot: Boot,
        cancel: CancellationToken,
    },
    Running {
        plan: Arc<Plan>,
        guest: Box<dyn Guest>,
        ready: bool,
    },
    /// A boot that was given up and is winding down.
    Abandoning {
        boot: Boot,
        power_off: Option<PowerOff>,
    },
    Stopping {
        end: BoxFuture<'static, ExitReport>,
    },
}

/// What happened to the phase by itself.
enum Turn {
    Booted(Result<Box<dyn Guest>, MachineError>),
    AcceleratorFailed,
    Ended(ExitReport),
}

pub(super) struct Driver {
    hypervisor: Arc<dyn Hypervisor>,
    inbox: mpsc::Receiver<Message>,
    state: watch::Sender<MachineState>,
    events: broadcast::Sender<MachineEvent>,
    phase: Phase,
    /// Whether a crash of the guest's kernel is still borne in this start.
    bears_a_crash: bool,
}

impl Phase {
    /// Waits for the phase's own next turn. Cancel safe: what it waits for is kept in the
    /// phase or is cancel safe itself.
    async fn turn(&mut self) -> Turn {
        match self {
            Self::Stopped | Self::Failed => never().await,
            Self::Starting { boot, .. } | Self::Abandoning { boot, .. } => Turn::Booted(boot.await),
            // A running machine that has proved its accelerator is left to its end.
            Self::Running { guest, ready: true, .. } => Turn::Ended(guest.ended().await),
            Self::Running { guest, .. } => match guest.ended_or_accelerator_failed().await {
                Some(report) => Turn::Ended(report),
                None => Turn::AcceleratorFailed,
            },
            Self::Stopping { end } => Turn::Ended(end.await),
        }
    }

    fn answer(&self, request: Request) -> Answer {
        match (request, self) {
            (Request::Start, Self::Stopped | Self::Failed)
            | (Request::Stop, Self::Starting { .. } | Self::Running { .. }) => Answer::Accepted,
            (Request::Start, Self::Starting { .. } | Self::Running { .. }) | (Request::Stop, _) => {
                Answer::Already
            }
            (Request::Start, Self::Abandoning { .. } | Self::Stopping { .. }) => {
                Answer::Denied(Refusal::Stopping)
            }
        }
    }
}

impl Driver {
    pub(super) fn new(
        hypervisor: Arc<dyn Hypervisor>,
        inbox: mpsc::Receiver<Message>,
        state: watch::Sender<MachineState>,
        events: broadcast::Sender<MachineEvent>,
    ) -> Self {
        Self { hypervisor, inbox, state, events, phase: Phase::Stopped, bears_a_crash: false }
    }

    /// Runs until every handle is gone, then drops what still runs.
    pub(super) async fn run(mut self) {
        loop {
            tokio::select! {
                // What was said before the machine's turn is known when it comes.
                biased;
                message = self.inbox.recv() => match message {
                    Some(message) => self.handle(message),
                    None => return,
                },
                turn = self.phase.turn() => self.advance(turn).await,
            }
        }
    }

    fn handle(&mut self, message: Message) {
        match message {
            Message::Start { plan, reply } => {
                let answer = self.phase.answer(Request::Start);
                if answer == Answer::Accepted {
                    self.bears_a_crash = true;
                    self.begin(plan);
                }
                // The state is set before the answer, so that who waits sees it.
                let _unheard = reply.send(answer);
            }
            Message::Stop { power_off, reply } => {
                let answer = self.phase.answer(Request::Stop);
                if answer == Answer::Accepted {
                    self.end(power_off);
                }
                let _unheard = reply.send(answer);
            }
            Message::ConfirmReady => {
                if let Phase::Running { ready, .. } = &mut self.phase {
                    *ready = true;
                }
            }
        }
    }

    fn begin(&mut self, plan: Arc<Plan>) {
        let cancel = CancellationToken::new();
        let hypervisor = Arc::clone(&self.hypervisor);
        let (its_plan, its_cancel) = (Arc::clone(&plan), cancel.clone());
        let boot = async move { hypervisor.boot(its_plan, its_cancel).await }.boxed();
        self.enter(Phase::Starting { plan, boot, cancel }, MachineState::Starting);
    }

    fn end(&mut self, power_off: Option<PowerOff>) {
        let phase = match mem::replace(&mut self.phase, Phase::Stopped) {
            Phase::Starting { boot, cancel, .. } => {
                cancel.cancel();
                Phase::Abandoning { boot, power_off }
            }
            Phase::Running { guest, .. } => Phase::Stopping { end: stop(guest, power_off).boxed() },
            other => other,
        };
        self.enter(phase, MachineState::Stopping);
    }

    async fn advance(&mut self, turn: Turn) {
        let phase = mem::replace(&mut self.phase, Phase::Stopped);
        match (phase, turn) {
            (Phase::Starting { plan, .. }, Turn::Booted(Ok(guest))) => {
                let state =
                    MachineState::Running { pid: guest.pid(), accelerator: guest.accelerator() };
                self.enter(Phase::Running { plan, guest, ready: false }, state);
            }
            (Phase::Starting { .. }, Turn::Booted(Err(error))) => self.fail(error),
            (Phase::Running { plan, mut guest, ready: false }, Turn::AcceleratorFailed) => {
                guest.kill();
                let report = guest.ended().await;
                self.fall_back(plan, guest, report);
            }
            (Phase::Running { plan, guest, ready: false }, Turn::Ended(report))
                if report.accelerator_failed =>
            {
                self.fall_back(plan, guest, report);
            }
            (Phase::Running { plan, guest, ready: false }, Turn::Ended(report))
                if report.has_crashed_kernel() && self.bears_a_crash =>
            {
                self.boot_again(plan, guest, report);
            }
            (Phase::Running { .. }, Turn::Ended(report)) => self.ended(report),
            // It had come up in the moment of the stop.
            (Phase::Abandoning { power_off, .. }, Turn::Booted(Ok(guest))) => {
                self.phase = Phase::Stopping { end: stop(guest, power_off).boxed() };
            }
            (Phase::Abandoning { .. }, Turn::Booted(Err(_))) => self.stopped(None),
            (Phase::Stopping { .. }, Turn::Ended(report)) => self.stopped(Some(report)),
            (phase, _) => self.phase = phase,
        }
    }

    /// Starts again without the accelerator that has failed, where that may be.
    fn fall_back(&mut self, plan: Arc<Plan>, guest: Box<dyn Guest>, report: ExitReport) {
        let accelerator = guest.accelerator();
        if !may_fall_back(&plan, accelerator) {
            return self.ended(report);
        }
        tracing::warn!(%accelerator, said = report.stderr_tail, "the accelerator does not work here");
        self.hypervisor.remember_failure(&plan, &*guest);
        drop(self.events.send(MachineEvent::AcceleratorFailed { accelerator, report }));
        // The disk's lock goes with the guest, and the next boot takes it.
        drop(guest);
        self.begin(plan);
    }

    /// Translated, a guest's kernel crashes in its first seconds in one boot of many, for
    /// reasons that are not its own, and does not in the next.
    fn boot_again(&mut self, plan: Arc<Plan>, guest: Box<dyn Guest>, report: ExitReport) {
        tracing::warn!(said = report.serial_tail, "the guest's kernel crashed: booting once more");
        self.bears_a_crash = false;
        drop(self.events.send(MachineEvent::BootsAgain { report }));
        // The disk's lock goes with the guest, and the next boot takes it.
        drop(guest);
        self.begin(plan);
    }

    fn ended(&mut self, report: ExitReport) {
        tracing::error!(%report, "the machine ended by itself");
        self.fail(MachineError::Died { report });
    }

    fn fail(&mut self, error: MachineError) {
        let error = Arc::new(error);
        self.enter(Phase::Failed, MachineState::Failed { error: Arc::clone(&error) });
        drop(self.events.send(MachineEvent::Failed { error }));
    }

    fn stopped(&mut self, report: Option<ExitReport>) {
        self.enter(Phase::Stopped, MachineState::Stopped);
        drop(self.events.send(MachineEvent::Stopped { report }));
    }

    fn enter(&mut self, phase: Phase, state: MachineState) {
        self.phase = phase;
        self.state.send_replace(state);
    }
}

/// Ends a guest: kindly at first, and surely in the end.
async fn stop(mut guest: Box<dyn Guest>, power_off: Option<PowerOff>) -> ExitReport {
    if let Some(power_off) = power_off {
        // The guest may be gone before its answer is through.
        let asked = async {
            tokio::select! {
                agreed = power_off => if !agreed { return None },
                report = guest.ended() => return Some(report),
            }
            Some(guest.ended().await)
        };
        if let Ok(Some(report)) = timeout(AGENT_DEADLINE, asked).await {
            return report;
        }
    }
    guest.power_button().await;
    if let Ok(report) = timeout(BUTTON_DEADLINE, guest.ended()).await {
        return report;
    }
    tracing::warn!("the machine does not power off; telling QEMU to quit");
    guest.quit().await;
    if let Ok(report) = timeout(QUIT_DEADLINE, guest.ended()).await {
        return report;
    }
    tracing::warn!("QEMU does not quit; killing it");
    guest.kill();
    guest.ended().await
}
