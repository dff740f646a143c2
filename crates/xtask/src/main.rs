//! Naru's developer commands.

mod apt;
mod cross;
mod image;
mod process;
mod setup;
mod step;
mod workspace;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Naru's developer commands.
#[derive(Debug, Parser)]
#[command(bin_name = "cargo xtask")]
struct Cli {
    #[command(subcommand)]
    command: Commands,
}

#[derive(Debug, Subcommand)]
enum Commands {
    /// Build what the VM boots: kernel, initramfs, data disk, demo image
    Image(image::ImageArgs),
}

fn main() -> ExitCode {
    let result = match Cli::parse().command {
        Commands::Image(arguments) => image::run(&arguments),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            step::say(&format!("error: {error:#}"));
            ExitCode::FAILURE
        }
    }
}
