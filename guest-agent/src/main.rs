//! The one program that runs in the VM: init, engine and shim.

use std::env;
use std::ffi::OsStr;
use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;

fn main() -> ExitCode {
    let mut arguments = env::args_os();
    let program = arguments.next().unwrap_or_default();
    let command = arguments.next().unwrap_or_default();
    // The kernel starts PID 1 as `/init` and passes on unknown words of its command line.
    let is_init = Path::new(&program) == Path::new("/init") && std::process::id() == 1;
    if is_init || command == OsStr::new("init") {
        return naru_init::run();
    }
    drop(writeln!(io::stderr(), "naru-agent: no such command: {}", command.display()));
    ExitCode::FAILURE
}
