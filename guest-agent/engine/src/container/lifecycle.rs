//! Stopping, killing, restarting.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::time::timeout;

use super::signal::signal_number;
use super::state::Status;
use super::{Container, Record};
use crate::engine::Engine;
use crate::error::{EngineError, Result};

/// How long `stop` waits before it kills; Docker's default.
const STOP_TIMEOUT: Duration = Duration::from_secs(10);

/// How long a killed process may take to be gone before the engine says so.
const KILL_TIMEOUT: Duration = Duration::from_secs(10);

/// How long the end of a process may take to be known that no signal reaches any more.
const DEAD_TIMEOUT: Duration = Duration::from_secs(2);

const SIGKILL: i32 = nix::libc::SIGKILL;
const SIGTERM: i32 = nix::libc::SIGTERM;

/// Whether a stop changed anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stopped {
    Now,
    WasStopped,
}

/// Who wants a container to end. What its user has stopped no policy starts again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Asker {
    User,
    /// At its own end; what it stops runs again with the next engine, if its policy says so.
    Engine,
}

impl Engine {
    /// Asks a container to end, and kills it after `seconds` (negative: never); one
    /// that does not run is left alone.
    pub(crate) async fn stop_container(
        &self,
        container: &Arc<Container>,
        signal: Option<&str>,
        seconds: Option<i64>,
        asker: Asker,
    ) -> Result<Stopped> {
        let record = container.settled().await;
        if !record.counts_as_running() {
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
            let stopped = engine.stop_now(&container, signal, patience, asker).await?;
            if stopped == Stopped::Now {
                engine.container_event(&container, "stop", []);
            }
            Ok(stopped)
        })
        .await
    }

    async fn stop_now(
        &self,
        container: &Arc<Container>,
        signal: i32,
        patience: Option<Duration>,
        asker: Asker,
    ) -> Result<Stopped> {
        loop {
            if self.cancel_restart(container, asker).await? {
                return Ok(Stopped::Now);
            }
            match self.signal(container, signal, Purpose::End(asker)).await {
                Ok(()) => break,
                // It has ended by itself, and may have begun to wait for its restart.
                Err(EngineError::NotRunning(_)) => {
                    if container.record.borrow().state.status != Status::Restarting
                        || asker == Asker::Engine
                    {
                        return Ok(Stopped::WasStopped);
                    }
                }
                Err(error) => {
                    let ended = timeout(DEAD_TIMEOUT, container.ended()).await;
                    return ended.map(|()| Stopped::Now).map_err(|_| error);
                }
            }
        }
        match patience {
            Some(patience) => {
                if timeout(patience, container.ended()).await.is_err() {
                    self.kill_and_wait(container, asker).await?;
                }
            }
            None => container.ended().await,
        }
        Ok(Stopped::Now)
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
        let record = container.settled().await;
        let purpose = Purpose::of(signal, &record);
        if !record.counts_as_running() {
            return Err(EngineError::NotRunning(container.id.clone()));
        }
        if purpose != Purpose::Tell && self.cancel_restart(container, Asker::User).await? {
            return Ok(());
        }
        if signal == SIGKILL {
            self.kill_and_wait(container, Asker::User).await
        } else {
            self.signal(container, signal, purpose).await
        }
    }

    /// Stops, then starts.
    pub(crate) async fn restart_container(
        &self,
        container: &Arc<Container>,
        signal: Option<&str>,
        seconds: Option<i64>,
    ) -> Result<()> {
        let (engine, container) = (self.clone(), Arc::clone(container));
        let signal = signal.map(str::to_owned);
        // As a whole: a client that goes away must not leave it stopped.
        self.run_to_end(async move {
            // This end is not yet the one at which `--rm` removes it.
            container.restarting.store(true, Ordering::Release);
            let signal = signal.as_deref();
            let stopped = engine.stop_container(&container, signal, seconds, Asker::User).await;
            container.restarting.store(false, Ordering::Release);
            stopped?;
            engine.start_container(&container).await?;
            engine.container_event(&container, "restart", []);
            Ok(())
        })
        .await
    }

    async fn signal(
        &self,
        container: &Arc<Container>,
        signal: i32,
        purpose: Purpose,
    ) -> Result<()> {
        // Held until all is told: the end that the signal brings is told after it.
        let mut change = self.change(container).await?;
        if !change.record.running() {
            return Err(EngineError::NotRunning(container.id.clone()));
        }
        if purpose == Purpose::End(Asker::User) {
            change.record.state.stopped_by_user = true;
            if change.record.has_restart_policy() {
                change.keep().await?;
            } else {
                // Nobody asks before the end, which is written down anyway.
                change.show();
            }
        }
        container.shim.signal(signal).await?;
        self.container_event(container, "kill", [("signal", signal.to_string())]);
        // What stands still takes note of a signal when it goes on, but for SIGKILL.
        let paused = change.record.state.status == Status::Paused;
        if paused && purpose != Purpose::Tell && signal != SIGKILL {
            self.unpause(container, &mut change).await?;
        }
        Ok(())
    }

    pub(super) async fn kill_and_wait(
        &self,
        container: &Arc<Container>,
        asker: Asker,
    ) -> Result<()> {
        if let Err(error) = self.signal(container, SIGKILL, Purpose::End(asker)).await {
            // The shim may be gone because the container just ended.
            if container.record().running()
                && timeout(KILL_TIMEOUT, container.ended()).await.is_err()
            {
                return Err(error);
            }
            return Ok(());
        }
        timeout(KILL_TIMEOUT, container.ended()).await.map_err(|_| EngineError::Shim {
            container_id: container.id.clone(),
            message: format!("the process did not end within {KILL_TIMEOUT:?} of SIGKILL"),
        })
    }
}

/// What a signal is sent for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Purpose {
    /// The container is to end.
    End(Asker),
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
            _ => Self::End(Asker::User),
        }
    }
}

impl Container {
    /// Waits until it has no process. Cancel safe.
    async fn ended(&self) {
        // The sender lives in `self`, so the channel cannot close meanwhile.
        drop(self.watch().wait_for(|record| !record.running()).await.map(drop));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::container::record::tests_support::record;

    #[test]
    fn a_signal_ends_what_does_not_say_how_it_is_stopped() {
        let end = Purpose::End(Asker::User);
        let mut record = record();
        assert_eq!(Purpose::of(1, &record), end);
        record.config.stop_signal = Some("SIGQUIT".to_owned());
        assert_eq!(Purpose::of(1, &record), Purpose::Tell);
        assert_eq!(Purpose::of(3, &record), end);
        assert_eq!(Purpose::of(SIGKILL, &record), end);
    }
}
