//! Execs: further processes in a running container.
//!
//! ```text
//! Created ──start──► Running ──exit──► Exited
//!    └──start fails───────────────────► Exited(126, 127)
//! ```
//!
//! They live in memory only, as in Docker: an exec's process ends with its container,
//! and an engine that starts anew knows of none.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use naru_shim::wire::{ShimConfig, Target};
use tokio::net::UnixStream;
use tokio::sync::watch;
use tokio::time::sleep;

use super::create::random_id;
use super::shim::ShimAddress;
use super::{AttachStreams, Container};
use crate::engine::Engine;
use crate::error::{EngineError, Result};
use crate::spec::{ExecRequest, LayerFiles, RootParts, exec_process};

/// How long a client may still ask how an exec ended; Docker's number.
const KEPT_FOR: Duration = Duration::from_mins(5);

/// What `POST /containers/{id}/exec` asks for.
#[derive(Clone, Debug, Default)]
pub(crate) struct ExecCreate {
    pub(crate) request: ExecRequest,
    pub(crate) streams: AttachStreams,
    pub(crate) detach_keys: String,
}

/// How an exec is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ExecState {
    Created,
    Running { pid: i32 },
    Exited { code: i32 },
}

/// One exec.
#[derive(Debug)]
pub(crate) struct Exec {
    pub(crate) id: String,
    pub(crate) container: Arc<Container>,
    pub(crate) create: ExecCreate,
    pub(crate) shim: ShimAddress,
    state: watch::Sender<ExecState>,
    /// Somebody has asked for its start, which happens once.
    claimed: AtomicBool,
}

/// All execs, by id.
#[derive(Debug, Default)]
pub(crate) struct Execs(Mutex<HashMap<String, Arc<Exec>>>);

impl Execs {
    pub(crate) fn find(&self, id: &str) -> Result<Arc<Exec>> {
        self.all().get(id).cloned().ok_or_else(|| EngineError::NoSuchExec(id.to_owned()))
    }

    /// The ids of a container's execs that have not ended.
    pub(crate) fn running_in(&self, container_id: &str) -> Vec<String> {
        let execs = self.all();
        let of_container = execs.values().filter(|exec| exec.container.id == container_id);
        of_container
            .filter(|exec| !matches!(exec.state(), ExecState::Exited { .. }))
            .map(|exec| exec.id.clone())
            .collect()
    }

    pub(super) fn forget(&self, id: &str) {
        self.all().remove(id);
    }

    pub(super) fn forget_container(&self, container_id: &str) {
        self.all().retain(|_, exec| exec.container.id != container_id);
    }

    fn all(&self) -> MutexGuard<'_, HashMap<String, Arc<Exec>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Exec {
    /// Whether it may still be started, before its connection is taken over.
    pub(crate) fn check_startable(&self) -> Result<()> {
        if self.claimed.load(Ordering::Acquire) {
            return Err(self.already_started());
        }
        self.container.check_execable(&self.container.id)
    }

    fn already_started(&self) -> EngineError {
        EngineError::Conflict(format!("exec command {} has already run", self.id))
    }

    pub(crate) fn state(&self) -> ExecState {
        *self.state.borrow()
    }

    /// Waits until it has been started, whatever came of it. Cancel safe.
    pub(crate) async fn started(&self) {
        let mut watch = self.state.subscribe();
        // The sender lives in `self`, so the channel cannot close meanwhile.
        drop(watch.wait_for(|state| *state != ExecState::Created).await.map(drop));
    }

    /// Waits for the end. Cancel safe.
    pub(crate) async fn exited(&self) {
        let mut watch = self.state.subscribe();
        // The sender lives in `self`, so the channel cannot close meanwhile.
        drop(watch.wait_for(|state| matches!(state, ExecState::Exited { .. })).await.map(drop));
    }
}

impl Engine {
    /// Makes an exec in a container, which its client has `named`; its process comes with
    /// [`Engine::start_exec`].
    pub(crate) fn create_exec(
        &self,
        container: &Arc<Container>,
        named: &str,
        create: ExecCreate,
    ) -> Result<Arc<Exec>> {
        if create.request.command.first().is_none_or(String::is_empty) {
            return Err(EngineError::Invalid("No exec command specified".to_owned()));
        }
        container.check_execable(named)?;
        // An unknown user is refused here, not in the stream.
        self.exec_process(container, &create.request)?;
        let id = random_id();
        let exec = Arc::new(Exec {
            shim: ShimAddress::new(&self.paths().run, &id),
            id,
            container: Arc::clone(container),
            create,
            state: watch::Sender::new(ExecState::Created),
            claimed: AtomicBool::new(false),
        });
        self.execs().all().insert(exec.id.clone(), Arc::clone(&exec));
        let command = command_line(&exec.create.request);
        let attributes = [("execID", exec.id.clone())];
        self.container_event(container, &format!("exec_create: {command}"), attributes);
        Ok(exec)
    }

