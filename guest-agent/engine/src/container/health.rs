//! What a container's health check asks for, and what its answers mean.
//!
//! ```text
//! Starting ──success──► Healthy ◄──success── Unhealthy
//!     └──so many failures in a row──────────────►│
//!                           └──so many failures──┘
//! ```
//!
//! Failures in the start period do not count, until the first success.

use std::collections::VecDeque;
use std::time::Duration;

use bollard_stubs::models::{ContainerConfig, HealthConfig};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::Record;
use crate::error::{EngineError, Result};

/// Docker's numbers for what is not said.
const INTERVAL: Duration = Duration::from_secs(30);
const TIMEOUT: Duration = Duration::from_secs(30);
const START_INTERVAL: Duration = Duration::from_secs(5);
const RETRIES: u64 = 3;

/// How many of the last probes are kept.
const LOG_LENGTH: usize = 5;

/// The shortest time that can be asked for.
const SHORTEST: Duration = Duration::from_millis(1);

/// How well a container is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Health {
    pub(crate) status: HealthStatus,
    pub(crate) failing_streak: u64,
    /// The last few, oldest first.
    pub(crate) log: VecDeque<Probe>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum HealthStatus {
    #[default]
    Starting,
    Healthy,
    Unhealthy,
}

/// One run of the check.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Probe {
    pub(crate) start: Timestamp,
    pub(crate) end: Timestamp,
    /// -1 where there is none.
    pub(crate) exit_code: i32,
    pub(crate) output: String,
}

/// A check that is to be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct HealthCheck {
    pub(super) command: Vec<String>,
    pub(super) timeout: Duration,
    interval: Duration,
    start_period: Duration,
    start_interval: Duration,
    retries: u64,
}

impl HealthStatus {
    /// Docker's word.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::Healthy => "healthy",
            Self::Unhealthy => "unhealthy",
        }
    }
}

impl HealthCheck {
    /// The check of a container; none if it has none, or was told to have none.
    pub(super) fn of(config: &ContainerConfig) -> Result<Option<Self>> {
        let Some(check) = &config.healthcheck else { return Ok(None) };
        let (kind, words) = match check.test.as_deref() {
            None | Some([]) => return Ok(None),
            Some([kind, words @ ..]) => (kind.as_str(), words),
        };
        let command = match kind {
            "NONE" | "" => return Ok(None),
            "CMD" => words.to_vec(),
            "CMD-SHELL" => {
                let shell = config.shell.clone().filter(|shell| !shell.is_empty());
                let shell = shell.unwrap_or_else(|| vec!["/bin/sh".to_owned(), "-c".to_owned()]);
                [&shell, words].concat()
            }
            _ => {
                return Err(EngineError::Invalid(format!(
                    "Unknown healthcheck type '{kind}' (expected 'CMD')"
                )));
            }
        };
        if words.is_empty() {
            return Err(EngineError::Invalid("the healthcheck has no command".to_owned()));
        }
        let retries = check.retries.unwrap_or_default();
        let retries = u64::try_from(retries).map_err(|_| {
            EngineError::Invalid("Retries in Healthcheck cannot be negative".to_owned())
        })?;
        Ok(Some(Self {
            command,
            interval: time("Interval", check.interval, INTERVAL)?,
            timeout: time("Timeout", check.timeout, TIMEOUT)?,
            start_period: time("StartPeriod", check.start_period, Duration::ZERO)?,
            start_interval: time("StartInterval", check.start_interval, START_INTERVAL)?,
            retries: if retries == 0 { RETRIES } else { retries },
        }))
    }

    /// How long until the next probe of what has `run` so long.
    pub(super) fn next(&self, run: Duration, status: HealthStatus) -> Duration {
        if run < self.start_period && status == HealthStatus::Starting {
            self.start_interval
        } else {
            self.interval
        }
    }
}

fn time(name: &str, nanoseconds: Option<i64>, default: Duration) -> Result<Duration> {
    match nanoseconds.unwrap_or_default() {
        0 => Ok(default),
        value => match u64::try_from(value).map(Duration::from_nanos) {
            Ok(value) if value >= SHORTEST => Ok(value),
            _ => {
                Err(EngineError::Invalid(format!("{name} in Healthcheck cannot be less than 1ms")))
            }
        },
    }
}

/// Puts the image's words where the client's check is silent, as Docker does.
pub(super) fn merge(
    own: Option<HealthConfig>,
    image: Option<HealthConfig>,
) -> Option<HealthConfig> {
    let (Some(own), Some(image)) = (own.clone(), image.clone()) else { return own.or(image) };
    let number = |own: Option<i64>, image| own.filter(|value| *value != 0).or(image);
    Some(HealthConfig {
        test: own.test.filter(|test| !test.is_empty()).or(image.test),
        interval: number(own.interval, image.interval),
        timeout: number(own.timeout, image.timeout),
        start_period: number(own.start_period, image.start_period),
        start_interval: number(own.start_interval, image.start_interval),
        retries: number(own.retries, image.retries),
    })
}

impl Health {
    /// Takes the answer of a probe of what was started at `started`.
    pub(super) fn take(&mut self, probe: Probe, check: &HealthCheck, started: Timestamp) {
        if probe.exit_code == 0 {
            self.failing_streak = 0;
            self.status = HealthStatus::Healthy;
        } else {
            let run = probe.start.duration_since(started).try_into().unwrap_or(Duration::ZERO);
            let forgiven = self.status == HealthStatus::Starting && run < check.start_period;
            if !forgiven {
                self.failing_streak += 1;
            }
            if self.failing_streak >= check.retries {
                self.status = HealthStatus::Unhealthy;
            }
        }
        self.log.push_back(probe);
        while self.log.len() > LOG_LENGTH {
            self.log.pop_front();
        }
    }
}

