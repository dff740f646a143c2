//! The start-up as a list of named requirements, each reported with its duration.

use std::fmt::Display;
use std::future::Future;
use std::time::{Duration, Instant};

use tokio::sync::broadcast;

use crate::life::MachineEvent;

/// One requirement of a running machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Step {
    /// A short name, the same in every version: `qemu`, `disk`, `boot`.
    pub name: &'static str,
    /// What is being done, in a few words.
    pub description: &'static str,
    /// Where to look when it fails or takes long.
    pub hint: &'static str,
}

/// How far a step is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StepProgress {
    /// It has begun.
    Started,
    /// It is done.
    Finished {
        /// How long it took.
        took: Duration,
    },
    /// It failed, and the start with it.
    Failed {
        /// After how long.
        took: Duration,
        /// The error in one sentence.
        message: String,
    },
}

/// A step and its progress.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StepEvent {
    /// Which step.
    pub step: Step,
    /// How far it is.
    pub progress: StepProgress,
}

/// Runs steps and reports them. The app runs its own through the machine's recorder,
/// so that a start is one list.
#[derive(Clone, Debug)]
pub struct StepRecorder {
    events: broadcast::Sender<MachineEvent>,
}

impl StepRecorder {
    /// Makes a recorder that reports to `events`.
    pub fn new(events: broadcast::Sender<MachineEvent>) -> Self {
        Self { events }
    }

    /// Runs one step. Dropping the future leaves the step without an end, which is
    /// what a start that was given up looks like.
    pub async fn run<T, E: Display>(
        &self,
        step: Step,
        work: impl Future<Output = Result<T, E>>,
    ) -> Result<T, E> {
        let started = Instant::now();
        self.report(step, StepProgress::Started);
        let result = work.await;
        let took = started.elapsed();
        match &result {
            Ok(_) => {
                tracing::info!(step = step.name, took_ms = took.as_millis(), "step finished");
                self.report(step, StepProgress::Finished { took });
            }
            Err(error) => {
                tracing::info!(step = step.name, took_ms = took.as_millis(), %error, "step failed");
                let message = error.to_string();
                self.report(step, StepProgress::Failed { took, message });
            }
        }
        result
    }

    fn report(&self, step: Step, progress: StepProgress) {
        // Nobody listening is fine.
        drop(self.events.send(MachineEvent::Step(StepEvent { step, progress })));
    }
}
