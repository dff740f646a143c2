//! `naru diagnostics`.

use std::path::Path;
use std::process::ExitCode;

use naru_app::{Directories, diagnostics};
use naru_ipc::IpcError;

use crate::print;

/// Writes what somebody who helps needs to see, and says where it is.
pub(crate) async fn run(directories: &Directories, file: &Path) -> Result<ExitCode, IpcError> {
    diagnostics::write(directories, file).await?;
    print::line(&file.display().to_string())?;
    Ok(ExitCode::SUCCESS)
}
