//! Docker's clients while the machine starts.

use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use naru_test_framework::Vm;
use naru_test_framework::vm::signal;

use crate::disk::break_disk;
use crate::raw::send;

const CLOSE: &str = "Connection: close";
/// From the command to QEMU's first moment.
const BEGUN: Duration = Duration::from_mins(1);

/// A machine whose start stands still at the boot.
struct Held {
    start: Child,
    qemu: u32,
}

impl Held {
    fn begin(vm: &Vm) -> Result<Self> {
        let mut start = vm.naru_command(&["start"]).stdout(Stdio::null()).spawn()?;
        let mut end = Instant::now() + BEGUN;
        loop {
            // Those that run before this step only say what QEMU can do. One whose accelerator
            // does not work ends by itself, and another takes its place.
            if boots(vm)?
                && let Ok(qemu) = vm.qemu()
                && signal(qemu, "STOP").is_ok()
            {
                if vm.status()?["state"] == "starting" {
                    return Ok(Self { start, qemu });
                }
                // This process stood still for longer than the machine took to boot.
                signal(qemu, "CONT")?;
                start.wait()?;
                vm.naru(&["stop"])?.success()?;
                start = vm.naru_command(&["start"]).stdout(Stdio::null()).spawn()?;
                end = Instant::now() + BEGUN;
            }
            ensure!(Instant::now() < end, "the machine does not boot: {}", vm.status()?);
            Command::new("sleep").arg("0.01").status()?;
        }
    }

    /// Lets it go on, and says whether it started.
    fn go_on(mut self) -> Result<bool> {
        signal(self.qemu, "CONT")?;
        Ok(self.start.wait()?.success())
    }
}

fn boots(vm: &Vm) -> Result<bool> {
    let status = vm.status()?;
    let mut steps = status["steps"].as_array().context("steps")?.iter();
    Ok(steps.any(|step| step["name"] == "boot" && step["state"] != "pending"))
}

#[test]
fn a_ping_is_answered_while_the_machine_boots_and_docker_waits_for_it() -> Result<()> {
    let vm = Vm::new()?;
    let held = Held::begin(&vm)?;
    let mut ping = send(&vm, "GET /_ping", &[CLOSE])?;
    let early = ping.head()?;
    assert_eq!((early.status, ping.rest()?.as_str()), (200, "OK"));
    let ps = ["ps", "--all", "--format", "{{.Names}}"];
    let mut waits = vm.docker_command(&ps);
    let waits = waits.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
    let mut version = send(&vm, "GET /v1.51/version", &[CLOSE])?;
    assert_eq!(vm.status()?["state"], "starting");

    assert!(held.go_on()?, "{}", vm.console());
    assert_eq!(version.head()?.status, 200);
    let listed = waits.wait_with_output()?;
    let said = String::from_utf8(listed.stderr)?;
    assert!(listed.status.success() && listed.stdout.is_empty(), "{said}");

    let mut ping = send(&vm, "GET /_ping", &[CLOSE])?;
    assert_eq!(ping.head()?.headers, early.headers, "the engine says something else");
    Ok(())
}

#[test]
fn who_waits_for_a_start_that_fails_hears_why() -> Result<()> {
    let vm = Vm::new()?;
    break_disk(&vm)?;
    let held = Held::begin(&vm)?;
    let mut waits = send(&vm, "GET /v1.51/containers/json", &[])?;
    assert_eq!(vm.status()?["state"], "starting");
    assert!(!held.go_on()?, "this machine cannot start");
    assert_eq!(waits.head()?.status, 503);
    let said = waits.rest()?;
    assert!(said.starts_with("{\"message\":\"the Naru machine has failed: "), "{said}");
    assert!(said.contains("it has no ext4 file system"), "{said}");
    Ok(())
}
