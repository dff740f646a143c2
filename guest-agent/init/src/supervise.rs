//! The engine's life: started, reaped, started again, told to stop.
//!
//! ```text
//!            start                  status 0
//! Waiting ───────────► Running ──────────────────────► return (power-off)
//!    ▲                    │ any other end                ▲
//!    └────────────────────┘ (back-off)                   │ any end, or the deadline
//!                         │ SIGTERM or power button      │
//!                         └────────────► Stopping ───────┘
//! ```

use std::env;
use std::ffi::OsString;
use std::io;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;

use crate::error::InitError;
use crate::power::PowerButton;
use crate::signals::Signals;
use crate::{DATA_DIR, RUN_DIR, console, sys};

const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(10);
/// An engine that lived this long was healthy: its next restart is quick again.
const HEALTHY_AFTER: Duration = Duration::from_mins(1);
/// How long the engine may take to stop the containers once it was told to.
const STOP_DEADLINE: Duration = Duration::from_secs(30);

/// How long to wait before each restart: doubling, bounded, never giving up.
#[derive(Debug, Default)]
struct Backoff {
    last: Option<Duration>,
}

impl Backoff {
    /// The pause before the next start, given how long the engine lived.
    fn next(&mut self, lived: Duration) -> Duration {
        let pause = match self.last {
            Some(last) if lived < HEALTHY_AFTER => (last * 2).min(LONGEST_PAUSE),
            Some(_) | None => FIRST_PAUSE,
        };
        self.last = Some(pause);
        pause
    }
}

/// Where the engine is in its life.
#[derive(Debug)]
enum State {
    Waiting { until: Instant },
    Running { engine: Pid, since: Instant },
    Stopping { engine: Pid, deadline: Instant },
}

/// What became of the engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    Exited(i32),
    Killed(Signal),
}

/// Queues the signals that the supervisor acts on, from now on.
pub(crate) fn block_signals() -> Result<Signals, InitError> {
    Signals::block(&[Signal::SIGCHLD, Signal::SIGTERM, Signal::SIGINT, Signal::SIGPWR])
        .map_err(InitError::Signals)
}

/// Runs the engine, again and again, until it or someone outside wants power-off.
pub(crate) fn run_engine(signals: &Signals) -> Result<(), InitError> {
    let mut button = PowerButton::open();
    let mut backoff = Backoff::default();
    let mut state = start(&mut backoff);
    loop {
        signals.wait(button.devices(), state.deadline()).map_err(InitError::Signals)?;
        let mut stop = button.was_pressed();
        while let Some(signal) = signals.take().map_err(InitError::Signals)? {
            stop |= signal != Signal::SIGCHLD;
        }
        let end = reap(state.engine());
        let Some(next) = advance(state, end, stop, &mut backoff) else { return Ok(()) };
        state = next;
    }
}

impl State {
    fn engine(&self) -> Option<Pid> {
        match self {
            Self::Waiting { .. } => None,
            Self::Running { engine, .. } | Self::Stopping { engine, .. } => Some(*engine),
        }
    }

    fn deadline(&self) -> Option<Instant> {
        match self {
            Self::Waiting { until } => Some(*until),
            Self::Running { .. } => None,
            Self::Stopping { deadline, .. } => Some(*deadline),
        }
    }
}

/// The state after an event; none when it is time to power off.
fn advance(state: State, end: Option<End>, stop: bool, backoff: &mut Backoff) -> Option<State> {
    match (state, end) {
        (State::Waiting { .. }, _) if stop => None,
        (State::Waiting { until }, _) if Instant::now() >= until => Some(start(backoff)),
        (State::Running { .. }, Some(End::Exited(0))) => {
            console::info("the engine asks for power-off");
            None
        }
        (State::Running { .. }, Some(_)) if stop => None,
        (State::Running { since, .. }, Some(end)) => {
            let pause = backoff.next(since.elapsed());
            let how = match end {
                End::Exited(status) => format!("ended with status {status}"),
                End::Killed(signal) => format!("was killed by {signal}"),
            };
            console::error(&format!("the engine {how}; starting it again in {pause:?}"));
            Some(State::Waiting { until: Instant::now() + pause })
        }
        (State::Running { engine, .. }, None) if stop => {
            console::info("power-off was requested; the engine stops the containers");
            // ESRCH: it ended just now, and the next event reaps it.
            if let Err(errno) = kill(engine, Signal::SIGTERM) {
                console::error(&format!("cannot signal the engine: {errno}"));
            }
            Some(State::Stopping { engine, deadline: Instant::now() + STOP_DEADLINE })
        }
        (State::Stopping { .. }, Some(_)) => None,
        (State::Stopping { deadline, .. }, None) if Instant::now() >= deadline => {
            console::error(&format!("the engine did not stop within {STOP_DEADLINE:?}"));
            None
        }
        (state, _) => Some(state),
    }
}

