//! `exec`.

use std::path::Path;

use naru_runtime::ExecRequest;
use oci_spec::runtime::{Process, Spec, User};

use super::create::{tell, terminal_goes_somewhere};
use super::foreground::{self, own_streams};
use crate::arguments::ExecArguments;
use crate::error::{OciError, Result};
use crate::store::{Status, Store, read};

/// Runs one more process in a container.
pub(crate) fn exec(store: &Store, arguments: &ExecArguments) -> Result<u8> {
    let container = store.find(&arguments.id)?;
    let status = container.status()?;
    let (Status::Created | Status::Running, Some(process)) = (status, container.record.process)
    else {
        return Err(OciError::WrongState {
            operation: "exec in",
            id: arguments.id.clone(),
            status: status.as_str(),
        });
    };
    let spec = container.spec()?;
    let wanted = match &arguments.process {
        Some(path) => from_file(path)?,
        None => from_words(&spec, arguments)?,
    };
    let has_terminal = wanted.terminal().unwrap_or(false);
    terminal_goes_somewhere(has_terminal, &arguments.process_arguments, arguments.detach)?;
    let mut created = naru_runtime::exec(ExecRequest {
        container: process.pid,
        process: &wanted,
        linux: spec.linux().as_ref(),
        stdio: own_streams()?,
        preserved: arguments.process_arguments.preserve_fds,
    })?;
    tell(&mut created, &arguments.process_arguments)?;
    let running = created.start()?;
    if arguments.detach { Ok(0) } else { foreground::wait(running) }
}

fn from_file(path: &Path) -> Result<Process> {
    read(path)
}

/// The container's own process, changed by what the command line says.
fn from_words(spec: &Spec, arguments: &ExecArguments) -> Result<Process> {
    if arguments.command.is_empty() {
        return Err(OciError::Invalid("exec needs a command, or --process".to_owned()));
    }
    let mut process = spec.process().clone().unwrap_or_default();
    let mut environment = process.env().clone().unwrap_or_default();
    environment.extend(arguments.env.iter().cloned());
    process
        .set_args(Some(arguments.command.clone()))
        .set_env(Some(environment))
        .set_terminal(Some(arguments.tty));
    if let Some(cwd) = &arguments.cwd {
        process.set_cwd(cwd.clone());
    }
    if let Some(user) = &arguments.user {
        process.set_user(parse_user(user)?);
    }
    Ok(process)
}

/// `UID` or `UID:GID`.
fn parse_user(text: &str) -> Result<User> {
    let number = |text: &str| {
        text.parse().map_err(|_| OciError::Invalid(format!("invalid user {text:?}: not a number")))
    };
    let (uid, gid) = text.split_once(':').unwrap_or((text, "0"));
    let mut user = User::default();
    user.set_uid(number(uid)?).set_gid(number(gid)?);
    Ok(user)
}
