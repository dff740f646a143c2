//! `create` and `run`.

use std::fs::canonicalize;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use naru_runtime::{CreateRequest, Created, Gate};
use oci_spec::runtime::{Process, Spec};

use super::foreground::{self, own_streams};
use super::{delete, start};
use crate::arguments::{CreateArguments, Global, ProcessArguments};
use crate::console;
use crate::error::{OciError, Result};
use crate::log::Log;
use crate::process::ProcessId;
use crate::store::{Container, Locked, Record, Store, read, replace};

/// Makes a container whose process waits at its gate.
pub(crate) fn create(store: &Store, global: &Global, arguments: &CreateArguments) -> Result<()> {
    let (mut container, _locked, spec) = reserve(store, global, arguments, true)?;
    let made = Gate::bind(container.directory())
        .map_err(OciError::from)
        .and_then(|gate| make(&mut container, &spec, arguments, Some(gate)));
    match made {
        Ok(created) => {
            created.leave();
            Ok(())
        }
        Err(error) => {
            // The first error is the one to tell.
            drop(container.remove());
            Err(error)
        }
    }
}

/// Makes a container and starts it.
pub(crate) fn run(
    store: &Store,
    global: &Global,
    arguments: &CreateArguments,
    detach: bool,
    log: &Log,
) -> Result<u8> {
    let (mut container, locked, spec) = reserve(store, global, arguments, detach)?;
    let started = make(&mut container, &spec, arguments, None).and_then(|created| {
        let process = created.start()?;
        start::started(&container, &spec)?;
        Ok(process)
    });
    let process = match started {
        Ok(process) => process,
        Err(error) => {
            drop(delete::take_away(&container, log));
            return Err(error);
        }
    };
    drop(locked);
    if detach {
        return Ok(0);
    }
    let status = foreground::wait(process);
    // Somebody else may have deleted it, which is what was to be done.
    let Ok(container) = store.find(&arguments.id) else { return status };
    let _locked = container.lock()?;
    delete::take_away(&container, log)?;
    status
}

/// Reads the specification and takes the id.
fn reserve(
    store: &Store,
    global: &Global,
    arguments: &CreateArguments,
    detach: bool,
) -> Result<(Container, Locked, Spec)> {
    refuse_unsupported(global, arguments)?;
    let bundle = canonicalize(&arguments.bundle)
        .map_err(OciError::io("opening bundle", &arguments.bundle))?;
    let spec: Spec = read(&bundle.join("config.json"))?;
    check_terminal(&spec, &arguments.process, detach)?;
    let record = Record {
        id: arguments.id.clone(),
        cgroup: cgroup_path(&arguments.id, &spec)?,
        bundle,
        created: Timestamp::now().to_string(),
        process: None,
    };
    let (container, locked) = store.reserve(record, &spec)?;
    Ok((container, locked, spec))
}

/// Makes the process, and tells everybody who wants to know.
fn make(
    container: &mut Container,
    spec: &Spec,
    arguments: &CreateArguments,
    gate: Option<Gate>,
) -> Result<Created> {
    let process = &arguments.process;
    let mut created = naru_runtime::create(CreateRequest {
        id: &container.record.id,
        spec,
        bundle: &container.record.bundle,
        stdio: own_streams()?,
        preserved: process.preserve_fds,
        supervised: false,
        gate,
    })?;
    tell(&mut created, process)?;
    container.record.process = ProcessId::now(created.pid());
    container.save()?;
    Ok(created)
}

/// Hands out the terminal and the process's id.
pub(super) fn tell(created: &mut Created, arguments: &ProcessArguments) -> Result<()> {
    if let (Some(socket), Some(console)) = (&arguments.console_socket, created.take_console()) {
        console::send(socket, console.as_fd())?;
    }
    match &arguments.pid_file {
        Some(path) => replace(path, created.pid().to_string().as_bytes()),
        None => Ok(()),
    }
}

fn refuse_unsupported(global: &Global, arguments: &CreateArguments) -> Result<()> {
    let refused = [
        (
            global.systemd_cgroup,
            "--systemd-cgroup is not supported: use the cgroupfs manager, which needs no systemd",
        ),
        (
            arguments.no_new_keyring,
            "--no-new-keyring is not supported: the container would see the caller's keys",
        ),
    ];
    let found = refused.iter().find(|(asked, _)| *asked);
    found.map_or(Ok(()), |(_, reason)| Err(OciError::Unsupported((*reason).to_owned())))
}

fn check_terminal(spec: &Spec, arguments: &ProcessArguments, detach: bool) -> Result<()> {
    let has_terminal = spec.process().as_ref().and_then(Process::terminal);
    terminal_goes_somewhere(has_terminal.unwrap_or(false), arguments, detach)
}

/// A terminal needs someone to be its other side.
pub(super) fn terminal_goes_somewhere(
    has_terminal: bool,
    arguments: &ProcessArguments,
    detach: bool,
) -> Result<()> {
    match (has_terminal, arguments.console_socket.is_some(), detach) {
        (true, false, true) => Err(OciError::Invalid(
            "cannot allocate tty if the command will detach without setting console socket"
                .to_owned(),
        )),
        (true, false, false) => Err(OciError::Unsupported(
            "a terminal in the foreground is not supported: give a --console-socket".to_owned(),
        )),
        (false, true, _) => Err(OciError::Invalid(
            "cannot use console socket if the command will not allocate tty".to_owned(),
        )),
        _ => Ok(()),
    }
}

fn cgroup_path(id: &str, spec: &Spec) -> Result<PathBuf> {
    let path = spec.linux().as_ref().and_then(|linux| linux.cgroups_path().clone());
    let Some(path) = path else { return Ok(id.into()) };
    if is_slice(&path) {
        return Err(OciError::Unsupported(format!(
            "cgroup path {} is for systemd, which is not supported: use the cgroupfs manager",
            path.display()
        )));
    }
    Ok(path)
}

/// `slice:prefix:name`
fn is_slice(path: &Path) -> bool {
    path.to_string_lossy().matches(':').count() == 2
}
