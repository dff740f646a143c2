//! Programs that are run at certain moments of a container's life.
//!
//! ```text
//! namespaces, mounts ─► prestart, createRuntime (outside) ─► createContainer (inside) ─► root
//! started ─► startContainer (inside) ─► exec        poststart, poststop (outside): the caller's
//! ```
//!
//! Each gets the container's state on its standard input. What it says is kept for the error.

use std::fs::File;
use std::io::{self, Read, Seek, Write};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, ExitStatus};

use oci_spec::runtime::{ContainerState, Hook, Spec, State};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{MemfdFlags, memfd_create};
use rustix::io::retry_on_intr;
use rustix::process::{Pid, PidfdFlags, getpid, pidfd_open};

use crate::channel::{Channel, Report};
use crate::error::{Result, RuntimeError};
use crate::sys;

/// As much of what a hook says as an error repeats.
const SAID_MAX: u64 = 1024;

/// When a hook is run, in the specification's words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HookKind {
    /// Before the older moment's name went out of use; runs with `createRuntime`.
    Prestart,
    /// The container is there, its root not yet.
    CreateRuntime,
    /// The same, inside.
    CreateContainer,
    /// Just before the program, inside.
    StartContainer,
    /// The program runs.
    Poststart,
    /// The container is gone.
    Poststop,
}

impl HookKind {
    fn name(self) -> &'static str {
        match self {
            Self::Prestart => "prestart",
            Self::CreateRuntime => "createRuntime",
            Self::CreateContainer => "createContainer",
            Self::StartContainer => "startContainer",
            Self::Poststart => "poststart",
            Self::Poststop => "poststop",
        }
    }

    /// The hooks of this kind.
    fn of(self, spec: &Spec) -> &[Hook] {
        let Some(hooks) = spec.hooks() else { return &[] };
        let list = match self {
            Self::Prestart => hooks.prestart(),
            Self::CreateRuntime => hooks.create_runtime(),
            Self::CreateContainer => hooks.create_container(),
            Self::StartContainer => hooks.start_container(),
            Self::Poststart => hooks.poststart(),
            Self::Poststop => hooks.poststop(),
        };
        list.as_deref().unwrap_or_default()
    }
}

/// A container's state, as its hooks get it.
pub fn state(id: &str, spec: &Spec, bundle: &Path, status: ContainerState, pid: i32) -> State {
    let mut state = State::default();
    state
        .set_version(spec.version().clone())
        .set_id(id.to_owned())
        .set_status(status)
        .set_pid((pid > 0).then_some(pid))
        .set_bundle(bundle.to_owned())
        .set_annotations(spec.annotations().clone());
    state
}

/// Runs the hooks of one kind in their order. The first that fails is the last, unless they
/// clean up: then the others are run all the same.
pub fn run_hooks(kind: HookKind, spec: &Spec, state: &State) -> Result<()> {
    if kind != HookKind::Poststop {
        return run_all(kind, kind.of(spec), state);
    }
    let run = kind.of(spec).iter().map(|hook| run_all(kind, std::slice::from_ref(hook), state));
    run.fold(Ok(()), Result::and)
}

fn run_all(kind: HookKind, hooks: &[Hook], state: &State) -> Result<()> {
    for hook in hooks {
        run(hook, state).map_err(|reason| RuntimeError::Hook {
            kind: kind.name().to_owned(),
            path: hook.path().display().to_string(),
            reason,
        })?;
    }
    Ok(())
}

/// The hooks of a container that is being made.
#[derive(Clone, Debug, Default)]
pub(crate) struct HookPlan {
    outside: Vec<(HookKind, Hook)>,
    create_container: Vec<Hook>,
    start_container: Vec<Hook>,
    state: State,
}

