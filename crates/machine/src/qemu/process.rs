//! The QEMU process, from its start to its exit.

use std::collections::VecDeque;
use std::fs::File;
use std::future::{Future, pending};
use std::io::{self, Read, Seek, SeekFrom};
#[cfg(unix)]
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::thread;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::process::{Child, Command};
use tokio::runtime::Handle;
use tokio::sync::{oneshot, watch};
use tokio::time::{Instant, sleep, timeout_at};
use tokio_util::task::TaskTracker;

use super::accelerator::FAILURE_MARKS;
use super::argv::render;
use super::monitor::{Monitor, Wire};
use crate::MachineError;
use crate::life::ExitReport;
use crate::lock::DiskLock;
use crate::spec::MachineSpec;

/// How long QEMU may take from its start to its monitor's greeting.
const MONITOR_DEADLINE: Duration = Duration::from_secs(30);

/// The pause before the monitor's socket is tried again. QEMU does not announce it.
const MONITOR_RETRY: Duration = Duration::from_millis(20);

/// How long the rest of QEMU's messages may take after it has exited: a process that
/// inherited the pipe could hold it open.
const DRAIN_DEADLINE: Duration = Duration::from_secs(2);

/// QEMU aborts itself when what it relies on breaks its word: the accelerator.
const SIGABRT: i32 = 6;

/// What is kept of QEMU's messages and of the serial log.
const TAIL: usize = 8 * 1024;

/// The last of what QEMU has printed, and whether its accelerator has failed.
#[derive(Debug)]
struct Output {
    tail: Mutex<VecDeque<u8>>,
    accelerator_failed: watch::Sender<bool>,
}

impl Output {
    fn push(&self, bytes: &[u8]) {
        let mut tail = self.tail.lock().unwrap_or_else(PoisonError::into_inner);
        tail.extend(bytes);
        let surplus = tail.len().saturating_sub(TAIL);
        tail.drain(..surplus);
        let text = String::from_utf8_lossy(tail.make_contiguous()).into_owned();
        drop(tail);
        if FAILURE_MARKS.iter().any(|mark| text.contains(mark)) {
            self.accelerator_failed.send_replace(true);
        }
    }

    fn text(&self) -> String {
        let mut tail = self.tail.lock().unwrap_or_else(PoisonError::into_inner);
        String::from_utf8_lossy(tail.make_contiguous()).trim_end().to_owned()
    }
}

/// A started QEMU.
pub(crate) struct Process {
    child: Child,
    /// The thread whose child QEMU is ends when this is dropped.
    _keeper: mpsc::Sender<()>,
    output: Arc<Output>,
    reading: TaskTracker,
    accelerator_failed: watch::Receiver<bool>,
    serial_log: PathBuf,
    serial_start: u64,
}

impl Process {
    /// Starts QEMU. It is killed when the value is dropped and, on Linux, when this
    /// process dies; on unix it holds the disk's lock as long as it lives.
    pub(crate) async fn start(spec: &MachineSpec, lock: &DiskLock) -> Result<Self, MachineError> {
        let program = spec.draft().qemu.clone();
        let failed = |source| MachineError::Spawn { program: spec.draft().qemu.clone(), source };
        let mut command = Command::new(&program);
        command.args(render(spec)).kill_on_drop(true).stderr(Stdio::piped());
        #[cfg(unix)]
        {
            // The monitor has a socket, so the standard input can carry the lock.
            command.stdin(lock.share()?).stdout(Stdio::null());
            // A signal to the app's terminal is the app's to handle.
            command.process_group(0);
        }
        #[cfg(not(unix))]
        {
            let _held_by_the_app_alone = lock;
            command.stdin(Stdio::piped()).stdout(Stdio::piped());
        }
        let serial_log = spec.draft().serial_log.clone();
        let serial_start = serial_log.metadata().map_or(0, |metadata| metadata.len());
        let (mut child, keeper) = spawn_kept(command).await.map_err(failed)?;
        let (accelerator_failed, failures) = watch::channel(false);
        let output = Arc::new(Output { tail: Mutex::default(), accelerator_failed });
        let reading = TaskTracker::new();
        if let Some(stderr) = child.stderr.take() {
            reading.spawn(collect(stderr, Arc::clone(&output)));
        }
        reading.close();
        Ok(Self {
            child,
            _keeper: keeper,
            output,
            reading,
            accelerator_failed: failures,
            serial_log,
            serial_start,
        })
    }

    /// The process's number; none once it is gone.
    pub(crate) fn pid(&self) -> Option<u32> {
        self.child.id()
    }

    /// Waits for QEMU's monitor, or for its end.
    pub(crate) async fn monitor(
        &mut self,
        spec: &MachineSpec,
        tasks: &TaskTracker,
    ) -> Result<Monitor, MachineError> {
        let deadline = Instant::now() + MONITOR_DEADLINE;
        let wire = self.monitor_wire(spec, deadline).await?;
        tokio::select! {
            negotiated = timeout_at(deadline, Monitor::negotiate(wire, tasks)) => match negotiated {
                Ok(Ok(monitor)) => return Ok(monitor),
                Ok(Err(error)) if !self.is_ending().await => return Err(error),
                Ok(Err(_)) => {}
                Err(_) => return Err(MachineError::MonitorSilent { waited: MONITOR_DEADLINE }),
            },
            _ = self.child.wait() => {}
        }
        Err(MachineError::Died { report: self.ended().await })
    }