    fn exec_process(
        &self,
        container: &Container,
        request: &ExecRequest,
    ) -> Result<oci_spec::runtime::Process> {
        let record = container.record();
        let directory = self.paths().container(&record.id);
        let image_id = record.image_id.parse().map_err(|error| {
            EngineError::Invalid(format!("image id {}: {error}", record.image_id))
        })?;
        let layers = self.images().layers(&image_id)?;
        let files = LayerFiles::of(RootParts {
            layers: &layers,
            upper: &directory.join("upper"),
            work: &directory.join("work"),
            directory: &directory,
        });
        exec_process(&record, &files, request)
    }

    /// Starts the exec's process; gives its stream when `attach` is set. The console
    /// size, where the client names one only now, goes before the one at creation.
    pub(crate) async fn start_exec(
        &self,
        exec: &Arc<Exec>,
        attach: bool,
        console_size: Option<Vec<usize>>,
    ) -> Result<Option<UnixStream>> {
        exec.check_startable()?;
        if exec.claimed.swap(true, Ordering::AcqRel) {
            return Err(exec.already_started());
        }
        // A client that goes away must not leave a process that nobody waits for.
        let (engine, exec) = (self.clone(), Arc::clone(exec));
        self.run_to_end(async move {
            let started = engine.launch_exec(&exec, attach, console_size).await;
            if let Err(error) = &started {
                let code = match error {
                    EngineError::Start { exit_code, .. } => *exit_code,
                    _ => 126,
                };
                engine.exec_ended(&exec, code);
            }
            started
        })
        .await
    }

    async fn launch_exec(
        &self,
        exec: &Arc<Exec>,
        attach: bool,
        console_size: Option<Vec<usize>>,
    ) -> Result<Option<UnixStream>> {
        let mut request = exec.create.request.clone();
        request.console_size = console_size.or(request.console_size);
        let process = self.exec_process(&exec.container, &request)?;
        let streams = exec.create.streams;
        let config = ShimConfig {
            id: exec.id.clone(),
            run_dir: exec.shim.directory().to_owned(),
            target: Target::Exec {
                container_pid: exec.container.record().state.pid,
                bundle: self.paths().container(&exec.container.id),
                process: Box::new(process),
            },
            tty: request.tty,
            open_stdin: streams.stdin,
            stdin_once: streams.stdin,
            log: None,
            exit_path: exec.shim.directory().join("exit.json"),
        };
        let (mut events, pid) = exec.shim.spawn(self.program(), &config, self.shims()).await?;
        let stream = if attach { Some(exec.shim.attach(streams).await?) } else { None };
        let started = events.start().await;
        started.map_err(|error| self.explained(error, &exec.container.record()))?;
        exec.state.send_replace(ExecState::Running { pid });
        let command = command_line(&request);
        let attributes = [("execID", exec.id.clone())];
        self.container_event(&exec.container, &format!("exec_start: {command}"), attributes);

        let (engine, exec) = (self.clone(), Arc::clone(exec));
        self.tasks().spawn(async move {
            let code = match events.exited().await {
                Ok(exit) => exit.code,
                Err(error) => {
                    tracing::warn!(exec_id = exec.id, %error, "an exec was lost");
                    128 + nix::libc::SIGKILL
                }
            };
            engine.exec_ended(&exec, code);
            let attributes = [("execID", exec.id.clone()), ("exitCode", code.to_string())];
            engine.container_event(&exec.container, "exec_die", attributes);
        });
        Ok(stream)
    }

    /// Keeps nothing of an exec but its exit code, and that not for ever.
    fn exec_ended(&self, exec: &Exec, code: i32) {
        exec.state.send_replace(ExecState::Exited { code });
        drop(std::fs::remove_dir_all(exec.shim.directory()));
        let (engine, id) = (self.clone(), exec.id.clone());
        self.tasks().spawn(async move {
            let kept = engine.closing().run_until_cancelled(sleep(KEPT_FOR)).await;
            if kept.is_some() {
                engine.execs().forget(&id);
            }
        });
    }
}

/// Docker's wording in events: a blank follows the program even when nothing else does.
fn command_line(request: &ExecRequest) -> String {
    match request.command.split_first() {
        Some((program, arguments)) => format!("{program} {}", arguments.join(" ")),
        None => String::new(),
    }
}
