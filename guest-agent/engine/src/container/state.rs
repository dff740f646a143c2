//! How a container is, and what may become of it.
//!
//! ```text
//!                       ┌──pause──► Paused ──exit──┐
//!                       │◄─unpause──┘              ▼
//! Created ──start──► Running ──────────exit──────► Exited ──start──► Running
//!                       ▲                          │  ▲
//!                       └─start─ Restarting ◄──────┘  │ give up
//!                                    └────────────────┘
//! ```
//!
//! Only the methods of [`State`] lead from one status to another. Docker's `Running` is
//! what is not `Created` or `Exited`: it counts what waits for its restart.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::health::{Health, HealthStatus};
use super::shim::Exit;

/// How a container is.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct State {
    pub(crate) status: Status,
    /// As the engine's PID namespace sees it; 0 when it does not run.
    pub(crate) pid: i32,
    /// Of the last end; 0 again while it runs.
    pub(crate) exit_code: i32,
    pub(crate) oom_killed: bool,
    /// Why the last start failed.
    pub(crate) error: String,
    pub(crate) started_at: Option<Timestamp>,
    pub(crate) finished_at: Option<Timestamp>,
    /// How often it has ended; `wait?condition=next-exit` counts by it.
    pub(crate) exits: u64,
    /// Of the last end, whether it runs again or not.
    pub(crate) last_exit_code: i32,
    /// How often its policy has started it again since its user has.
    pub(crate) restart_count: u64,
    /// Whether its user wanted it to end. Then no policy starts it again.
    pub(crate) stopped_by_user: bool,
    /// None without a check of it.
    pub(crate) health: Option<Health>,
}

/// Where in its life a container is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Status {
    #[default]
    Created,
    Running,
    /// Its processes stand still.
    Paused,
    /// It has ended, and its policy starts it again after a while.
    Restarting,
    Exited,
}

/// Why a container cannot be brought into a state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Denied {
    NotRunning,
    AlreadyPaused,
    NotPaused,
    Restarting,
}

impl Status {
    /// Docker's word.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Running => "running",
            Self::Paused => "paused",
            Self::Restarting => "restarting",
            Self::Exited => "exited",
        }
    }
}

impl State {
    /// Whether there is a process, be it paused.
    pub(crate) fn has_process(&self) -> bool {
        matches!(self.status, Status::Running | Status::Paused)
    }

    /// A process runs: that of a user's start, or of the policy's.
    pub(super) fn start(&mut self, pid: i32, at: Timestamp) {
        self.status = Status::Running;
        self.pid = pid;
        self.exit_code = 0;
        self.oom_killed = false;
        self.error.clear();
        self.started_at = Some(at);
        self.finished_at = None;
        self.stopped_by_user = false;
    }

    pub(super) fn exit(&mut self, exit: Exit) {
        self.status = Status::Exited;
        self.pid = 0;
        self.exit_code = exit.code;
        self.last_exit_code = exit.code;
        self.oom_killed = exit.oom_killed;
        self.finished_at = Some(exit.at);
        self.exits += 1;
        if let Some(health) = &mut self.health {
            // As with Docker: nobody looks after it any more.
            health.status = HealthStatus::Unhealthy;
        }
    }

    pub(super) fn pause(&mut self) -> Result<(), Denied> {
        match self.status {
            Status::Running => self.status = Status::Paused,
            Status::Paused => return Err(Denied::AlreadyPaused),
            Status::Restarting => return Err(Denied::Restarting),
            Status::Created | Status::Exited => return Err(Denied::NotRunning),
        }
        Ok(())
    }

    /// What has ended is to be started again.
    pub(super) fn await_restart(&mut self) {
        if !self.has_process() {
            self.status = Status::Restarting;
            self.restart_count += 1;
        }
    }

    /// It is not to be started again after all. False if it was not to be anyway.
    pub(super) fn give_up(&mut self) -> bool {
        if self.status != Status::Restarting {
            return false;
        }
        self.status = Status::Exited;
        true
    }

