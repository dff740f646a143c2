//! `cargo xtask test`: everything, from the fastest tier to the slowest.
//!
//! | tier | what | needs |
//! | --- | --- | --- |
//! | window | lint, types and component tests of `ui/` | Node |
//! | default | unit tests, integration binaries named `it`, doc tests | nothing |
//! | privileged | binaries named `privileged`, e2e, conformance, desktop | root, QEMU, Xvfb |
//! | ci | `cargo xtask ci`, the cross-check with it | |
//!
//! Where the privileged tier runs too, ci runs beside its tests, which mostly wait. The window's
//! tests do not: they and their runner have clocks, and would get too little of the processor.

use std::ffi::OsStr;
use std::process::Command;

use anyhow::Result;
use clap::{Args, ValueEnum};

use crate::apt::Apt;
use crate::beside::Beside;
use crate::image::{self, Arch, Effort};
use crate::step::{Checks, say};
use crate::{ci, clients, process, setup, ui, workspace};

/// The packages whose every test boots the machine or drives other programs.
const PRIVILEGED_PACKAGES: [&str; 3] = ["naru-conformance", "naru-desktop-tests", "naru-e2e"];

/// A part of the tests that can run alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Tier {
    /// Lint, types and component tests of the window.
    Window,
    /// What needs neither root nor a machine.
    Default,
    /// What needs root, the machine, stock clients or a display.
    Privileged,
    /// The checks of `cargo xtask ci`.
    Ci,
}

/// Options of `cargo xtask test`.
#[derive(Debug, Args)]
pub(crate) struct TestArgs {
    /// Run this tier only; can be given several times. All of them if left out.
    #[arg(long, value_enum)]
    tier: Vec<Tier>,
    /// Run only tests whose name contains this.
    filter: Option<String>,
}

/// Runs `cargo xtask test`.
pub(crate) fn run(arguments: &TestArgs) -> Result<()> {
    let is_wanted = |tier: &Tier| arguments.tier.is_empty() || arguments.tier.contains(tier);
    let filter = arguments.filter.as_deref();
    let mut checks = Checks::default();
    setup::install(&[setup::BUILD, setup::WINDOW])?;
    setup::ui_packages()?;
    ui::build()?;
    if is_wanted(&Tier::Window) {
        for (name, script) in
            [("window: lint", "lint"), ("window: types", "check"), ("window: tests", "test")]
        {
            checks.run(name, || ui::npm(script));
        }
    }
    if is_wanted(&Tier::Default) {
        default_tier(&mut checks, filter);
    }
    if is_wanted(&Tier::Privileged) {
        privileged_tier(&mut checks, filter, is_wanted(&Tier::Ci))?;
    } else if is_wanted(&Tier::Ci) {
        ci::add(&mut checks)?;
    }
    checks.finish("test")
}

fn default_tier(checks: &mut Checks, filter: Option<&str>) {
    checks.run("unit and integration tests", || {
        if has_nextest() {
            let set = format!("not ({})", privileged_set());
            return nextest(&["--filterset", &set], filter, &[]);
        }
        test(&["--workspace", "--lib", "--bins", "--test", "it"], filter, &[], &[])
    });
    checks.run("documentation tests", || test(&["--workspace", "--doc"], filter, &[], &[]));
}

fn privileged_tier(checks: &mut Checks, filter: Option<&str>, with_ci: bool) -> Result<()> {
    setup::install(&[setup::IMAGE, setup::MACHINE, setup::TESTS])?;
    if with_ci {
        setup::install(&[setup::CROSS])?;
    }
    let vsock_device = setup::vsock_device()?;
    let clients = clients::prepare()?;
    let apt = Apt::open()?;
    let native = Arch::native()?;
    for arch in Arch::ALL {
        // The other one's is booted, and that is all.
        let effort = if arch == native { Effort::Half } else { Effort::Quick };
        checks.run(&format!("VM image for {}", arch.name()), || image::build(&apt, arch, effort));
    }
    checks.run("the window's pages for a browser", || ui::npm("build:loopback"));
    // The tests run the programs themselves, not their crates. Built with them these are made
    // of what the tests have been built of; alone they would have other features.
    checks.run("programs under test", || {
        process::run(
            Command::new("cargo")
                .args(["build", "--quiet", "--workspace", "--bins", "--tests"])
                .current_dir(workspace::root()),
        )
    });
    let beside = with_ci.then(Beside::start).transpose()?;
    checks.run("privileged tests", || {
        let environment = [
            ("NARU_VHOST_DEVICE_VSOCK", vsock_device.as_os_str()),
            ("NARU_CLIENTS", clients.as_os_str()),
        ];
        if has_nextest() {
            let set = privileged_set();
            let selection = ["--profile", "privileged", "--test-threads=2", "--filterset", &set];
            let runner = format!("CARGO_TARGET_{}_RUNNER", native.triple());
            let runner = runner.to_uppercase().replace('-', "_");
            let apart = workspace::root().join("tests/apart.sh");
            let apart = [(runner.as_str(), apart.as_os_str())];
            return nextest(&selection, filter, &[&environment[..], &apart].concat());
        }
        let one_by_one = ["--test-threads=1"];
        test(&["--workspace", "--test", "privileged"], filter, &one_by_one, &environment)
    });
    if let Some(beside) = beside {
        checks.run("what runs beside the privileged tests", || beside.finish());
    }
    Ok(())
}

/// nextest's name for the privileged tier; `.config/nextest.toml` has its profile.
fn privileged_set() -> String {
    let packages = PRIVILEGED_PACKAGES.map(|package| format!("package({package})"));
    format!("binary(privileged) | {}", packages.join(" | "))
}

/// nextest runs each test in its own process and ends one that hangs. Without it
/// everything still runs, by `cargo test`.
fn has_nextest() -> bool {
    let found = setup::find_program("cargo-nextest").is_some();
    if !found {
        say("cargo-nextest is not installed: a test that hangs will not be ended");
    }
    found
}

/// Variables for the tests, by name.
type Environment<'a> = &'a [(&'a str, &'a OsStr)];

fn nextest(arguments: &[&str], filter: Option<&str>, environment: Environment<'_>) -> Result<()> {
    let words = ["nextest", "run", "--workspace"].iter().chain(arguments).chain(&filter);
    run_cargo(words, environment)
}

fn test(
    selection: &[&str],
    filter: Option<&str>,
    arguments: &[&str],
    environment: Environment<'_>,
) -> Result<()> {
    let words = ["test"].iter().chain(selection).chain(&filter).chain(&["--"]).chain(arguments);
    run_cargo(words, environment)
}

fn run_cargo(
    arguments: impl IntoIterator<Item = impl AsRef<OsStr>>,
    environment: Environment<'_>,
) -> Result<()> {
    process::run(
        Command::new("cargo")
            .args(arguments)
            .current_dir(workspace::root())
            .env("NARU_VM_IMAGES", image::folder(Arch::native()?))
            // Tests leave the clone as it is: a written file would have the pages built again.
            .env("TS_RS_EXPORT_DIR", workspace::output().join("bindings-of-tests"))
            .envs(environment.iter().copied()),
    )
}
