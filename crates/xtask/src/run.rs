//! `cargo xtask run`: from a fresh clone to the first container.

use std::env;
use std::path::Path;
use std::process::Command;

use anyhow::Result;

use crate::apt::Apt;
use crate::image::{self, Arch, Effort};
use crate::step::{say, step};
use crate::{process, setup, ui, workspace};

/// Runs `cargo xtask run`.
pub(crate) fn run() -> Result<()> {
    setup::install(&[setup::BUILD, setup::IMAGE, setup::WINDOW, setup::MACHINE])?;
    ui::build()?;
    let arch = Arch::native()?;
    image::build(&Apt::open()?, arch, Effort::Full)?;
    step("building the window and the naru command", || {
        process::run(
            Command::new("cargo")
                .args(["build", "--package", "naru-cli", "--package", "naru-desktop"])
                .current_dir(workspace::root()),
        )
    })?;
    let programs = workspace::cargo_target().join("debug");
    let images = image::folder(arch);
    let program = |name: &str| {
        let mut command = Command::new(programs.join(name));
        command.env("NARU_VM_IMAGES", &images);
        command
    };
    if has_display() {
        say("opening the window");
        return process::run(&mut program("naru-desktop"));
    }
    say("there is no display: starting the machine without the window");
    process::run(program("naru").arg("start"))?;
    process::run(program("naru").arg("run-demo"))?;
    say_what_next(&programs);
    Ok(())
}

fn say_what_next(programs: &Path) {
    say("");
    say("The machine runs. Try next:");
    say("  docker --context naru run --rm -it naru/hello sh");
    say("and, when you are done:");
    say(&format!("  {} stop", programs.join("naru").display()));
}

fn has_display() -> bool {
    ["DISPLAY", "WAYLAND_DISPLAY"]
        .iter()
        .any(|name| env::var_os(name).is_some_and(|value| !value.is_empty()))
}