    pub(super) fn unpause(&mut self) -> Result<(), Denied> {
        if self.status != Status::Paused {
            return Err(Denied::NotPaused);
        }
        self.status = Status::Running;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::{Just, Strategy, prop_oneof, proptest};
    use proptest::{prop_assert, prop_assert_eq};

    use super::super::restart_policy::RestartPolicy;
    use super::*;

    /// What can happen to a container, at any time.
    #[derive(Clone, Copy, Debug)]
    enum Happening {
        UserStarts,
        UserStops,
        Exits(i32),
        Pause,
        Unpause,
        DelayIsOver,
    }

    fn happenings() -> impl Strategy<Value = Vec<Happening>> {
        let one = prop_oneof![
            Just(Happening::UserStarts),
            Just(Happening::UserStops),
            (0..3).prop_map(Happening::Exits),
            Just(Happening::Pause),
            Just(Happening::Unpause),
            Just(Happening::DelayIsOver),
        ];
        vec(one, 0..40)
    }

    fn policies() -> impl Strategy<Value = RestartPolicy> {
        prop_oneof![
            Just(RestartPolicy::No),
            Just(RestartPolicy::Always),
            Just(RestartPolicy::UnlessStopped),
            Just(RestartPolicy::OnFailure(None)),
            (1..4_u64).prop_map(|most| RestartPolicy::OnFailure(Some(most))),
        ]
    }

    /// What the engine does about it, without processes.
    fn apply(state: &mut State, policy: RestartPolicy, happening: Happening) {
        let at = Timestamp::UNIX_EPOCH;
        match happening {
            Happening::UserStarts => {
                if !state.has_process() && state.status != Status::Restarting {
                    state.restart_count = 0;
                    state.start(7, at);
                }
            }
            Happening::DelayIsOver => {
                if state.status == Status::Restarting {
                    state.start(7, at);
                }
            }
            Happening::UserStops => {
                if state.has_process() {
                    state.stopped_by_user = true;
                    apply(state, policy, Happening::Exits(143));
                } else {
                    state.give_up();
                }
            }
            Happening::Exits(code) => {
                if state.has_process() {
                    state.exit(Exit { code, oom_killed: false, at });
                    if policy.restarts(state) {
                        state.await_restart();
                    }
                }
            }
            Happening::Pause => drop(state.pause()),
            Happening::Unpause => drop(state.unpause()),
        }
    }

    proptest! {
        #[test]
        fn no_order_of_happenings_leads_astray(policy in policies(), all in happenings()) {
            let mut state = State::default();
            for happening in all {
                let before = state.clone();
                apply(&mut state, policy, happening);
                prop_assert_eq!(state.has_process(), state.pid != 0);
                prop_assert!(state.exits - before.exits <= 1);
                if state.exits > before.exits {
                    prop_assert!(before.has_process() && !state.has_process());
                    prop_assert_eq!(state.exit_code, state.last_exit_code);
                }
                match happening {
                    Happening::UserStops => {
                        prop_assert!(matches!(state.status, Status::Created | Status::Exited));
                    }
                    Happening::Exits(code) if state.status == Status::Restarting
                        && before.has_process() =>
                    {
                        prop_assert_eq!(state.restart_count, before.restart_count + 1);
                        prop_assert!(policy != RestartPolicy::No && !state.stopped_by_user);
                        if let RestartPolicy::OnFailure(most) = policy {
                            prop_assert!(code != 0);
                            prop_assert!(most.is_none_or(|most| state.restart_count <= most));
                        }
                    }
                    Happening::Pause | Happening::Unpause => {
                        prop_assert_eq!(before.has_process(), state.has_process());
                    }
                    _ => {}
                }
            }
        }
    }

    #[test]
    fn a_record_of_an_older_engine_is_read() {
        let text = r#"{"status":"exited","pid":0,"exit_code":5,"oom_killed":false,"error":"",
            "started_at":null,"finished_at":null,"exits":1}"#;
        let state: State = serde_json::from_str(text).unwrap();
        assert_eq!((state.exit_code, state.restart_count), (5, 0));
    }
}
