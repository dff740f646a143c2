//! The start, and what is there when it has succeeded.

use std::fs;

use anyhow::{Context, Result};
use naru_test_framework::Vm;
use serde_json::{Value, json};

/// In this order; a person who waits reads them.
const STEPS: [&str; 7] = ["qemu", "image", "disk", "boot", "channel", "handshake", "engine"];

#[test]
fn a_start_names_its_steps_and_ends_with_an_engine_that_docker_reaches() -> Result<()> {
    let vm = Vm::new()?;
    // As for a person: what does not work here is found out.
    vm.configure(&json!({ "accelerator": "auto" }))?;
    let started = vm.naru(&["start"])?;
    let said = started.success().with_context(|| vm.console())?;
    let steps: Vec<&str> = said.lines().filter_map(|line| line.split(' ').next()).collect();
    assert_eq!(steps[..STEPS.len()], STEPS, "{said}");

    let status = vm.status()?;
    assert_eq!(status["state"], "running", "{status}");
    let done = |step: &Value| step["state"] == "done";
    assert!(status["steps"].as_array().context("steps")?.iter().all(done), "{status}");

    let server = vm.docker_ok(&["version", "--format", "{{.Server.Os}} {{.Server.Version}}"])?;
    assert!(server.starts_with("linux "), "{server}");
    the_context_is_there_and_nobody_was_moved_to_it(&vm)?;

    let again = vm.naru(&["start"])?;
    again.success().context("a start while it runs is no mistake")?;
    let demo = vm.naru(&["run-demo"])?;
    demo.success().context("the bundled image runs without a network")?;

    let qemu = vm.qemu()?;
    vm.naru(&["stop"])?.success()?;
    assert!(fs::metadata(format!("/proc/{qemu}")).is_err(), "QEMU still runs");
    assert_eq!(vm.status()?["state"], "stopped");
    Ok(())
}

fn the_context_is_there_and_nobody_was_moved_to_it(vm: &Vm) -> Result<()> {
    let contexts = vm.docker_ok(&["context", "ls", "--format", "{{.Name}} {{.DockerEndpoint}}"])?;
    let naru = contexts.lines().find(|line| line.starts_with("naru "));
    let expected = format!("naru unix://{}", vm.socket().display());
    assert_eq!(naru, Some(expected.as_str()), "{contexts}");
    let config = fs::read_to_string(vm.docker_config().join("config.json")).unwrap_or_default();
    assert!(!config.contains("currentContext"), "{config}");
    Ok(())
}
