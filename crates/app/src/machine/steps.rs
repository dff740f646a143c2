//! The start-up's steps as they go by, written into the status.

use std::time::Instant;

use naru_ipc::{MachineState, MachineStatus, StartStep, StepState};
use tokio::sync::watch;

use super::{Failure, off};

/// All steps in the order in which they happen.
const NAMES: [&str; 7] = ["qemu", "image", "disk", "boot", "channel", "handshake", "engine"];

/// Writes the steps of one start.
#[derive(Debug)]
pub(super) struct Steps {
    status: watch::Sender<MachineStatus>,
}

impl Steps {
    /// All steps pending, the machine starting.
    pub(super) fn begin(status: watch::Sender<MachineStatus>) -> Self {
        let pending = |name: &str| StartStep {
            name: name.to_owned(),
            state: StepState::Pending,
            duration_ms: 0,
        };
        status.send_replace(MachineStatus {
            state: MachineState::Starting,
            steps: NAMES.into_iter().map(pending).collect(),
            ..off()
        });
        Self { status }
    }

    /// Does `work` as the step `name`.
    pub(super) async fn run<T, E>(
        &self,
        name: &str,
        work: impl Future<Output = Result<T, E>>,
    ) -> Result<T, E> {
        let begun = Instant::now();
        self.set(name, StepState::Running, 0);
        let result = work.await;
        let duration_ms = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX);
        let state = if result.is_ok() { StepState::Done } else { StepState::Failed };
        tracing::info!(step = name, duration_ms, ok = result.is_ok(), "start-up step");
        self.set(name, state, duration_ms);
        result
    }

    /// What was chosen for this start.
    pub(super) fn choose(&self, accelerator: &str, carrier: &str) {
        self.status.send_modify(|status| {
            status.accelerator = Some(accelerator.to_owned());
            status.carrier = Some(carrier.to_owned());
        });
    }

    /// The start has failed.
    pub(super) fn fail(&self, failure: Failure) {
        self.status.send_modify(|status| {
            status.state = MachineState::Failed;
            status.error = Some(failure.error);
            status.console_tail = failure.console_tail;
        });
    }

    fn set(&self, name: &str, state: StepState, duration_ms: u64) {
        self.status.send_modify(|status| {
            if let Some(step) = status.steps.iter_mut().find(|step| step.name == name) {
                step.state = state;
                step.duration_ms = duration_ms;
            }
        });
    }
}
