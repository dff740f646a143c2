//! Stopping, killing, restarting, removing.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use nix::sys::signal::Signal;
use tokio::time::timeout;

use super::state::Status;
use super::{Container, Record};
use crate::engine::Engine;
use crate::error::{EngineError, Result};

/// How long `stop` waits before it kills; Docker's default.
const STOP_TIMEOUT: Duration = Duration::from_secs(10);

/// How long a killed process may take to be gone before the engine says so.
const KILL_TIMEOUT: Duration = Duration::from_secs(10);

const SIGKILL: i32 = nix::libc::SIGKILL;
const SIGTERM: i32 = nix::libc::SIGTERM;

/// Whether a stop changed anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stopped {
    Now,
    WasStopped,
}

impl Engine {
    /// Asks a container to end, and kills it after `seconds` (negative: never); one
    /// that does not run is left alone.
    pub(crate) async fn stop_container(
        &self,
        container: &Arc<Container>,
        signal: Option<&str>,
        seconds: Option<i64>,
    ) -> Result<Stopped> {
        let record = container.record();
        if !record.running() {
            return Ok(Stopped::WasStopped);
        }
        let config = &record.config;
        let signal =
            match signal.filter(|signal| !signal.is_empty()).or(config.stop_signal.as_deref()) {
                Some(signal) => signal_number(signal)?,
                None => SIGTERM,
            };
        let patience = match seconds.or(config.stop_timeout) {
            Some(seconds) => u64::try_from(seconds).ok().map(Duration::from_secs),
            None => Some(STOP_TIMEOUT),
        };
        let (engine, container) = (self.clone(), Arc::clone(container));
        self.run_to_end(async move {
            engine.signal(&container, signal, Purpose::End).await?;
            let exited = container.exited();
            match patience {
                Some(patience) => {
                    if timeout(patience, exited).await.is_err() {
                        engine.kill_and_wait(&container).await?;
                    }
                }
                None => exited.await,
            }
            engine.container_event(&container, "stop", []);
            Ok(Stopped::Now)
        })
        .await
    }

    /// Sends a signal; with `SIGKILL` also waits for the end.
    pub(crate) async fn kill_container(
        &self,
        container: &Arc<Container>,
        signal: Option<&str>,
    ) -> Result<()> {
        let signal = match signal.filter(|signal| !signal.is_empty()) {
            Some(signal) => signal_number(signal)?,
            None => SIGKILL,
        };
        let record = container.record();
        if !record.running() {
            return Err(EngineError::NotRunning(container.id.clone()));
        }
        if signal == SIGKILL {
            self.kill_and_wait(container).await
        } else {
            self.signal(container, signal, Purpose::of(signal, &record)).await
        }
    }

    /// Stops, then starts.
    pub(crate) async fn restart_container(
        &self,
        container: &Arc<Container>,
        signal: Option<&str>,
        seconds: Option<i64>,
    ) -> Result<()> {
        self.stop_container(container, signal, seconds).await?;
        self.start_container(container).await?;
        self.container_event(container, "restart", []);
        Ok(())
    }

    /// Removes a container with all that is its own; a running one only by `force`.
    pub(crate) async fn remove_container(
        &self,
        container: &Arc<Container>,
        force: bool,
    ) -> Result<()> {
        if container.removing.swap(true, Ordering::AcqRel) {
            return Err(EngineError::RemovalInProgress(container.id.clone()));
        }
        let (engine, container) = (self.clone(), Arc::clone(container));
        self.run_to_end(async move {
            let removed = engine.remove_locked(&container, force).await;
            if removed.is_err() {
                container.removing.store(false, Ordering::Release);
            }
            removed
        })
        .await
    }

    async fn remove_locked(&self, container: &Arc<Container>, force: bool) -> Result<()> {
        let _one_at_a_time = container.lifecycle.lock().await;
        let record = container.record();
        if record.running() {
            if !force {
                return Err(still_running(record));
            }
            self.kill_and_wait(container).await?;
        }
        // The record goes first: a crash after it leaves files that the next start
        // sweeps, a crash before it a container that can be removed again.
        let _no_more_changes = container.changing.lock().await;
        self.database().delete_container(&container.id).await?;
        self.execs().forget_container(&container.id);
        remove_directory(&self.paths().container(&container.id));
        remove_directory(container.shim.directory());
        self.containers().remove(container);
        self.container_event(container, "destroy", []);
        container.removed.cancel();
        Ok(())
    }

    /// For `--rm`: nobody waits for the answer.
    pub(super) fn remove_in_background(&self, container: &Arc<Container>) {
        let (engine, container) = (self.clone(), Arc::clone(container));
        self.tasks().spawn(async move {
            match engine.remove_container(&container, false).await {
                Ok(()) | Err(EngineError::RemovalInProgress(_)) => {}
                Err(error) => {
                    tracing::error!(container_id = container.id, %error, "removal failed");
                }
            }
        });
    }

