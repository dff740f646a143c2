//! The one program that runs in the VM: init, engine, shim, and the runtime's command line.

mod log;

use std::env;
use std::ffi::{OsStr, OsString};
use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;

use clap::Parser;
use naru_engine::EngineArgs;

/// `naru-agent engine`.
#[derive(Debug, Parser)]
#[command(name = "naru-agent engine", version)]
struct EngineCommand {
    #[command(flatten)]
    args: EngineArgs,
}

fn main() -> ExitCode {
    let mut arguments = env::args_os();
    let program = arguments.next().unwrap_or_default();
    let command = arguments.next().unwrap_or_default();
    // First, and without clap: a container's start waits for this.
    if command == OsStr::new("shim") {
        return shim(arguments);
    }
    // By a link of that name, as podman's `--runtime` wants one path, or by the word.
    let is_oci = Path::new(&program).file_name() == Some(OsStr::new(naru_oci::NAME));
    if is_oci || command == OsStr::new("oci") {
        let words = env::args_os().skip(if is_oci { 1 } else { 2 });
        return naru_oci::run(std::iter::once(naru_oci::NAME.into()).chain(words));
    }
    // The kernel starts PID 1 as `/init` and passes on unknown words of its command line.
    let is_init = Path::new(&program) == Path::new("/init") && std::process::id() == 1;
    if is_init || command == OsStr::new("init") {
        return naru_init::run();
    }
    if command == OsStr::new("engine") {
        // clap takes the first word for the program's name.
        let EngineCommand { args } =
            EngineCommand::parse_from(std::iter::once(command).chain(arguments));
        log::begin();
        return match naru_engine::run(&args) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => failed(&naru_error::chain(&error)),
        };
    }
    drop(writeln!(io::stderr(), "naru-agent: no such command: {}", command.display()));
    ExitCode::FAILURE
}

/// `naru-agent shim --dir RUN_DIR`.
fn shim(mut arguments: impl Iterator<Item = OsString>) -> ExitCode {
    let (Some(flag), Some(directory)) = (arguments.next(), arguments.next()) else {
        return failed("shim: --dir RUN_DIR is missing");
    };
    if flag != OsStr::new("--dir") {
        return failed("shim: --dir RUN_DIR is missing");
    }
    log::begin_if_asked();
    match naru_shim::run(Path::new(&directory)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => failed(&naru_error::chain(&error)),
    }
}

/// Says why on standard error.
fn failed(message: &str) -> ExitCode {
    // Without a standard error there is nobody to tell.
    drop(writeln!(io::stderr(), "naru-agent: {message}"));
    ExitCode::FAILURE
}
