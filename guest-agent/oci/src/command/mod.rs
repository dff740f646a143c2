//! One file a family of commands.

mod create;
mod delete;
mod exec;
mod features;
mod foreground;
mod list;
mod signal;
mod start;

use naru_runtime::run_from_readonly_clone;

use crate::arguments::{Arguments, Command};
use crate::error::Result;
use crate::log::Log;
use crate::store::Store;

/// Runs a command; gives the status that this program ends with.
pub(crate) fn run(arguments: Arguments, log: &Log) -> Result<u8> {
    let Arguments { global, command } = arguments;
    // Before anything is done: the program starts once more.
    if matches!(command, Command::Create(_) | Command::Run { .. } | Command::Exec(_)) {
        run_from_readonly_clone()?;
    }
    let store = Store::open(&global.root)?;
    match command {
        Command::Create(create) => create::create(&store, &global, &create).map(|()| 0),
        Command::Run { create, detach } => create::run(&store, &global, &create, detach, log),
        Command::Start { id } => start::start(&store, &id).map(|()| 0),
        Command::Exec(exec) => exec::exec(&store, &exec),
        Command::State { id } => list::state(&store, &id).map(|()| 0),
        Command::Kill { all, id, signal } => signal::kill(&store, &id, &signal, all).map(|()| 0),
        Command::Delete { force, id } => delete::delete(&store, &id, force, log).map(|()| 0),
        Command::Pause { id } => signal::pause(&store, &id).map(|()| 0),
        Command::Resume { id } => signal::resume(&store, &id).map(|()| 0),
        Command::Ps { format, id } => list::ps(&store, &id, format).map(|()| 0),
        Command::List { format, quiet } => list::list(&store, format, quiet).map(|()| 0),
        Command::Features => features::features().map(|()| 0),
    }
}