/// Starts the engine; a failure counts as an engine that died at once.
fn start(backoff: &mut Backoff) -> State {
    match spawn() {
        Ok(engine) => State::Running { engine, since: Instant::now() },
        Err(error) => {
            let pause = backoff.next(Duration::ZERO);
            console::error(&format!("cannot start the engine: {error}; trying again in {pause:?}"));
            State::Waiting { until: Instant::now() + pause }
        }
    }
}

fn spawn() -> io::Result<Pid> {
    let program = env::current_exe().unwrap_or_else(|_| "/init".into());
    let mut command = Command::new(program);
    // `/init` as the name would make the engine take itself for PID 1.
    sys::prepare_child(&mut command)
        .args(arguments())
        .env_clear()
        .envs([("PATH", "/sbin:/bin"), ("HOME", "/"), ("SSL_CERT_FILE", CA_CERTIFICATES)])
        .current_dir("/")
        .stdin(Stdio::null());
    let child = command.spawn()?;
    i32::try_from(child.id()).map(Pid::from_raw).map_err(io::Error::other)
}

/// Where the image has the certificate authorities.
const CA_CERTIFICATES: &str = "/etc/ssl/certs/ca-certificates.crt";

/// The word of the kernel's command line that names registries to speak plain HTTP to,
/// with commas between them; the kernel hands unknown words on as environment. The
/// host's part is `naru-app`'s plan.
const INSECURE_REGISTRIES: &str = "naru_insecure_registries";

fn arguments() -> Vec<OsString> {
    let registries = env::var_os(INSECURE_REGISTRIES).unwrap_or_default();
    arguments_with(&registries.to_string_lossy())
}

fn arguments_with(registries: &str) -> Vec<OsString> {
    let mut arguments =
        ["engine", "--root", DATA_DIR, "--run", RUN_DIR, "--vm"].map(OsString::from).to_vec();
    for registry in registries.split(',').filter(|registry| !registry.is_empty()) {
        arguments.push(format!("--insecure-registry={registry}").into());
    }
    arguments
}

/// Reaps every ended child, most of them orphans that init inherited, and says what
/// became of the engine if it was among them.
fn reap(engine: Option<Pid>) -> Option<End> {
    let mut end = None;
    loop {
        match waitpid(None, Some(WaitPidFlag::WNOHANG)) {
            Ok(WaitStatus::Exited(pid, status)) if Some(pid) == engine => {
                end = Some(End::Exited(status));
            }
            Ok(WaitStatus::Signaled(pid, signal, _)) if Some(pid) == engine => {
                end = Some(End::Killed(signal));
            }
            Ok(WaitStatus::StillAlive) | Err(Errno::ECHILD) => return end,
            Ok(_) | Err(Errno::EINTR) => {}
            Err(errno) => {
                console::error(&format!("cannot reap: {errno}"));
                return end;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn running() -> State {
        // No process can have this id, so a test that signals it harms nobody.
        State::Running { engine: Pid::from_raw(i32::MAX), since: Instant::now() }
    }

    #[test]
    fn each_insecure_registry_is_an_argument_of_the_engine() {
        let plain = arguments_with("");
        let two = arguments_with("a:5000,b");
        assert_eq!(two[plain.len()..], ["--insecure-registry=a:5000", "--insecure-registry=b"]);
    }

    #[test]
    fn pauses_double_up_to_a_bound_and_start_over_after_a_healthy_life() {
        let mut backoff = Backoff::default();
        assert_eq!(backoff.next(Duration::ZERO), FIRST_PAUSE);
        assert_eq!(backoff.next(Duration::ZERO), FIRST_PAUSE * 2);
        for _ in 0..10 {
            backoff.next(Duration::ZERO);
        }
        assert_eq!(backoff.next(Duration::ZERO), LONGEST_PAUSE);
        assert_eq!(backoff.next(HEALTHY_AFTER), FIRST_PAUSE);
    }

    #[test]
    fn status_zero_powers_off_and_a_crash_is_restarted() {
        let mut backoff = Backoff::default();
        assert!(advance(running(), Some(End::Exited(0)), false, &mut backoff).is_none());
        let end = End::Killed(Signal::SIGKILL);
        let next = advance(running(), Some(end), false, &mut backoff);
        assert!(matches!(next, Some(State::Waiting { .. })));
    }

    #[test]
    fn a_stop_request_waits_for_the_engine_whatever_its_status() {
        let mut backoff = Backoff::default();
        let stopping = advance(running(), None, true, &mut backoff).expect("it is still running");
        assert!(matches!(stopping, State::Stopping { .. }));
        assert!(advance(stopping, Some(End::Exited(1)), false, &mut backoff).is_none());
    }

    #[test]
    fn an_engine_that_ignores_the_request_does_not_keep_the_machine_up() {
        let deadline = Instant::now();
        let state = State::Stopping { engine: Pid::from_raw(i32::MAX), deadline };
        assert!(advance(state, None, false, &mut Backoff::default()).is_none());
    }

    #[test]
    fn a_stop_request_between_two_starts_powers_off() {
        let until = Instant::now() + LONGEST_PAUSE;
        let state = State::Waiting { until };
        assert!(advance(state, None, true, &mut Backoff::default()).is_none());
    }
}
