//! The start-up's steps as they go by, written into the status.

use naru_ipc::{MachineState, MachineStatus, StartStep, StepState};
use naru_machine::{MachineEvent, StepProgress};
use tokio::sync::{broadcast, watch};

use super::off;
use crate::error::hint_of;

/// All steps in the order in which they happen; the first four are the machine's own.
const NAMES: [&str; 7] = ["qemu", "image", "disk", "boot", "channel", "handshake", "engine"];

/// Writes the steps of one start.
#[derive(Debug)]
pub(super) struct Steps {
    status: watch::Sender<MachineStatus>,
    events: broadcast::Receiver<MachineEvent>,
}

impl Steps {
    /// All steps pending, the machine starting.
    pub(super) fn begin(
        status: watch::Sender<MachineStatus>,
        carrier: &str,
        events: broadcast::Receiver<MachineEvent>,
    ) -> Self {
        status.send_replace(MachineStatus {
            state: MachineState::Starting,
            steps: pending(),
            carrier: Some(carrier.to_owned()),
            ..off()
        });
        Self { status, events }
    }

    /// Writes steps until it is dropped; there are more for as long as the machine lives.
    /// Cancel safe.
    pub(super) async fn follow(&mut self) {
        loop {
            match self.events.recv().await {
                Ok(event) => self.apply(event),
                // The next events say how far it is now.
                Err(broadcast::error::RecvError::Lagged(_)) => {}
                Err(broadcast::error::RecvError::Closed) => return std::future::pending().await,
            }
        }
    }

    /// Writes what has happened already and was not read yet.
    pub(super) fn catch_up(&mut self) {
        while let Ok(event) = self.events.try_recv() {
            self.apply(event);
        }
    }

    fn apply(&self, event: MachineEvent) {
        match event {
            MachineEvent::Step(event) => {
                let (state, took) = match event.progress {
                    StepProgress::Started => (StepState::Running, None),
                    StepProgress::Finished { took } => (StepState::Done, Some(took)),
                    StepProgress::Failed { took, .. } => (StepState::Failed, Some(took)),
                };
                let duration_ms = took.map_or(0, |took| took.as_millis());
                self.status.send_modify(|status| {
                    let mut steps = status.steps.iter_mut();
                    if let Some(step) = steps.find(|step| step.name == event.step.name) {
                        step.state = state;
                        step.duration_ms = u64::try_from(duration_ms).unwrap_or(u64::MAX);
                    }
                });
            }
            MachineEvent::Accelerator(choice) => self.status.send_modify(|status| {
                status.accelerator = Some(choice.accelerator.as_str().to_owned());
                status.advice = choice.hint.map(hint_of).into_iter().collect();
            }),
            // The start begins again.
            MachineEvent::AcceleratorFailed { .. } | MachineEvent::BootsAgain { .. } => {
                self.status.send_modify(|status| status.steps = pending());
            }
            MachineEvent::Stopped { .. } | MachineEvent::Failed { .. } => {}
        }
    }
}

fn pending() -> Vec<StartStep> {
    let step =
        |name: &str| StartStep { name: name.to_owned(), state: StepState::Pending, duration_ms: 0 };
    NAMES.into_iter().map(step).collect()
}
