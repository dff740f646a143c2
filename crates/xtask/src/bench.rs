//! `cargo xtask bench`: Naru and its peers, measured in one run.

use std::process::Command;

use anyhow::Result;
use clap::Args;

use crate::apt::Apt;
use crate::image::{self, Arch, Effort};
use crate::step::step;
use crate::{clients, process, setup, workspace};

/// Options of `cargo xtask bench`.
#[derive(Debug, Args)]
pub(crate) struct BenchArgs {
    /// Passed on to the bench; `-- --help` says what it takes.
    #[arg(last = true)]
    arguments: Vec<String>,
}

/// Runs `cargo xtask bench`.
pub(crate) fn run(arguments: &BenchArgs) -> Result<()> {
    setup::install(&[setup::BUILD, setup::IMAGE, setup::MACHINE, setup::TESTS])?;
    let vsock_device = setup::vsock_device()?;
    let clients = clients::prepare()?;
    let arch = Arch::native()?;
    image::build(&Apt::open()?, arch, Effort::Full)?;
    step("naru, whose machine is measured", || {
        let build = ["build", "--quiet", "--release", "--package", "naru-cli"];
        process::run(Command::new("cargo").args(build).current_dir(workspace::root()))
    })?;
    step("bench", || {
        process::run(
            Command::new("cargo")
                .args(["run", "--quiet", "--release", "--package", "naru-bench", "--"])
                .args(&arguments.arguments)
                .current_dir(workspace::root())
                .env("NARU_VM_IMAGES", image::folder(arch))
                .env("NARU_VHOST_DEVICE_VSOCK", &vsock_device)
                .env("NARU_CLIENTS", &clients),
        )
    })
}
