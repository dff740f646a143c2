//! Looking after the health of running containers: one task for each that has a check.
//!
//! A probe is an exec like any other. It is always seen to its end, so that no process of it
//! is left; an answer that comes when the container is paused or has ended is dropped.

use std::sync::{Arc, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use tokio::io::{AsyncRead, AsyncReadExt as _};
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::exec::{Exec, ExecCreate, ExecState};
use super::health::{HealthCheck, HealthStatus, Probe};
use super::state::Status;
use super::{AttachStreams, Container};
use crate::engine::Engine;
use crate::error::{EngineError, Result};
use crate::spec::ExecRequest;

/// How much of a probe's output is kept; Docker's number.
const OUTPUT_MAX: usize = 4096;

/// How long a probe may take to begin, which its own time limit does not count.
const START_LIMIT: Duration = Duration::from_secs(30);

/// How long a probe that was killed may take to be gone.
const KILL_LIMIT: Duration = Duration::from_secs(10);

impl Engine {
    /// Looks after a container from now on, if it has a check; whoever did so before stops.
    pub(super) fn watch_health(&self, container: &Arc<Container>) {
        let ended = container.end_health_watch();
        let Some(check) = container.record.borrow().health_check() else { return };
        let (engine, container) = (self.clone(), Arc::clone(container));
        self.tasks().spawn(async move {
            loop {
                tokio::select! {
                    () = sleep(next_probe(&container, &check)) => {}
                    () = ended.cancelled() => return,
                    () = engine.closing().cancelled() => return,
                }
                let probe = engine.probe(&container, &check).await;
                engine.judge(&container, &check, probe, &ended).await;
            }
        });
    }

    /// The container runs, or runs still under a new engine: its health is to be found out.
    pub(super) async fn begin_health(&self, container: &Arc<Container>) -> Result<()> {
        let mut change = self.change(container).await?;
        if change.record.state.status == Status::Running {
            change.record.begin_health();
            change.show();
            self.watch_health(container);
        }
        Ok(())
    }

    async fn judge(
        &self,
        container: &Container,
        check: &HealthCheck,
        probe: Probe,
        ended: &CancellationToken,
    ) {
        let Ok(mut change) = self.change(container).await else { return };
        let state = &mut change.record.state;
        let (Some(health), Some(started)) = (&mut state.health, state.started_at) else { return };
        // Asked with the record in hand, which whoever ends the watch has, too.
        if ended.is_cancelled() {
            return;
        }
        let before = health.status;
        health.take(probe, check, started);
        let after = health.status;
        // Not written, so that a healthy container costs the disk nothing; a new engine
        // finds it out anew.
        change.show();
        if before != after {
            self.container_event(container, &format!("health_status: {}", after.as_str()), []);
        }
    }

    async fn probe(&self, container: &Arc<Container>, check: &HealthCheck) -> Probe {
        let start = Timestamp::now();
        let create = ExecCreate {
            request: ExecRequest { command: check.command.clone(), ..ExecRequest::default() },
            streams: AttachStreams { stdin: false, stdout: true, stderr: true },
            detach_keys: String::new(),
        };
        let answered = match self.create_exec(container, &container.id, create) {
            Ok(exec) => {
                let answered = self.run_probe(&exec, check.timeout).await;
                self.execs().forget(&exec.id);
                answered
            }
            Err(error) => Err(error),
        };
        let (exit_code, output) = answered.unwrap_or_else(|error| (-1, naru_error::chain(&error)));
        Probe { start, end: Timestamp::now(), exit_code, output }
    }

    /// The probe's exit code, and what it said.
    async fn run_probe(&self, exec: &Arc<Exec>, limit: Duration) -> Result<(i32, String)> {
        let failed = |message: &str| EngineError::Shim {
            container_id: exec.container.id.clone(),
            message: message.to_owned(),
        };
        let mut stream = timeout(START_LIMIT, self.start_exec(exec, true, None))
            .await
            .map_err(|_| failed("timed out starting the health check"))??
            .ok_or_else(|| failed("the health check has no output"))?;
        let mut output = Output::default();
        let finished = async {
            let read = output.read(&mut stream).await;
            exec.exited().await;
            read
        };
        if let Ok(read) = timeout(limit, finished).await {
            read.map_err(EngineError::io("reading the output of", "a health check"))?;
        } else {
            // It may just have ended.
            drop(exec.shim.signal(nix::libc::SIGKILL).await);
            if timeout(KILL_LIMIT, exec.exited()).await.is_err() {
                tracing::warn!(exec_id = exec.id, "a health check does not end");
            }
            let said = output.text();
            let colon = if said.is_empty() { "" } else { ": " };
            let limit = go_duration(limit);
            return Ok((-1, format!("Health check exceeded timeout ({limit}){colon}{said}")));
        }
        match exec.state() {
            ExecState::Exited { code } => Ok((code, output.text())),
            ExecState::Created | ExecState::Running { .. } => {
                Err(failed("the health check has no exit code"))
            }
        }
    }
}

impl Container {
    /// Ends the watch over its health, if there is one; gives the token of the next.
    pub(super) fn end_health_watch(&self) -> CancellationToken {
        let next = CancellationToken::new();
        let mut watch = self.health_watch.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::replace(&mut *watch, next.clone()).cancel();
        next
    }
}

fn next_probe(container: &Container, check: &HealthCheck) -> Duration {
    let record = container.record.borrow();
    let started = record.state.started_at.unwrap_or(Timestamp::UNIX_EPOCH);
    let run = Timestamp::now().duration_since(started).try_into().unwrap_or(Duration::ZERO);
    let status = record.state.health.as_ref().map_or(HealthStatus::Starting, |h| h.status);
    check.next(run, status)
}

/// What a probe says, as far as it is kept.
#[derive(Debug, Default)]
struct Output {
    bytes: Vec<u8>,
    truncated: bool,
}

impl Output {
    /// Reads an attach stream to its end: a frame's header has its length in its last half.
    async fn read(&mut self, stream: &mut (impl AsyncRead + Unpin)) -> std::io::Result<()> {
        let mut header = [0; 8];
        loop {
            match stream.read_exact(&mut header).await {
                Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => return Ok(()),
                read => read?,
            };
            let [.., a, b, c, d] = header;
            let mut frame = (&mut *stream).take(u32::from_be_bytes([a, b, c, d]).into());
            let mut part = [0; OUTPUT_MAX];
            loop {
                match frame.read(&mut part).await? {
                    0 => break,
                    length => self.keep(&part[..length]),
                }
            }
        }
    }

    fn keep(&mut self, data: &[u8]) {
        let room = OUTPUT_MAX - self.bytes.len();
        self.truncated |= data.len() > room;
        self.bytes.extend_from_slice(&data[..data.len().min(room)]);
    }

    fn text(&self) -> String {
        let text = String::from_utf8_lossy(&self.bytes).into_owned();
        if self.truncated { text + "..." } else { text }
    }
}

/// A duration as Go writes it: `1m30s`, `1.5s`, `100ms`.
fn go_duration(duration: Duration) -> String {
    let fraction = |whole: u64, part: u32, digits: usize, unit: &str| {
        let part = format!("{part:0digits$}");
        match part.trim_end_matches('0') {
            "" => format!("{whole}{unit}"),
            part => format!("{whole}.{part}{unit}"),
        }
    };
    let (seconds, nanos) = (duration.as_secs(), duration.subsec_nanos());
    if seconds == 0 {
        return fraction((nanos / 1_000_000).into(), nanos % 1_000_000, 6, "ms");
    }
    let (hours, minutes) = (seconds / 3600, seconds / 60 % 60);
    let rest = fraction(seconds % 60, nanos, 9, "s");
    match (hours, minutes) {
        (0, 0) => rest,
        (0, minutes) => format!("{minutes}m{rest}"),
        (hours, minutes) => format!("{hours}h{minutes}m{rest}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_read_as_gos() {
        for (milliseconds, text) in [
            (100, "100ms"),
            (30_000, "30s"),
            (1500, "1.5s"),
            (90_000, "1m30s"),
            (3_600_000, "1h0m0s"),
        ] {
            assert_eq!(go_duration(Duration::from_millis(milliseconds)), text);
        }
        assert_eq!(go_duration(Duration::from_micros(1500)), "1.5ms");
    }

    #[tokio::test]
    async fn output_is_cut_where_docker_cuts_it() {
        let mut stream = Vec::new();
        for (source, length) in [(1, 4000_u32), (2, 100)] {
            stream.extend_from_slice(&[source, 0, 0, 0]);
            stream.extend_from_slice(&length.to_be_bytes());
            stream.extend(std::iter::repeat_n(b'x', length as usize));
        }
        let mut output = Output::default();
        output.read(&mut stream.as_slice()).await.unwrap();
        assert_eq!(output.text(), "x".repeat(OUTPUT_MAX) + "...");
        let mut output = Output::default();
        output.read(&mut &stream[..4008]).await.unwrap();
        assert_eq!(output.text(), "x".repeat(4000));
    }
}
