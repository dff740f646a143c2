//! `naru start`.

use std::io::{self, Write};
use std::process::{Command, ExitCode, Stdio};

use naru_app::{AppError, Client, DOCKER_CONTEXT, Directories, Watch};
use naru_ipc::{IpcError, MachineState, MachineStatus, StepState};
use tokio::io::AsyncReadExt;
use tokio::process;

/// Starts the machine in the process that owns it; without one, in a new one in the
/// background. Prints each step as it is done.
pub(crate) async fn run(directories: &Directories) -> Result<ExitCode, IpcError> {
    let client = Client::new(directories);
    let mut progress = Progress::default();
    let mut started = match client.watch().await? {
        Some(watch) => follow(&client, watch, &mut progress).await,
        None => Err(AppError::NotRunning),
    };
    // Nobody owns the machine, or who did was about to end and did not hear of the start.
    if matches!(started, Err(AppError::NotRunning)) {
        spawn_owner(directories).await?;
        let watch = client.watch().await?.ok_or(AppError::OwnerEnded)?;
        started = follow(&client, watch, &mut progress).await;
    }
    if let Ok(status) = client.status().await {
        progress.print(&status);
    }
    started?;
    let context = DOCKER_CONTEXT;
    print_line(&format!("The machine is running. Try: docker --context {context} ps"));
    Ok(ExitCode::SUCCESS)
}

/// Asks for the start and prints the steps meanwhile.
async fn follow(
    client: &Client,
    mut watch: Watch,
    progress: &mut Progress,
) -> Result<(), AppError> {
    let start = client.start();
    tokio::pin!(start);
    loop {
        tokio::select! {
            started = &mut start => return started,
            status = watch.next() => match status? {
                Some(status) => progress.print(&status),
                // The owner has ended; the start's own answer says why.
                None => return start.await,
            },
        }
    }
}

/// Which steps have been printed.
#[derive(Default)]
struct Progress {
    /// The status before our start speaks of an earlier one.
    begun: bool,
    printed: usize,
}

impl Progress {
    fn print(&mut self, status: &MachineStatus) {
        self.begun |= status.state == MachineState::Starting;
        if !self.begun {
            return;
        }
        let is_over = |state| matches!(state, StepState::Done | StepState::Failed);
        while let Some(step) = status.steps.get(self.printed).filter(|step| is_over(step.state)) {
            let mark = if step.state == StepState::Done { "done" } else { "failed" };
            print_line(&format!("{:<10} {mark:<6} {:>6} ms", step.name, step.duration_ms));
            self.printed += 1;
        }
    }
}

/// A reader that has gone away does not keep the machine from starting.
fn print_line(line: &str) {
    drop(writeln!(io::stdout(), "{line}"));
}

/// Runs `naru serve` in the background and waits until it takes requests.
async fn spawn_owner(directories: &Directories) -> Result<(), IpcError> {
    let failed = |error| crate::io_error("start the background process", error);
    let program = std::env::current_exe().map_err(failed)?;
    let log = directories.create_log().map_err(IpcError::from)?;
    let mut command = Command::new(program);
    command.arg("serve").stdin(Stdio::null()).stdout(Stdio::piped()).stderr(log);
    detach(&mut command);
    let mut owner = process::Command::from(command).spawn().map_err(failed)?;
    // One byte says that it is ready; the end without one, that it failed.
    let mut ready = [0];
    let read = match owner.stdout.take() {
        Some(mut stdout) => stdout.read(&mut ready).await.map_err(failed)?,
        None => 0,
    };
    if read == 1 { Ok(()) } else { Err(AppError::OwnerFailed { log: directories.log() }.into()) }
}

/// Keeps the terminal's Ctrl-C, which is meant for us, from the machine's process.
#[cfg(unix)]
fn detach(command: &mut Command) {
    use std::os::unix::process::CommandExt;
    command.process_group(0);
}

/// The same on Windows, where the process must also outlive the console.
#[cfg(windows)]
fn detach(command: &mut Command) {
    use std::os::windows::process::CommandExt;
    const DETACHED_PROCESS: u32 = 0x8;
    const CREATE_NEW_PROCESS_GROUP: u32 = 0x200;
    command.creation_flags(DETACHED_PROCESS | CREATE_NEW_PROCESS_GROUP);
}