    #[cfg(unix)]
    async fn monitor_wire(
        &mut self,
        spec: &MachineSpec,
        deadline: Instant,
    ) -> Result<Box<dyn Wire>, MachineError> {
        loop {
            if let Ok(stream) = tokio::net::UnixStream::connect(spec.qmp_socket()).await {
                return Ok(Box::new(stream));
            }
            tokio::select! {
                () = sleep(MONITOR_RETRY) => {}
                _ = self.child.wait() => {
                    return Err(MachineError::Died { report: self.ended().await });
                }
            }
            if Instant::now() >= deadline {
                return Err(MachineError::MonitorSilent { waited: MONITOR_DEADLINE });
            }
        }
    }

    /// Elsewhere the monitor is on the standard streams.
    #[cfg(not(unix))]
    async fn monitor_wire(
        &mut self,
        _: &MachineSpec,
        _: Instant,
    ) -> Result<Box<dyn Wire>, MachineError> {
        match (self.child.stdout.take(), self.child.stdin.take()) {
            (Some(stdout), Some(stdin)) => Ok(Box::new(tokio::io::join(stdout, stdin))),
            _ => Err(MachineError::MonitorSilent { waited: MONITOR_DEADLINE }),
        }
    }

    /// Whether QEMU ends about now: its monitor closes a moment before it exits.
    async fn is_ending(&mut self) -> bool {
        timeout_at(Instant::now() + DRAIN_DEADLINE, self.child.wait()).await.is_ok()
    }

    /// Waits for QEMU's end and reports it. Cancel safe.
    pub(crate) async fn ended(&mut self) -> ExitReport {
        let status = self.child.wait().await;
        drop(timeout_at(Instant::now() + DRAIN_DEADLINE, self.reading.wait()).await);
        let (code, signal) = match status {
            Ok(status) => (status.code(), signal_of(status)),
            Err(_) => (None, None),
        };
        let stderr_tail = self.output.text();
        ExitReport {
            code,
            signal,
            accelerator_failed: *self.accelerator_failed.borrow() || signal == Some(SIGABRT),
            stderr_tail,
            serial_tail: serial_tail(&self.serial_log, self.serial_start),
        }
    }

    /// Resolves when QEMU has said that its accelerator failed; it may hang after that
    /// rather than exit. Never resolves otherwise. Cancel safe.
    pub(crate) fn accelerator_failure(&self) -> impl Future<Output = ()> + Send + use<> {
        let mut failures = self.accelerator_failed.clone();
        async move {
            if failures.wait_for(|failed| *failed).await.is_err() {
                pending::<()>().await;
            }
        }
    }

    /// Kills QEMU; its end is still to be waited for.
    pub(crate) fn kill(&mut self) {
        // Fails only when it is gone already.
        drop(self.child.start_kill());
    }
}

/// Starts the command from a thread of its own that lives until the sender is dropped.
/// On Linux the child dies with that thread, and so with the process; a thread
/// of the runtime may end earlier.
async fn spawn_kept(mut command: Command) -> io::Result<(Child, mpsc::Sender<()>)> {
    let runtime = Handle::current();
    let (keeper, kept) = mpsc::channel::<()>();
    let (started, child) = oneshot::channel();
    thread::Builder::new().name("naru-qemu".to_owned()).spawn(move || {
        let spawned = {
            let _runtime = runtime.enter();
            #[cfg(target_os = "linux")]
            crate::sys::die_with_parent(&mut command);
            command.spawn()
        };
        // If nobody waits for it any more, the child is dropped here and killed.
        if started.send(spawned).is_ok() {
            let _ended = kept.recv();
        }
    })?;
    match child.await {
        Ok(spawned) => Ok((spawned?, keeper)),
        Err(_) => Err(io::ErrorKind::BrokenPipe.into()),
    }
}

async fn collect(mut stderr: impl AsyncRead + Unpin, output: Arc<Output>) {
    let mut buffer = vec![0; 4096];
    while let Ok(count @ 1..) = stderr.read(&mut buffer).await {
        tracing::debug!(said = %String::from_utf8_lossy(&buffer[..count]).trim_end(), "qemu");
        output.push(&buffer[..count]);
    }
}

#[cfg(unix)]
fn signal_of(status: ExitStatus) -> Option<i32> {
    status.signal()
}

#[cfg(not(unix))]
fn signal_of(_: ExitStatus) -> Option<i32> {
    None
}

/// The end of what this boot wrote to the serial log.
fn serial_tail(path: &Path, start: u64) -> String {
    let read = || -> io::Result<Vec<u8>> {
        let mut file = File::open(path)?;
        let length = file.metadata()?.len();
        file.seek(SeekFrom::Start(start.max(length.saturating_sub(TAIL as u64))))?;
        let mut tail = Vec::new();
        file.take(TAIL as u64).read_to_end(&mut tail)?;
        Ok(tail)
    };
    String::from_utf8_lossy(&read().unwrap_or_default()).trim_end().to_owned()
}
