//! Naru's developer commands.

mod apt;
mod bench;
mod beside;
mod bindings;
mod ci;
mod clients;
mod cross;
mod fuzz;
mod image;
mod layers;
mod process;
mod run;
mod setup;
mod step;
mod test;
mod ui;
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
    /// Set up everything, build, and open the window
    ///
    /// With no display it starts the machine, runs the bundled demo container, prints
    /// its output and the docker command to try next.
    Run,
    /// Set up everything and run all tests, tier by tier, and the checks of `ci`
    Test(test::TestArgs),
    /// Run the checks that look at the code: formatting, clippy, documentation, layers,
    /// bindings, fuzz targets, cross-check
    Ci,
    /// Build what the VM boots: kernel, initramfs, data disk, demo image
    ///
    /// The result is in `target/vm-images/ARCH`. Kernel and tools come from Debian's
    /// packages, in the versions of vm-images/manifest.toml.
    Image(image::ImageArgs),
    /// Type-check the host crates for Windows and macOS; build and test the agent for
    /// aarch64
    ///
    /// The compilers are Debian's, unpacked in the user's cache folder (about 3 GB) and
    /// renewed when Debian has newer ones.
    Cross,
    /// Measure Naru and its peers in one run
    Bench(bench::BenchArgs),
    /// Write the window's TypeScript types from the command table in crates/ipc
    Bindings(bindings::BindingsArgs),
    /// Install the packages that the other commands need and this machine lacks
    ///
    /// The others do this too, each for what it needs.
    Setup,
}

fn main() -> ExitCode {
    let result = match Cli::parse().command {
        Commands::Run => run::run(),
        Commands::Test(arguments) => test::run(&arguments),
        Commands::Ci => ci::run(),
        Commands::Image(arguments) => image::run(&arguments),
        Commands::Cross => cross::run(),
        Commands::Bench(arguments) => bench::run(&arguments),
        Commands::Bindings(arguments) => bindings::run(&arguments),
        Commands::Setup => setup::everything(),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            step::say(&format!("error: {error:#}"));
            ExitCode::FAILURE
        }
    }
}
