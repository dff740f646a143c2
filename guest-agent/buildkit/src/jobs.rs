//! The builds that are under way, by the names that clients gave them.
//!
//! A client speaks of one build in several calls at once, and they come in any order: `Solve`
//! begins it and lasts as long as it does, `Status` follows it, and the gateway's calls are what a
//! `Solve` without a frontend waits for. So who looks for a build that is not there waits a
//! moment for it. What a build was like afterwards is kept by [`history`](crate::history).

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::timeout;
use tonic::Status;

use crate::builder::BuildContext;
use crate::history::{Finished, History};
use crate::progress::Progress;
use crate::wire::google::{self, Timestamp};
use crate::wire::history::BuildHistoryRecord;

/// How long a call waits for the build that it speaks of.
const ARRIVAL: Duration = Duration::from_secs(6);

/// What the client says a gateway build came to: one of its solutions, or none.
pub(crate) type Returned = Result<Option<String>, Status>;

/// All builds. `S` is what the builder makes of a target.
#[derive(Debug)]
pub(crate) struct Jobs<S> {
    active: Mutex<HashMap<String, Arc<Job<S>>>>,
    /// Told whenever a build begins.
    arrivals: watch::Sender<()>,
    pub(crate) history: History,
}

/// A build that is under way.
#[derive(Debug)]
pub(crate) struct Job<S> {
    pub(crate) context: BuildContext,
    record: BuildHistoryRecord,
    is_internal: bool,
    solutions: Mutex<Vec<Arc<S>>>,
    returned: watch::Sender<Option<Returned>>,
}

/// Keeps a build among the active ones until it is finished, or given up.
#[derive(Debug)]
pub(crate) struct Running<S> {
    jobs: Arc<Jobs<S>>,
    pub(crate) job: Arc<Job<S>>,
    result: Option<Result<BTreeMap<String, String>, Status>>,
}

impl<S> Default for Jobs<S> {
    fn default() -> Self {
        let arrivals = watch::Sender::default();
        Self { active: Mutex::default(), arrivals, history: History::default() }
    }
}

impl<S> Jobs<S> {
    /// Begins a build. Two of one name cannot be under way.
    pub(crate) fn start(
        self: &Arc<Self>,
        context: BuildContext,
        mut record: BuildHistoryRecord,
        is_internal: bool,
    ) -> Result<Running<S>, Status> {
        let reference = context.reference.clone();
        record.r#ref.clone_from(&reference);
        record.created_at = Some(Timestamp::now());
        record.generation = 1;
        let job = Arc::new(Job {
            context,
            record,
            is_internal,
            solutions: Mutex::default(),
            returned: watch::Sender::default(),
        });
        {
            let mut active = locked(&self.active);
            if active.contains_key(&reference) {
                return Err(Status::already_exists(format!("job ID {reference} exists")));
            }
            active.insert(reference, Arc::clone(&job));
        }
        self.arrivals.send_replace(());
        if !is_internal {
            self.history.started(job.record());
        }
        Ok(Running { jobs: Arc::clone(self), job, result: None })
    }

    /// The active build of this name. One that has ended is not waited for.
    pub(crate) async fn find(&self, reference: &str) -> Result<Arc<Job<S>>, Status> {
        let find = || match self.get(reference) {
            Some(job) => Some(Ok(job)),
            None => self.history.progress(reference).map(|_| Err(unknown(reference))),
        };
        self.await_one(reference, find).await?
    }

    /// The progress of the build of this name, active or not.
    pub(crate) async fn progress(&self, reference: &str) -> Result<Progress, Status> {
        let active = || self.get(reference).map(|job| job.context.progress.clone());
        self.await_one(reference, || active().or_else(|| self.history.progress(reference))).await
    }

    /// A solution of any active build.
    pub(crate) fn solution(&self, id: &str) -> Option<Arc<S>> {
        let (reference, number) = id.rsplit_once('/')?;
        self.get(reference)?.solution(number.parse().ok()?)
    }

