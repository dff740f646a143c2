//! Restart policies: whether and when a container is started again that has ended.
//!
//! ```text
//! Running ──exit──► Restarting ──(back-off)──► Running
//!                       └──stop, kill──► Exited
//! ```
//!
//! While it waits nothing holds a lock; the wait ends when the status is no longer
//! `Restarting`, whoever changed it.

use std::sync::Arc;
use std::time::Duration;

use bollard_stubs::models::{HostConfig, RestartPolicyNameEnum};
use tokio::time::sleep;

use super::lifecycle::Asker;
use super::state::{State, Status};
use super::{Container, Record};
use crate::engine::Engine;
use crate::error::{EngineError, Result};

/// How long after its first end a container is started again; Docker's number, as the others.
const FIRST_DELAY: Duration = Duration::from_millis(100);

/// The delay doubles from one restart to the next up to this.
const LAST_DELAY: Duration = Duration::from_mins(1);

/// What has run so long begins with the first delay.
const LONG_ENOUGH: Duration = Duration::from_secs(10);

/// What `--restart` asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RestartPolicy {
    No,
    Always,
    UnlessStopped,
    /// So many times; without end when there is no number.
    OnFailure(Option<u64>),
}

impl RestartPolicy {
    /// Reads it, and refuses in Docker's words what makes no sense.
    pub(crate) fn parse(host_config: &HostConfig) -> Result<Self> {
        let invalid = |why: &str| EngineError::Invalid(format!("invalid restart policy: {why}"));
        let Some(policy) = &host_config.restart_policy else { return Ok(Self::No) };
        let retries = policy.maximum_retry_count.unwrap_or_default();
        let parsed = match policy.name {
            None | Some(RestartPolicyNameEnum::EMPTY) => return Ok(Self::No),
            Some(RestartPolicyNameEnum::NO) => Self::No,
            Some(RestartPolicyNameEnum::ALWAYS) => Self::Always,
            Some(RestartPolicyNameEnum::UNLESS_STOPPED) => Self::UnlessStopped,
            Some(RestartPolicyNameEnum::ON_FAILURE) => {
                let retries = u64::try_from(retries)
                    .map_err(|_| invalid("maximum retry count cannot be negative"))?;
                return Ok(Self::OnFailure((retries > 0).then_some(retries)));
            }
        };
        match retries {
            0 => Ok(parsed),
            1.. => Err(invalid("maximum retry count can only be used with 'on-failure'")),
            _ => Err(invalid(
                "maximum retry count can only be used with 'on-failure' and cannot be negative",
            )),
        }
    }

    /// Whether a container in `state` is started again after its end.
    pub(super) fn restarts(self, state: &State) -> bool {
        if state.stopped_by_user {
            return false;
        }
        match self {
            Self::No => false,
            Self::Always | Self::UnlessStopped => true,
            Self::OnFailure(retries) => {
                state.exit_code != 0 && retries.is_none_or(|most| state.restart_count < most)
            }
        }
    }

    /// Whether a container that does not run is started when the engine starts. `always`
    /// means what its user has stopped too.
    fn starts_with_engine(self, state: &State) -> bool {
        state.started_at.is_some() && (self == Self::Always || self.restarts(state))
    }
}

/// How long a container waits for its next restart.
#[derive(Debug, Default)]
pub(super) struct Backoff(Duration);

impl Backoff {
    /// The next delay, of what has `run` so long.
    pub(super) fn next(&mut self, run: Duration) -> Duration {
        self.0 = match self.0 {
            _ if run >= LONG_ENOUGH => FIRST_DELAY,
            Duration::ZERO => FIRST_DELAY,
            delay => LAST_DELAY.min(delay * 2),
        };
        self.0
    }
}

impl Record {
    /// What becomes of it at its end. The policy was checked when it was set.
    pub(super) fn restart_policy(&self) -> RestartPolicy {
        RestartPolicy::parse(&self.host_config).unwrap_or(RestartPolicy::No)
    }

    pub(super) fn has_restart_policy(&self) -> bool {
        self.restart_policy() != RestartPolicy::No
    }
}

impl Engine {
    /// Starts a container that is in `Restarting` after `delay`, in the background.
    pub(super) fn restart_later(&self, container: &Arc<Container>, delay: Duration) {
        let (engine, container) = (self.clone(), Arc::clone(container));
        self.tasks().spawn(async move {
            let ready = async {
                sleep(delay).await;
                engine.network().ready_for(&container.record()).await;
            };
            let mut watch = container.watch();
            let cancelled = async {
                let waits = |record: &Record| record.state.status == Status::Restarting;
                drop(watch.wait_for(|record| !waits(record)).await.map(drop));
            };
            tokio::select! {
                () = ready => {}
                () = cancelled => return,
                () = container.removed.cancelled() => return,
                () = engine.closing().cancelled() => return,
            }
            engine.start_again(&container).await;
        });
    }

