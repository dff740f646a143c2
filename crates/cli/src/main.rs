//! The `naru` command: the machine from a terminal and from scripts.
//!
//! It is no second `docker`: containers are `docker`'s business, through the context
//! `naru`. Each sub-command is one file here; what it does is done in `naru-app`.

mod config;
mod diagnostics;
mod exit;
mod logs;
mod print;
mod reset;
mod run_demo;
mod serve;
mod start;
mod status;
mod stop;

use std::io::{self, IsTerminal};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use naru_app::{AppError, Directories, Environment};
use tracing_subscriber::EnvFilter;

/// Run Linux containers in Naru's machine.
#[derive(Parser)]
#[command(name = "naru", version, arg_required_else_help = true)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Start the machine and wait until the engine answers
    Start,
    /// Stop the machine and the containers in it
    Stop,
    /// Stop the machine and throw its data disk away, with all images, containers and volumes
    Reset {
        /// Mean it
        #[arg(long)]
        yes: bool,
    },
    /// Say whether the machine runs
    Status {
        /// Print everything there is to know, as JSON
        #[arg(long)]
        json: bool,
    },
    /// Print what the machine's console said
    Logs {
        /// Go on printing what comes
        #[arg(short, long)]
        follow: bool,
    },
    /// Read or change the settings
    Config {
        #[command(subcommand)]
        config: config::Config,
    },
    /// Write what somebody who helps needs to see, without secrets
    Diagnostics {
        /// The archive to write
        #[arg(default_value = "naru-diagnostics.tar")]
        file: PathBuf,
    },
    /// Run the bundled demo image in a container and print its output
    RunDemo,
    /// Own the machine in the background, for `naru start`
    #[command(hide = true)]
    Serve,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    log_to_stderr();
    let runtime = match tokio::runtime::Runtime::new() {
        Ok(runtime) => runtime,
        Err(error) => return exit::failed(&io_error("start the asynchronous runtime", error)),
    };
    match runtime.block_on(run(arguments.command)) {
        Ok(code) => code,
        Err(error) => exit::failed(&error),
    }
}

async fn run(command: Command) -> Result<ExitCode, naru_ipc::IpcError> {
    let directories = Directories::find(&Environment::read(), None)?;
    match command {
        Command::Start => start::run(&directories).await,
        Command::Stop => stop::run(&directories).await,
        Command::Reset { yes } => reset::run(directories, yes).await,
        Command::Status { json } => status::run(&directories, json).await,
        Command::Logs { follow } => logs::run(&directories, follow).await,
        Command::Config { config } => config::run(&directories, config).await,
        Command::Diagnostics { file } => diagnostics::run(&directories, &file).await,
        Command::RunDemo => run_demo::run(&directories).await,
        Command::Serve => serve::run(directories).await,
    }
}

/// `RUST_LOG` says what is logged: warnings, if it says nothing.
fn log_to_stderr() {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("warn"));
    let subscriber = tracing_subscriber::fmt().with_env_filter(filter).with_writer(io::stderr);
    subscriber.with_ansi(io::stderr().is_terminal()).init();
}

/// A failure of the system underneath, in the app's words.
fn io_error(action: &'static str, source: io::Error) -> naru_ipc::IpcError {
    AppError::System { action, source }.into()
}