    /// The records of the active builds that history may show.
    pub(crate) fn records(&self) -> Vec<BuildHistoryRecord> {
        let active = locked(&self.active);
        active.values().filter(|job| !job.is_internal).map(|job| job.record()).collect()
    }

    async fn await_one<T>(
        &self,
        reference: &str,
        find: impl Fn() -> Option<T>,
    ) -> Result<T, Status> {
        let mut arrivals = self.arrivals.subscribe();
        let arrival = async {
            loop {
                if let Some(found) = find() {
                    return Some(found);
                }
                arrivals.changed().await.ok()?;
            }
        };
        timeout(ARRIVAL, arrival).await.ok().flatten().ok_or_else(|| unknown(reference))
    }

    fn get(&self, reference: &str) -> Option<Arc<Job<S>>> {
        locked(&self.active).get(reference).map(Arc::clone)
    }
}

impl<S> Job<S> {
    /// Keeps a solution for as long as the build lasts, and gives its id.
    pub(crate) fn keep(&self, solution: S) -> String {
        let mut solutions = locked(&self.solutions);
        solutions.push(Arc::new(solution));
        format!("{}/{}", self.context.reference, solutions.len() - 1)
    }

    /// One of this build's own solutions.
    pub(crate) fn own_solution(&self, id: &str) -> Option<Arc<S>> {
        let (reference, number) = id.rsplit_once('/')?;
        (reference == self.context.reference).then(|| self.solution(number.parse().ok()?))?
    }

    fn solution(&self, number: usize) -> Option<Arc<S>> {
        locked(&self.solutions).get(number).map(Arc::clone)
    }

    /// Takes what the client says the build came to, the first time it says so.
    pub(crate) fn set_returned(&self, returned: Returned) -> bool {
        self.returned.send_if_modified(|slot| {
            let is_first = slot.is_none();
            if is_first {
                *slot = Some(returned);
            }
            is_first
        })
    }

    /// What the client says the build came to.
    pub(crate) async fn returned(&self) -> Returned {
        let mut returned = self.returned.subscribe();
        match returned.wait_for(Option::is_some).await.map(|slot| slot.clone()) {
            Ok(Some(returned)) => returned,
            // The sender is this job's own.
            Ok(None) | Err(_) => Err(Status::cancelled("the build was given up")),
        }
    }

    fn record(&self) -> BuildHistoryRecord {
        let steps = self.context.progress.steps();
        BuildHistoryRecord {
            num_cached_steps: steps.cached,
            num_total_steps: steps.total,
            num_completed_steps: steps.completed,
            num_warnings: steps.warnings,
            ..self.record.clone()
        }
    }
}

impl<S> Running<S> {
    /// The build has ended: with what its client learns, or with a failure.
    pub(crate) fn finish(mut self, result: Result<BTreeMap<String, String>, Status>) {
        self.result = Some(result);
    }
}

impl<S> Drop for Running<S> {
    fn drop(&mut self) {
        let lost = || Err(Status::unknown("the build ended unexpectedly"));
        let mut record = self.job.record();
        record.completed_at = Some(Timestamp::now());
        match self.result.take().unwrap_or_else(lost) {
            Ok(response) => record.exporter_response = response,
            Err(status) => {
                record.error = Some(google::Status {
                    code: status.code().into(),
                    message: status.message().to_owned(),
                    details: Vec::new(),
                });
            }
        }
        let progress = self.job.context.progress.clone();
        progress.end();
        // Into history first: at every moment a `Status` finds the build in one of the two.
        self.jobs.history.finished(Finished {
            record,
            progress,
            is_internal: self.job.is_internal,
        });
        locked(&self.jobs.active).remove(&self.job.context.reference);
    }
}

fn unknown(reference: &str) -> Status {
    Status::not_found(format!("no such job {reference}"))
}

/// What is guarded is whole at every moment, whoever panicked while holding it.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