    async fn signal(&self, container: &Container, signal: i32, purpose: Purpose) -> Result<()> {
        // Held until all is told: the end that the signal brings is told after it.
        let change = self.change(container).await?;
        if !change.record.running() {
            return Err(EngineError::NotRunning(container.id.clone()));
        }
        container.shim.signal(signal).await?;
        self.container_event(container, "kill", [("signal", signal.to_string())]);
        // What stands still takes note of a signal when it goes on, but for SIGKILL.
        let paused = change.record.state.status == Status::Paused;
        if paused && purpose == Purpose::End && signal != SIGKILL {
            self.unpause(container, change).await?;
        }
        Ok(())
    }

    async fn kill_and_wait(&self, container: &Arc<Container>) -> Result<()> {
        if let Err(error) = self.signal(container, SIGKILL, Purpose::End).await {
            // The shim may be gone because the container just ended.
            if container.record().running()
                && timeout(KILL_TIMEOUT, container.exited()).await.is_err()
            {
                return Err(error);
            }
            return Ok(());
        }
        timeout(KILL_TIMEOUT, container.exited()).await.map_err(|_| EngineError::Shim {
            container_id: container.id.clone(),
            message: format!("the process did not end within {KILL_TIMEOUT:?} of SIGKILL"),
        })
    }
}

/// What a signal is sent for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Purpose {
    /// The container is to end.
    End,
    /// To tell it something.
    Tell,
}

impl Purpose {
    /// Docker's rule for `kill`: a container that names a stop signal is ended by that and
    /// by SIGKILL, one that names none by any.
    fn of(signal: i32, record: &Record) -> Self {
        let stop_signal = record.config.stop_signal.as_deref().filter(|signal| !signal.is_empty());
        match stop_signal.map(signal_number) {
            Some(Ok(stop_signal)) if signal != stop_signal && signal != SIGKILL => Self::Tell,
            _ => Self::End,
        }
    }
}

/// Why a container cannot be removed that is not stopped, in Docker's words.
fn still_running(record: Record) -> EngineError {
    let what = match record.state.status {
        Status::Paused => "is paused and must be unpaused first",
        Status::Created | Status::Running | Status::Exited => {
            "is running: stop the container before removing or force remove"
        }
    };
    EngineError::StillRunning { name: record.name, what }
}

impl Container {
    /// Waits until it does not run. Cancel safe.
    async fn exited(&self) {
        // The sender lives in `self`, so the channel cannot close meanwhile.
        drop(self.watch().wait_for(|record| !record.running()).await.map(drop));
    }
}

fn remove_directory(path: &std::path::Path) {
    match std::fs::remove_dir_all(path) {
        Ok(()) => {}
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
        // Swept at the next start; the container itself is gone.
        Err(error) => tracing::warn!(path = %path.display(), %error, "left behind"),
    }
}

/// A signal by name (with or without `SIG`) or number.
pub(super) fn signal_number(text: &str) -> Result<i32> {
    let invalid = || EngineError::Invalid(format!("Invalid signal: {text}"));
    if let Ok(number) = text.parse::<i32>() {
        return if (1..=64).contains(&number) { Ok(number) } else { Err(invalid()) };
    }
    let upper = text.to_uppercase();
    let name = upper.strip_prefix("SIG").unwrap_or(&upper);
    let realtime = |prefix: &str, base: i32, sign: i32| {
        let rest = name.strip_prefix(prefix)?;
        let offset = if rest.is_empty() { 0 } else { rest[1..].parse::<i32>().ok()? };
        Some(base + sign * offset).filter(|number| (34..=64).contains(number))
    };
    if let Some(number) = realtime("RTMIN", 34, 1).or_else(|| realtime("RTMAX", 64, -1)) {
        return Ok(number);
    }
    format!("SIG{name}").parse::<Signal>().map(|signal| signal as i32).map_err(|_| invalid())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::container::record::tests_support::record;

    #[test]
    fn a_signal_ends_what_does_not_say_how_it_is_stopped() {
        let mut record = record();
        assert_eq!(Purpose::of(1, &record), Purpose::End);
        record.config.stop_signal = Some("SIGQUIT".to_owned());
        assert_eq!(Purpose::of(1, &record), Purpose::Tell);
        assert_eq!(Purpose::of(3, &record), Purpose::End);
        assert_eq!(Purpose::of(SIGKILL, &record), Purpose::End);
    }

    #[test]
    fn signals_have_names_and_numbers() {
        assert_eq!(signal_number("SIGTERM").unwrap(), 15);
        assert_eq!(signal_number("kill").unwrap(), 9);
        assert_eq!(signal_number("2").unwrap(), 2);
        assert_eq!(signal_number("SIGRTMIN+3").unwrap(), 37);
        for text in ["", "0", "99", "SIGNOPE", "RTMIN+99"] {
            assert_eq!(
                signal_number(text).unwrap_err().to_string(),
                format!("Invalid signal: {text}")
            );
        }
    }
}
