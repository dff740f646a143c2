//! `naru status`.

use std::process::ExitCode;

use naru_app::{Client, Directories};
use naru_ipc::{IpcError, MachineState, MachineStatus};

use crate::exit::advice;
use crate::print;

/// Prints the status. The exit status is 0 when the machine runs, else 3, as `systemctl
/// status` has it.
pub(crate) async fn run(directories: &Directories, json: bool) -> Result<ExitCode, IpcError> {
    let status = Client::new(directories).status().await?;
    if json {
        print::json(&status)?;
    } else {
        print::line(&sentences(directories, &status))?;
    }
    let running = status.state == MachineState::Running;
    Ok(if running { ExitCode::SUCCESS } else { ExitCode::from(3) })
}

fn sentences(directories: &Directories, status: &MachineStatus) -> String {
    let state = match status.state {
        MachineState::Stopped => "The machine is off.",
        MachineState::Starting => "The machine is starting.",
        MachineState::Running => "The machine is running.",
        MachineState::Stopping => "The machine is stopping.",
        MachineState::Failed => "The machine has failed.",
    };
    let mut lines = vec![state.to_owned()];
    if status.state == MachineState::Running {
        let known = |value: &Option<String>| value.clone().unwrap_or_else(|| "unknown".to_owned());
        lines.push(format!("Accelerator: {}", known(&status.accelerator)));
        lines.extend(status.advice.iter().map(|hint| format!("             {}", advice(*hint))));
        lines.push(format!("Carrier:     {}", known(&status.carrier)));
        lines.push(format!("Docker API:  {}", directories.docker_socket().docker_host()));
    }
    if let Some(error) = &status.error {
        lines.push(error.message.clone());
    }
    lines.extend(status.console_tail.iter().map(|line| format!("  | {line}")));
    lines.join("\n")
}