impl HookPlan {
    pub(crate) fn from_spec(id: &str, spec: &Spec, bundle: &Path) -> Result<Self> {
        let kinds = [
            HookKind::Prestart,
            HookKind::CreateRuntime,
            HookKind::CreateContainer,
            HookKind::StartContainer,
            HookKind::Poststart,
            HookKind::Poststop,
        ];
        for hook in kinds.into_iter().flat_map(|kind| kind.of(spec)) {
            if !hook.path().is_absolute() || hook.timeout().is_some_and(|seconds| seconds <= 0) {
                let path = hook.path().display();
                return Err(RuntimeError::invalid(format!(
                    "hook {path} needs an absolute path and a timeout above zero"
                )));
            }
        }
        let outside = kinds[..2]
            .iter()
            .flat_map(|kind| kind.of(spec).iter().map(|hook| (*kind, hook.clone())));
        Ok(Self {
            outside: outside.collect(),
            create_container: HookKind::CreateContainer.of(spec).to_vec(),
            start_container: HookKind::StartContainer.of(spec).to_vec(),
            state: state(id, spec, bundle, ContainerState::Creating, 0),
        })
    }

    /// In the parent: what the child asks for with [`Report::Prepared`].
    pub(crate) fn run_outside(&self, pid: Pid) -> Result<()> {
        let mut state = self.state.clone();
        state.set_pid(Some(pid.as_raw_pid()));
        for (kind, hook) in &self.outside {
            run_all(*kind, std::slice::from_ref(hook), &state)?;
        }
        Ok(())
    }

    /// In the child, whose root is still the host's.
    pub(crate) fn before_pivot(&self, channel: &Channel) -> Result<()> {
        let asks = || channel.report(&Report::Prepared, None).is_ok() && channel.await_release();
        if !self.outside.is_empty() && !asks() {
            sys::exit_now(1);
        }
        run_all(HookKind::CreateContainer, &self.create_container, &self.inside())
    }

    /// In the child, as the program's user.
    pub(crate) fn before_start(&self) -> Result<()> {
        let mut state = self.inside();
        state.set_status(ContainerState::Created);
        run_all(HookKind::StartContainer, &self.start_container, &state)
    }

    fn inside(&self) -> State {
        let mut state = self.state.clone();
        state.set_pid(Some(getpid().as_raw_pid()));
        state
    }
}

fn run(hook: &Hook, state: &State) -> std::result::Result<(), String> {
    let mut said = memory_file().map_err(|error| error.to_string())?;
    let status = attempt(hook, state, &said).map_err(|error| error.to_string())?;
    let ended = match status {
        Some(status) if status.success() => return Ok(()),
        Some(status) => status.to_string(),
        None => format!("it did not end within {} s", hook.timeout().unwrap_or_default()),
    };
    let mut text = Vec::new();
    let read = said.rewind().and_then(|()| (&mut said).take(SAID_MAX).read_to_end(&mut text));
    match read {
        Ok(1..) => Err(format!("{ended}: {}", String::from_utf8_lossy(&text).trim())),
        _ => Err(ended),
    }
}

/// `None` is a hook that took too long and was killed.
fn attempt(hook: &Hook, state: &State, said: &File) -> io::Result<Option<ExitStatus>> {
    let mut input = memory_file()?;
    input.write_all(&serde_json::to_vec(state)?)?;
    input.rewind()?;
    let mut arguments = hook.args().iter().flatten();
    let mut command = Command::new(hook.path());
    if let Some(name) = arguments.next() {
        command.arg0(name);
    }
    let environment = hook.env().iter().flatten().filter_map(|entry| entry.split_once('='));
    // Files, and not pipes: a hook that does not read its input, or says very much, must not
    // make anybody wait.
    command.args(arguments).env_clear().envs(environment).stdin(input);
    let mut child = command.stdout(said.try_clone()?).stderr(said.try_clone()?).spawn()?;
    let patience = hook.timeout().map(|seconds| Timespec { tv_sec: seconds, tv_nsec: 0 });
    if !has_ended_within(&child, patience.as_ref())? {
        child.kill()?;
        child.wait()?;
        return Ok(None);
    }
    child.wait().map(Some)
}

fn has_ended_within(child: &Child, patience: Option<&Timespec>) -> io::Result<bool> {
    let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
    let pid = pid.ok_or(io::ErrorKind::InvalidData)?;
    let pidfd = pidfd_open(pid, PidfdFlags::empty())?;
    let mut polled = [PollFd::new(&pidfd, PollFlags::IN)];
    Ok(retry_on_intr(|| poll(&mut polled, patience))? > 0)
}

fn memory_file() -> io::Result<File> {
    Ok(memfd_create("hook", MemfdFlags::CLOEXEC)?.into())
}
