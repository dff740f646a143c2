//! What outlives a stop, a QEMU that is killed and an engine that is killed.

use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use naru_app::{Client, Directories, Environment};
use naru_ipc::{MachineState, MachineStatus};
use naru_test_framework::Vm;
use naru_test_framework::vm::kill;
use tokio::time::timeout;

use crate::containers::vm_with_busybox;

/// Far more than a second: a busy computer fails no test, a missing notice does.
const NOTICED: Duration = Duration::from_secs(30);
/// Until an engine that was killed answers again.
const RESTARTED: Duration = Duration::from_mins(1);

#[test]
fn images_containers_and_what_they_wrote_are_there_after_a_stop() -> Result<()> {
    let (vm, image) = vm_with_busybox()?;
    let script = "cat /kept; echo kept > /kept; trap exit TERM; while :; do sleep 0.1; done";
    vm.docker_ok(&["run", "-d", "--name", "kept", &image, "sh", "-c", script])?;
    vm.docker_ok(&["exec", "kept", "sh", "-c", "until [ -s /kept ]; do sleep 0.1; done"])?;
    vm.naru(&["stop"])?.success()?;
    vm.naru(&["start"])?.success().with_context(|| vm.console())?;
    assert_eq!(vm.docker_ok(&["images", "--format", "{{.Repository}}:{{.Tag}}"])?, image);
    assert_eq!(vm.inspect("kept", "{{.State.Running}}")?, "false");
    vm.docker_ok(&["start", "kept"])?;
    vm.docker_ok(&["stop", "kept"])?;
    let logs = vm.docker(&["logs", "kept"])?;
    assert_eq!(logs.stdout, "kept\n", "{logs:?}");
    Ok(())
}

#[tokio::test]
async fn a_qemu_that_is_killed_is_noticed_explained_and_costs_nothing_acknowledged() -> Result<()> {
    let (vm, image) = vm_with_busybox()?;
    let run = ["run", "-d", "--name", "cut", &image, "sh", "-c", "echo said; exec sleep 1000"];
    let container = vm.docker_ok(&run)?;
    let environment = Environment { home: Some(vm.home().to_owned()), ..Environment::default() };
    let directories = Directories::find(&environment, Some(vm.images().to_owned()))?;
    let mut watch = Client::new(&directories).watch().await?.context("somebody owns it")?;
    // Whatever docker was told is on the disk by now.
    kill(vm.qemu()?)?;
    let failed = timeout(NOTICED, async {
        loop {
            let status = watch.next().await?.context("the owner goes on")?;
            if status.state != MachineState::Running {
                return anyhow::Ok::<MachineStatus>(status);
            }
        }
    });
    let failed = failed.await.context("nobody noticed")??;
    assert_eq!(failed.state, MachineState::Failed);
    let error = failed.error.context("a failure has a reason")?;
    assert!(error.message.contains("signal 9"), "{error}");

    vm.naru(&["start"])?.success().with_context(|| vm.console())?;
    let listed = ["ps", "--all", "--no-trunc", "--format", "{{.ID}} {{.State}}"];
    assert_eq!(vm.docker_ok(&listed)?, format!("{container} exited"));
    assert_eq!(vm.docker_ok(&["images", "--format", "{{.Repository}}:{{.Tag}}"])?, image);
    vm.docker_ok(&["start", "cut"])?;
    assert_eq!(vm.docker_ok(&["exec", "cut", "echo", "alive"])?, "alive");
    Ok(())
}

#[test]
fn an_engine_that_is_killed_leaves_containers_running_and_knows_their_ends() -> Result<()> {
    let (vm, image) = vm_with_busybox()?;
    let script = "echo before; until [ -e /go ]; do sleep 0.1; done; echo after; exit 7";
    vm.docker_ok(&["run", "-d", "--name", "long", &image, "sh", "-c", script])?;
    let pid = vm.inspect("long", "{{.State.Pid}}")?;

    // Kills the engine and ends while there is none.
    let killer = "for p in /proc/[0-9]*; do \
        tr '\\0' ' ' < $p/cmdline | grep -q '^/init engine' && kill -9 ${p#/proc/} && n=1; \
        done; [ \"$n\" ] && exit 9";
    let run = ["run", "-d", "--name", "killer", "--privileged", "--pid", "host", &image];
    // Its answer may be cut off together with the engine.
    drop(vm.docker(&[&run[..], &["sh", "-c", killer]].concat())?);

    assert_eq!(answer_of_a_new_engine(&vm, &["wait", "killer"])?, "9");
    assert_eq!(vm.inspect("long", "{{.State.Running}} {{.State.Pid}}")?, format!("true {pid}"));
    // The container's end may be its own too.
    vm.docker(&["exec", "long", "touch", "/go"])?;
    assert_eq!(vm.docker_ok(&["wait", "long"])?, "7");
    assert_eq!(vm.docker_ok(&["logs", "long"])?, "before\nafter");
    Ok(())
}

/// Asks until nobody cuts the answer off: a new engine tells nobody that it is there.
fn answer_of_a_new_engine(vm: &Vm, arguments: &[&str]) -> Result<String> {
    let end = Instant::now() + RESTARTED;
    loop {
        let answer = vm.docker(arguments)?;
        if answer.code == 0 || Instant::now() > end {
            return Ok(answer.success().context("no engine came back")?.to_owned());
        }
        Command::new("sleep").arg("0.2").status()?;
    }
}
