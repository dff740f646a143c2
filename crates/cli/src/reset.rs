//! `naru reset`.

use std::process::ExitCode;

use naru_app::{App, Directories};
use naru_error::ErrorKind;
use naru_ipc::IpcError;

/// Throws the machine's disk away, whoever owns the machine, which is off afterwards. Nothing is
/// asked, so that it works in scripts: it has to be meant.
pub(crate) async fn run(directories: Directories, yes: bool) -> Result<ExitCode, IpcError> {
    if !yes {
        let message = "a reset loses all images, containers, volumes and networks of the machine; \
                       `naru reset --yes` says that it is meant";
        return Err(IpcError::new(ErrorKind::InvalidArgument, message));
    }
    let app = App::open_in(directories)?;
    let reset = app.machine_reset(()).await;
    app.shutdown().await;
    reset.map(|()| ExitCode::SUCCESS)
}
