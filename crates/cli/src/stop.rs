//! `naru stop`.

use std::process::ExitCode;

use naru_app::{Client, Directories};
use naru_ipc::IpcError;

/// Stops the machine, whoever owns it; one that is off already is no error.
pub(crate) async fn run(directories: &Directories) -> Result<ExitCode, IpcError> {
    Client::new(directories).stop().await?;
    Ok(ExitCode::SUCCESS)
}
