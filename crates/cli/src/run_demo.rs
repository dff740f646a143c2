//! `naru run-demo`.

use std::io::{self, Write};
use std::process::ExitCode;

use naru_app::demo::{self, Output};
use naru_app::{AppError, Client, Directories};
use naru_ipc::{IpcError, MachineState};

/// Runs the bundled image; its exit status is ours.
pub(crate) async fn run(directories: &Directories) -> Result<ExitCode, IpcError> {
    if Client::new(directories).status().await?.state != MachineState::Running {
        return Err(AppError::NotRunning.into());
    }
    let mut broken = None;
    let print = |output: Output<'_>| {
        let written = match output {
            Output::Stdout(bytes) => io::stdout().write_all(bytes),
            Output::Stderr(bytes) => io::stderr().write_all(bytes),
        };
        if let Err(error) = written {
            broken = Some(error);
        }
    };
    let status = demo::run(directories, print).await?;
    let flushed = io::stdout().flush();
    if let Some(error) = broken.or_else(|| flushed.err()) {
        return Err(crate::io_error("print", error));
    }
    Ok(ExitCode::from(u8::try_from(status).unwrap_or(1)))
}