    /// Puts a container of an earlier engine where its policy wants it.
    pub(crate) async fn start_with_engine(&self, container: &Arc<Container>) -> Result<()> {
        // One that was made with `--rm` may be gone by now.
        let Ok(mut change) = self.change(container).await else { return Ok(()) };
        let record = &mut change.record;
        let waited = record.state.status == Status::Restarting;
        if record.running() {
            return Ok(());
        }
        if record.restart_policy().starts_with_engine(&record.state) {
            record.state.await_restart();
            record.state.restart_count = 0;
            // Not written: until it runs, the next engine would find the same.
            change.show();
            self.restart_later(container, Duration::ZERO);
        } else if waited {
            record.state.give_up();
            change.keep().await?;
        }
        Ok(())
    }

    /// Ends the wait for a restart. False if the container does not wait, or not any more.
    pub(super) async fn cancel_restart(
        &self,
        container: &Arc<Container>,
        asker: Asker,
    ) -> Result<bool> {
        if container.record.borrow().state.status != Status::Restarting {
            return Ok(false);
        }
        // A restart that is under way is let through; then there is a process to stop.
        let _one_at_a_time = container.lifecycle.lock().await;
        let mut change = self.change(container).await?;
        // At the engine's end it stays as it is, for the next engine.
        if asker == Asker::Engine || !change.record.state.give_up() {
            return Ok(false);
        }
        change.record.state.stopped_by_user = true;
        change.keep().await?;
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    use bollard_stubs::models::RestartPolicy as Asked;

    use super::*;

    fn parse(name: RestartPolicyNameEnum, retries: i64) -> Result<RestartPolicy, String> {
        let policy = Asked { name: Some(name), maximum_retry_count: Some(retries) };
        let host_config = HostConfig { restart_policy: Some(policy), ..HostConfig::default() };
        RestartPolicy::parse(&host_config).map_err(|error| error.to_string())
    }

    #[test]
    fn a_number_of_retries_is_for_failures_only() {
        use RestartPolicyNameEnum::{ALWAYS, EMPTY, NO, ON_FAILURE};
        assert_eq!(parse(ON_FAILURE, 3), Ok(RestartPolicy::OnFailure(Some(3))));
        assert_eq!(parse(ON_FAILURE, 0), Ok(RestartPolicy::OnFailure(None)));
        assert_eq!(parse(EMPTY, 7), Ok(RestartPolicy::No));
        for (name, retries, why) in [
            (NO, 1, "maximum retry count can only be used with 'on-failure'"),
            (
                ALWAYS,
                -1,
                "maximum retry count can only be used with 'on-failure' and cannot be negative",
            ),
            (ON_FAILURE, -1, "maximum retry count cannot be negative"),
        ] {
            assert_eq!(parse(name, retries), Err(format!("invalid restart policy: {why}")));
        }
    }

    #[test]
    fn the_delay_doubles_to_a_minute_and_begins_anew_after_a_long_run() {
        let mut backoff = Backoff::default();
        let delays: Vec<_> =
            (0..12).map(|_| backoff.next(Duration::from_secs(1)).as_millis()).collect();
        let expected = [100, 200, 400, 800, 1600, 3200, 6400, 12800, 25600, 51200, 60000, 60000];
        assert_eq!(delays, expected);
        assert_eq!(backoff.next(LONG_ENOUGH), FIRST_DELAY);
    }

    #[test]
    fn when_the_engine_starts_only_always_overrules_the_user() {
        let ended = |exit_code, stopped_by_user| State {
            exit_code,
            stopped_by_user,
            started_at: Some(jiff::Timestamp::UNIX_EPOCH),
            ..State::default()
        };
        let on_failure = RestartPolicy::OnFailure(None);
        for (policy, state, starts) in [
            (RestartPolicy::No, ended(1, false), false),
            (RestartPolicy::Always, ended(0, true), true),
            (RestartPolicy::Always, State::default(), false),
            (RestartPolicy::UnlessStopped, ended(0, false), true),
            (RestartPolicy::UnlessStopped, ended(0, true), false),
            (on_failure, ended(1, false), true),
            (on_failure, ended(0, false), false),
            (on_failure, ended(143, true), false),
        ] {
            assert_eq!(policy.starts_with_engine(&state), starts, "{policy:?} {state:?}");
        }
    }
}
