//! `naru serve`: owns the machine in the background, for `naru start`.

use std::io::{self, Write};
use std::process::ExitCode;
use std::time::Duration;

use naru_app::{App, Directories};
use naru_ipc::{IpcError, MachineState};
use tokio::time::timeout;

/// How long `naru start` may take to ask for the machine after we said we are ready.
const FIRST_REQUEST: Duration = Duration::from_mins(1);

/// Serves until the machine is off again. A machine that died stays explained until
/// somebody starts or stops it; one that could not even start has told `naru start`.
pub(crate) async fn run(directories: Directories) -> Result<ExitCode, IpcError> {
    let app = App::open_in(directories)?;
    let owns = app.owns_machine().await;
    // Ready also when another process was quicker: then that one takes the request.
    let told = io::stdout().write_all(b"\n").and_then(|()| io::stdout().flush());
    if let Err(error) = told {
        tracing::debug!(%error, "nobody waits for the machine");
    }
    if owns {
        tokio::select! {
            () = until_off(&app) => {}
            ended = asked_to_end() => ended.map_err(|e| crate::io_error("wait for signals", e))?,
        }
    }
    app.shutdown().await;
    Ok(ExitCode::SUCCESS)
}

async fn until_off(app: &App) {
    let mut statuses = app.watch_status();
    let begun = statuses.wait_for(|status| status.state != MachineState::Stopped);
    if timeout(FIRST_REQUEST, begun).await.is_err() {
        return;
    }
    let settled = |state| !matches!(state, MachineState::Starting | MachineState::Stopping);
    let first = statuses.wait_for(|status| settled(status.state)).await;
    if first.is_ok_and(|status| status.state == MachineState::Running) {
        // An error says that the app has ended, which is the end as well.
        drop(statuses.wait_for(|status| status.state == MachineState::Stopped).await);
    }
}

#[cfg(unix)]
async fn asked_to_end() -> io::Result<()> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    // Taken and not heeded: the terminal of `naru start` may be closed.
    let mut hangup = signal(SignalKind::hangup())?;
    loop {
        tokio::select! {
            _ = terminate.recv() => return Ok(()),
            _ = interrupt.recv() => return Ok(()),
            _ = hangup.recv() => {}
        }
    }
}

#[cfg(not(unix))]
async fn asked_to_end() -> io::Result<()> {
    tokio::signal::ctrl_c().await
}
