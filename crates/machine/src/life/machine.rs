//! The handle by which the app has a machine.

use std::future::pending;
use std::sync::Arc;

use futures::future::BoxFuture;
use tokio::sync::{broadcast, mpsc, oneshot, watch};
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::TaskTracker;

use super::boot::QemuHypervisor;
use super::driver::{Answer, Driver, Hypervisor, Message, Refusal};
use super::plan::Plan;
use super::report::ExitReport;
use crate::MachineError;
use crate::qemu::accelerator::AcceleratorChoice;
use crate::spec::Accelerator;
use crate::steps::{StepEvent, StepRecorder};

/// Asks the guest to power itself off; true if it agreed to. It is dropped when the
/// machine has ended or the deadline has passed.
pub type PowerOff = BoxFuture<'static, bool>;

/// Events kept for a slow listener.
const EVENTS: usize = 256;

/// What the machine is doing.
#[derive(Clone, Debug)]
pub enum MachineState {
    /// Nothing.
    Stopped,
    /// It is being started; the steps tell how far.
    Starting,
    /// QEMU runs and the guest boots or has booted.
    Running {
        /// QEMU's process.
        pid: Option<u32>,
        /// What executes the guest.
        accelerator: Accelerator,
    },
    /// It is being stopped.
    Stopping,
    /// It could not be started, or it ended by itself. It can be started again.
    Failed {
        /// Why.
        error: Arc<MachineError>,
    },
}

/// What has happened.
#[derive(Clone, Debug)]
pub enum MachineEvent {
    /// A step of the start began or ended.
    Step(StepEvent),
    /// The accelerator was chosen.
    Accelerator(AcceleratorChoice),
    /// The accelerator does not work here; the start begins again without it.
    AcceleratorFailed {
        /// Which.
        accelerator: Accelerator,
        /// What QEMU said.
        report: ExitReport,
    },
    /// The guest's kernel has crashed before the machine was ready; it boots once more.
    BootsAgain {
        /// What it said.
        report: ExitReport,
    },
    /// The machine was stopped as asked.
    Stopped {
        /// How QEMU ended; none if it had not been started yet.
        report: Option<ExitReport>,
    },
    /// The machine could not be started or ended by itself.
    Failed {
        /// Why.
        error: Arc<MachineError>,
    },
}

/// A virtual machine that can be started and stopped again and again.
#[derive(Debug)]
pub struct Machine {
    messages: mpsc::Sender<Message>,
    state: watch::Receiver<MachineState>,
    events: broadcast::Sender<MachineEvent>,
    tasks: TaskTracker,
    _stop_on_drop: DropGuard,
}

impl Machine {
    /// Makes a machine that is stopped, and its task. Needs a tokio runtime.
    pub fn new() -> Self {
        let (events, _) = broadcast::channel(EVENTS);
        let tasks = TaskTracker::new();
        let hypervisor = QemuHypervisor {
            steps: StepRecorder::new(events.clone()),
            events: events.clone(),
            tasks: tasks.clone(),
        };
        Self::with(Arc::new(hypervisor), events, tasks)
    }

    pub(super) fn with(
        hypervisor: Arc<dyn Hypervisor>,
        events: broadcast::Sender<MachineEvent>,
        tasks: TaskTracker,
    ) -> Self {
        let (messages, inbox) = mpsc::channel(16);
        let (published, state) = watch::channel(MachineState::Stopped);
        let stop = CancellationToken::new();
        let driver = Driver::new(hypervisor, inbox, published, events.clone());
        let stopped = stop.clone().cancelled_owned();
        tasks.spawn(async move {
            tokio::select! {
                () = driver.run() => {}
                // Whatever runs is dropped, and with it killed.
                () = stopped => {}
            }
        });
        Self { messages, state, events, tasks, _stop_on_drop: stop.drop_guard() }
    }

    /// Starts the machine. Answers before it runs; wait with [`Machine::running`].
    pub async fn start(&self, plan: Plan) -> Answer {
        self.ask(|reply| Message::Start { plan: Arc::new(plan), reply }).await
    }

    /// Stops the machine: `power_off` asks the guest, then the power button, then QEMU
    /// is told to quit, and at last it is killed, each with a deadline. Answers at once;
    /// wait with [`Machine::stopped`].
    pub async fn stop(&self, power_off: Option<PowerOff>) -> Answer {
        self.ask(|reply| Message::Stop { power_off, reply }).await
    }

    /// Says that the guest has answered: from now on, an accelerator that fails is the
    /// end of a running machine and no reason to start again with another.
    pub async fn confirm_ready(&self) {
        // A driver that is gone has nothing to confirm.
        drop(self.messages.send(Message::ConfirmReady).await);
    }

    /// The state now and from now on.
    pub fn state(&self) -> watch::Receiver<MachineState> {
        self.state.clone()
    }

    /// All that happens from now on.
    pub fn events(&self) -> broadcast::Receiver<MachineEvent> {
        self.events.subscribe()
    }

    /// For the app's own steps of the start.
    pub fn steps(&self) -> StepRecorder {
        StepRecorder::new(self.events.clone())
    }

    /// Waits for QEMU to run, or for the reason why it does not. A machine that is
    /// stopped meanwhile is [`MachineError::Cancelled`]. Cancel safe.
    pub async fn running(&self) -> Result<(), Arc<MachineError>> {
        let mut state = self.state();
        let settled = |state: &MachineState| !matches!(state, MachineState::Starting);
        match state.wait_for(settled).await.map(|state| state.clone()) {
            Ok(MachineState::Running { .. }) => Ok(()),
            Ok(MachineState::Failed { error }) => Err(error),
            _ => Err(Arc::new(MachineError::Cancelled)),
        }
    }

    /// Waits until nothing runs any more: stopped or failed. Cancel safe.
    pub async fn stopped(&self) {
        let mut state = self.state();
        let over = |state: &MachineState| {
            matches!(state, MachineState::Stopped | MachineState::Failed { .. })
        };
        // A driver that is gone has dropped its QEMU.
        drop(state.wait_for(over).await.map(drop));
    }

    /// Stops the machine and ends its task.
    pub async fn shutdown(self, power_off: Option<PowerOff>) {
        self.stop(power_off).await;
        self.stopped().await;
        let Self { messages, tasks, .. } = self;
        drop(messages);
        tasks.close();
        tasks.wait().await;
    }

    async fn ask(&self, message: impl FnOnce(oneshot::Sender<Answer>) -> Message) -> Answer {
        let (reply, answer) = oneshot::channel();
        if self.messages.send(message(reply)).await.is_err() {
            return Answer::Denied(Refusal::ShuttingDown);
        }
        answer.await.unwrap_or(Answer::Denied(Refusal::ShuttingDown))
    }
}

impl Default for Machine {
    fn default() -> Self {
        Self::new()
    }
}

/// A future that is never ready, where a phase has nothing to wait for.
pub(super) async fn never<T>() -> T {
    pending().await
}
