//! A Naru process that owns a machine, as another one finds it; its machine is a native engine.
//!
//! It holds the owner's lock and serves the control socket, one JSON object a line, as
//! `naru_app`'s own owner does. Docker's socket is the engine's own.

use std::fs::{DirBuilder, File, remove_dir_all};
use std::os::unix::fs::{DirBuilderExt, symlink};
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Context;
use naru_app::Directories;
use naru_error::ErrorKind;
use naru_ipc::{IpcError, MachineState, MachineStatus};
use naru_test_framework::NativeEngine;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::watch;
use tokio::task::spawn_blocking;
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::TaskTracker;

/// A machine with its owner; both end with it.
#[derive(Debug)]
pub(crate) struct Owner {
    machine: Machine,
    _ends: DropGuard,
    _lock: File,
}

#[derive(Clone, Debug)]
struct Machine {
    engine: Arc<Mutex<NativeEngine>>,
    status: watch::Sender<MachineStatus>,
    tasks: TaskTracker,
    cancel: CancellationToken,
}

impl Owner {
    /// Takes the ownership in `directories`, of which nobody knows yet.
    pub(crate) fn serve(directories: &Directories, engine: NativeEngine) -> anyhow::Result<Self> {
        let runtime = &directories.runtime;
        DirBuilder::new().recursive(true).mode(0o700).create(runtime)?;
        let lock = File::create(runtime.join("owner.lock"))?;
        lock.try_lock()?;
        symlink(engine.socket(), runtime.join("docker.sock"))?;
        let control = UnixListener::bind(runtime.join("control.sock"))?;
        let machine = Machine {
            engine: Arc::new(Mutex::new(engine)),
            status: watch::channel(status(MachineState::Running)).0,
            tasks: TaskTracker::new(),
            cancel: CancellationToken::new(),
        };
        let cancel = machine.cancel.clone();
        machine.spawn(machine.clone().accept(control));
        Ok(Self { machine, _ends: cancel.drop_guard(), _lock: lock })
    }

    /// Runs `work` with the engine.
    pub(crate) fn with_engine<T>(&self, work: impl FnOnce(&mut NativeEngine) -> T) -> T {
        work(&mut self.machine.engine.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Machine {
    fn spawn(&self, work: impl Future<Output = ()> + Send + 'static) {
        let cancel = self.cancel.clone();
        self.tasks.spawn(async move { cancel.run_until_cancelled(work).await });
    }

    async fn accept(self, control: UnixListener) {
        while let Ok((stream, _)) = control.accept().await {
            let machine = self.clone();
            // Its client went away, which it may.
            self.spawn(async move { drop(machine.answer(stream).await) });
        }
    }

    async fn answer(self, stream: UnixStream) -> anyhow::Result<()> {
        let (read, mut write) = stream.into_split();
        let mut lines = BufReader::new(read).lines();
        let line = lines.next_line().await?.context("a request has one line")?;
        let request: Value = serde_json::from_str(&line)?;
        let mut statuses = self.status.subscribe();
        let now = statuses.borrow_and_update().clone();
        let mut send = async |reply: Value| write.write_all(format!("{reply}\n").as_bytes()).await;
        match request["operation"].as_str().unwrap_or_default() {
            "start" => send(self.turn(MachineState::Starting).await).await?,
            "stop" => send(self.turn(MachineState::Stopping).await).await?,
            "reset" => send(self.reset().await).await?,
            "status" => send(told(&now)).await?,
            _ => loop {
                let status = statuses.borrow_and_update().clone();
                send(told(&status)).await?;
                tokio::select! {
                    changed = statuses.changed() => changed?,
                    _end = lines.next_line() => return Ok(()),
                }
            },
        }
        Ok(())
    }

    /// Stops the engine, and throws away all that it keeps.
    async fn reset(&self) -> Value {
        let stopped = self.turn(MachineState::Stopping).await;
        if stopped["reply"] != "done" {
            return stopped;
        }
        let root = self.engine.lock().unwrap_or_else(PoisonError::into_inner).root();
        match spawn_blocking(move || remove_dir_all(root)).await {
            Ok(Ok(())) => stopped,
            failed => {
                let error = IpcError::new(ErrorKind::Internal, format!("{failed:?}"));
                json!({ "reply": "failed", "error": error })
            }
        }
    }

    /// Starts or stops the engine, unless it is so already.
    async fn turn(&self, on_the_way: MachineState) -> Value {
        let start = on_the_way == MachineState::Starting;
        self.status.send_replace(status(on_the_way));
        let engine = Arc::clone(&self.engine);
        let turned = spawn_blocking(move || {
            let mut engine = engine.lock().unwrap_or_else(PoisonError::into_inner);
            match (start, engine.pid()) {
                (true, None) => engine.restart(),
                (false, Some(_)) => engine.stop(),
                _ => Ok(()),
            }
        });
        match turned.await {
            Ok(Ok(())) => {
                let state = if start { MachineState::Running } else { MachineState::Stopped };
                self.status.send_replace(status(state));
                json!({ "reply": "done" })
            }
            failed => {
                let error = IpcError::new(ErrorKind::Internal, format!("{failed:?}"));
                let status =
                    MachineStatus { error: Some(error.clone()), ..status(MachineState::Failed) };
                self.status.send_replace(status);
                json!({ "reply": "failed", "error": error })
            }
        }
    }
}

fn told(status: &MachineStatus) -> Value {
    json!({ "reply": "status", "status": status })
}

fn status(state: MachineState) -> MachineStatus {
    MachineStatus {
        state,
        steps: Vec::new(),
        accelerator: None,
        advice: Vec::new(),
        carrier: None,
        error: None,
        console_tail: Vec::new(),
    }
}
