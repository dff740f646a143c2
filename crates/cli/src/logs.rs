//! `naru logs`.

use std::io::{self, Write};
use std::process::ExitCode;

use naru_app::{Directories, print_log};
use naru_ipc::IpcError;
use tokio::signal::ctrl_c;

/// Prints the console's log; with `follow` until it is interrupted.
pub(crate) async fn run(directories: &Directories, follow: bool) -> Result<ExitCode, IpcError> {
    let mut broken = None;
    let print = |bytes: &[u8]| {
        let mut stdout = io::stdout().lock();
        if let Err(error) = stdout.write_all(bytes).and_then(|()| stdout.flush()) {
            broken = Some(error);
        }
    };
    tokio::select! {
        printed = print_log(directories, follow, print) => printed?,
        interrupted = ctrl_c() => {
            interrupted.map_err(|error| crate::io_error("wait for Ctrl-C", error))?;
        }
    }
    match broken {
        Some(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(crate::io_error("print", error))
        }
        _ => Ok(ExitCode::SUCCESS),
    }
}
