//! A machine whose QEMU ends, with a script in QEMU's place.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use anyhow::{Context, Result};
use naru_app::{App, Directories, Environment};
use naru_ipc::{AppEvent, MachineState, Settings, StepState};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio_util::task::TaskTracker;

/// Says what it is asked before a start, and dies of the start itself, as soon as there is
/// no file that holds it up.
const QEMU: &str = r#"#!/bin/sh
case "$*" in
  *--version*) echo "QEMU emulator version 9.0.0" ;;
  *"-accel help"*) echo tcg ;;
  *) while [ -e "$0.wait" ]; do sleep 0.05; done; echo "qemu: the fan is on fire" >&2; exit 3 ;;
esac
"#;

/// An app whose machine can be started as far as the script goes.
async fn app(home: &Path) -> Result<App> {
    let images = home.join("images");
    fs::create_dir(&images)?;
    for file in ["vmlinux", "Image", "initramfs.cpio", "data.img"] {
        fs::write(images.join(file), "not read")?;
    }
    let qemu = home.join("qemu");
    fs::write(&qemu, QEMU)?;
    fs::set_permissions(&qemu, Permissions::from_mode(0o700))?;
    let environment = Environment { home: Some(home.to_owned()), ..Environment::default() };
    let app = App::open_in(Directories::find(&environment, Some(images))?)?;
    let settings = Settings {
        qemu_path: qemu.to_str().context("a path in UTF-8")?.to_owned(),
        accelerator: "tcg".to_owned(),
        carrier: "virtio-serial".to_owned(),
        ..Settings::default()
    };
    app.settings_set(settings).await?;
    Ok(app)
}

#[tokio::test]
async fn a_machine_that_dies_is_explained_in_its_status_and_in_an_event() -> Result<()> {
    let home = TempDir::new()?;
    let app = app(home.path()).await?;
    let mut events = app.subscribe();
    let error = app.machine_start(()).await.err().context("this QEMU cannot start")?;
    assert!(error.message.contains("the fan is on fire"), "{error}");
    let told = loop {
        match events.recv().await? {
            AppEvent::Machine { status } if status.state == MachineState::Failed => break status,
            _ => {}
        }
    };
    assert_eq!(told.error.as_ref(), Some(&error));
    let states: Vec<_> = told.steps.iter().map(|step| (step.name.as_str(), step.state)).collect();
    assert_eq!(
        states[..4],
        [
            ("qemu", StepState::Done),
            ("image", StepState::Done),
            ("disk", StepState::Done),
            ("boot", StepState::Failed),
        ]
    );
    assert!(states[4..].iter().all(|(_, state)| *state == StepState::Pending), "{states:?}");
    app.shutdown().await;
    Ok(())
}

#[tokio::test]
async fn a_docker_client_waits_for_a_start_and_hears_why_it_failed() -> Result<()> {
    let home = TempDir::new()?;
    let app = app(home.path()).await?;
    let hold = home.path().join("qemu.wait");
    fs::write(&hold, "")?;
    let mut status = app.watch_status();
    let start = TaskTracker::new().spawn({
        let app = app.clone();
        async move { app.machine_start(()).await }
    });
    status.wait_for(|status| status.state == MachineState::Starting).await?;
    let contexts = home.path().join("docker/contexts/meta");
    assert_eq!(fs::read_dir(contexts)?.count(), 1, "docker knows the way from the begin");

    let mut docker = UnixStream::connect(home.path().join("run/docker.sock")).await?;
    docker.write_all(b"GET /_ping HTTP/1.1\r\nHost: x\r\n\r\n").await?;
    let mut answer = Vec::new();
    while !answer.ends_with(b"\r\n\r\nOK") {
        answer.push(docker.read_u8().await?);
    }
    assert!(answer.starts_with(b"HTTP/1.1 200 OK"));
    assert_eq!(app.machine_status(()).await?.state, MachineState::Starting);
    docker.write_all(b"GET /v1.51/info HTTP/1.1\r\nHost: x\r\n\r\n").await?;
    fs::remove_file(hold)?;
    start.await?.err().context("this QEMU cannot start")?;
    // The owner may end at once, as the one in the background does.
    app.shutdown().await;
    let mut answer = String::new();
    docker.read_to_string(&mut answer).await?;
    assert!(answer.starts_with("HTTP/1.1 503 "), "{answer}");
    assert!(answer.contains("the fan is on fire"), "{answer}");
    Ok(())
}

#[tokio::test]
async fn a_failed_machine_can_be_started_again() -> Result<()> {
    let home = TempDir::new()?;
    let app = app(home.path()).await?;
    for _ in 0..2 {
        app.machine_start(()).await.err().context("this QEMU cannot start")?;
        assert_eq!(app.machine_status(()).await?.state, MachineState::Failed);
    }
    app.machine_stop(()).await?;
    assert_eq!(app.machine_status(()).await?.state, MachineState::Stopped);
    app.shutdown().await;
    Ok(())
}