impl Record {
    /// A new life begins, or a new engine: nothing is known yet.
    pub(super) fn begin_health(&mut self) {
        let known = self.state.health.take().unwrap_or_default();
        let begun = Health { status: HealthStatus::Starting, failing_streak: 0, log: known.log };
        self.state.health = self.health_check().map(|_| begun);
    }

    /// Its check, which was looked at when it was created.
    pub(super) fn health_check(&self) -> Option<HealthCheck> {
        HealthCheck::of(&self.config).ok().flatten()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(test: &[&str]) -> HealthConfig {
        let test = test.iter().map(|word| (*word).to_owned()).collect();
        HealthConfig { test: Some(test), ..HealthConfig::default() }
    }

    fn check(config: HealthConfig) -> Result<Option<HealthCheck>, String> {
        let config = ContainerConfig { healthcheck: Some(config), ..ContainerConfig::default() };
        HealthCheck::of(&config).map_err(|error| error.to_string())
    }

    fn probe(second: i64, exit_code: i32) -> Probe {
        let at = Timestamp::from_second(second).unwrap();
        Probe { start: at, end: at, exit_code, output: String::new() }
    }

    #[test]
    fn a_check_is_a_command_or_a_line_for_the_shell() {
        let of = |test: &[&str]| check(config(test)).map(|check| check.map(|check| check.command));
        assert_eq!(of(&["CMD", "true", "x"]), Ok(Some(vec!["true".into(), "x".into()])));
        let shell = ["/bin/sh", "-c", "exit 1"].map(str::to_owned).to_vec();
        assert_eq!(of(&["CMD-SHELL", "exit 1"]), Ok(Some(shell)));
        assert_eq!(of(&["NONE"]), Ok(None));
        assert_eq!(of(&[]), Ok(None));
        assert_eq!(
            of(&["HTTP", "/"]),
            Err("Unknown healthcheck type 'HTTP' (expected 'CMD')".into())
        );
        assert_eq!(of(&["CMD"]), Err("the healthcheck has no command".into()));
    }

    #[test]
    fn times_and_retries_are_checked() {
        let short = HealthConfig { interval: Some(999_999), ..config(&["CMD", "true"]) };
        assert_eq!(check(short), Err("Interval in Healthcheck cannot be less than 1ms".into()));
        let negative = HealthConfig { retries: Some(-1), ..config(&["CMD", "true"]) };
        assert_eq!(check(negative), Err("Retries in Healthcheck cannot be negative".into()));
        let plain = check(config(&["CMD", "true"])).unwrap().unwrap();
        assert_eq!((plain.interval, plain.timeout, plain.retries), (INTERVAL, TIMEOUT, 3));
    }

    #[test]
    fn the_image_fills_in_what_the_client_left_out() {
        let image = HealthConfig { interval: Some(7), retries: Some(2), ..config(&["CMD", "a"]) };
        let own = HealthConfig { retries: Some(9), ..HealthConfig::default() };
        let merged = merge(Some(own), Some(image.clone())).unwrap();
        assert_eq!(merged, HealthConfig { retries: Some(9), ..image.clone() });
        assert_eq!(merge(None, Some(image.clone())), Some(image.clone()));
        let none = merge(Some(config(&["NONE"])), Some(image)).unwrap();
        assert_eq!(none.test, Some(vec!["NONE".to_owned()]));
    }

    #[test]
    fn so_many_failures_in_a_row_make_unhealthy_and_one_success_healthy() {
        let check = check(HealthConfig { retries: Some(2), ..config(&["CMD", "x"]) });
        let check = check.unwrap().unwrap();
        let mut health = Health::default();
        let mut seen = Vec::new();
        for code in [1, 0, 1, 1, 1, 0, 1] {
            health.take(probe(100, code), &check, Timestamp::UNIX_EPOCH);
            seen.push((health.status.as_str(), health.failing_streak));
        }
        let expected = [
            ("starting", 1),
            ("healthy", 0),
            ("healthy", 1),
            ("unhealthy", 2),
            ("unhealthy", 3),
            ("healthy", 0),
            ("healthy", 1),
        ];
        assert_eq!(seen, expected);
        assert_eq!(health.log.len(), LOG_LENGTH);
    }

    #[test]
    fn failures_while_it_starts_are_forgiven_and_probes_come_quicker() {
        let second = 1_000_000_000;
        let config = HealthConfig {
            retries: Some(1),
            start_period: Some(10 * second),
            start_interval: Some(second),
            ..config(&["CMD", "x"])
        };
        let check = check(config).unwrap().unwrap();
        let mut health = Health::default();
        let run = Duration::from_secs(5);
        assert_eq!(check.next(run, health.status), Duration::from_secs(1));
        health.take(probe(5, 1), &check, Timestamp::UNIX_EPOCH);
        assert_eq!((health.status, health.failing_streak), (HealthStatus::Starting, 0));
        health.take(probe(6, 0), &check, Timestamp::UNIX_EPOCH);
        assert_eq!(check.next(run, health.status), INTERVAL);
        health.take(probe(7, 1), &check, Timestamp::UNIX_EPOCH);
        assert_eq!(health.status, HealthStatus::Unhealthy, "it had been healthy");
        let mut late = Health::default();
        late.take(probe(10, 1), &check, Timestamp::UNIX_EPOCH);
        assert_eq!(late.status, HealthStatus::Unhealthy);
    }
}
