//! The window's whole path in a real machine: needs QEMU and a built VM image.
#![cfg(target_os = "linux")]
#![expect(clippy::panic_in_result_fn, reason = "a test asserts")]

use std::env::consts::ARCH;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use naru_app::{App, Directories, Environment};
use naru_ipc::{
    AppEvent, ContainerLogs, ContainerRef, ContainerRemove, ContainerRun, MachineState,
    OutputChunk, PublishedPort, Settings, StepState, StreamClose, TerminalOpen, TerminalRef,
    TerminalWrite,
};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::task::yield_now;
use tokio::time::timeout;

/// Far more than anything here takes, also without acceleration on a busy computer.
const PATIENCE: Duration = Duration::from_mins(5);

/// Where `cargo xtask image` puts this architecture's image, unless the environment
/// says otherwise.
fn vm_images() -> PathBuf {
    let arch = ARCH;
    let built = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/vm-images").join(arch);
    Environment::read().vm_images.unwrap_or(built)
}

async fn running_app(home: &Path) -> Result<App> {
    let environment = Environment { home: Some(home.to_owned()), ..Environment::default() };
    let app = App::open_in(Directories::find(&environment, Some(vm_images()))?)?;
    let settings = Settings {
        accelerator: "tcg".to_owned(),
        memory_mib: 1024,
        disk_gib: 8,
        ..app.settings_get(()).await?
    };
    app.settings_set(settings).await?;
    timeout(PATIENCE, app.machine_start(())).await??;
    Ok(app)
}

/// A stream's chunks as text, and how to take them.
fn stream()
-> (impl Fn(OutputChunk) -> bool + Send + Sync + 'static, mpsc::UnboundedReceiver<OutputChunk>) {
    let (sender, receiver) = mpsc::unbounded_channel();
    (move |chunk| sender.send(chunk).is_ok(), receiver)
}

/// Reads until the output so far holds `text`.
async fn read_until(chunks: &mut mpsc::UnboundedReceiver<OutputChunk>, text: &str) -> Result<()> {
    let mut all = String::new();
    while !all.contains(text) {
        let chunk = timeout(PATIENCE, chunks.recv()).await?.context("the stream is gone")?;
        ensure!(chunk.source != "end", "ended before {text:?}: {all:?}");
        all.push_str(&String::from_utf8_lossy(&STANDARD.decode(chunk.data)?));
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_image_runs_with_logs_terminal_and_port_and_survives_the_machine() -> Result<()> {
    let home = TempDir::new()?;
    let app = running_app(home.path()).await?;
    let status = app.machine_status(()).await?;
    assert_eq!(status.state, MachineState::Running);
    assert!(status.steps.iter().all(|step| step.state == StepState::Done), "{status:?}");

    let mut events = app.subscribe();
    let image = app.app_info(()).await?.demo_image;
    let script = "echo served > /index.html; echo ready; exec busybox httpd -f -p 80 -h /";
    let run = ContainerRun {
        image: image.clone(),
        name: "web".to_owned(),
        command: vec!["sh".to_owned(), "-c".to_owned(), script.to_owned()],
        ports: vec![PublishedPort {
            host_ip: "127.0.0.1".to_owned(),
            host_port: 0,
            container_port: 80,
        }],
        ..ContainerRun::default()
    };
    let web = timeout(PATIENCE, app.container_run(run)).await??;
    timeout(PATIENCE, async {
        while events.recv().await? != AppEvent::Containers {}
        anyhow::Ok(())
    })
    .await??;
    assert!(app.image_list(()).await?.iter().any(|summary| summary.tags.contains(&image)));

    logs_are_followed_until_they_are_closed(&app, &web).await?;
    a_terminal_answers(&app, &web).await?;
    the_published_port_answers(&app).await?;

    app.machine_stop(()).await?;
    timeout(PATIENCE, app.machine_start(())).await??;
    let containers = app.container_list(()).await?;
    let still = containers.iter().find(|container| container.id == web.id);
    assert_eq!(still.context("the container is lost")?.name, "web");
    app.container_remove(ContainerRemove { id: web.id, force: true }).await?;
    assert!(app.container_list(()).await?.is_empty());
    app.shutdown().await;
    Ok(())
}

async fn logs_are_followed_until_they_are_closed(app: &App, web: &ContainerRef) -> Result<()> {
    let (sink, mut chunks) = stream();
    let stream_id = "logs".to_owned();
    let logs = ContainerLogs { id: web.id.clone(), stream_id: stream_id.clone(), tail: 10 };
    app.container_logs(logs, sink).await?;
    read_until(&mut chunks, "ready\n").await?;
    app.stream_close(StreamClose { stream_id }).await?;
    while let Some(chunk) = timeout(PATIENCE, chunks.recv()).await? {
        if chunk.source == "end" {
            return Ok(());
        }
    }
    bail!("the stream went without an end")
}

async fn a_terminal_answers(app: &App, web: &ContainerRef) -> Result<()> {
    let (sink, mut chunks) = stream();
    let stream_id = "terminal".to_owned();
    let open = TerminalOpen {
        id: web.id.clone(),
        stream_id: stream_id.clone(),
        rows: 31,
        cols: 97,
        command: Vec::new(),
        user: String::new(),
    };
    app.terminal_open(open, sink).await?;
    let waits = "sleep 4242 & echo $((6*6))\n".to_owned();
    app.terminal_write(TerminalWrite { stream_id: stream_id.clone(), text: waits }).await?;
    read_until(&mut chunks, "36\r\n").await?;
    // What the shell has forked is the shell still, until it is another program.
    timeout(PATIENCE, async {
        loop {
            let stream_id = stream_id.clone();
            let running = app.terminal_programs(TerminalRef { stream_id }).await?;
            if running.commands == ["sleep 4242"] {
                return anyhow::Ok(());
            }
            yield_now().await;
        }
    })
    .await
    .context("the terminal never runs just its sleep")??;
    // What is typed comes back too, so the answer has to differ from the question.
    let text = "echo $((6*7)); stty size; exit\n".to_owned();
    app.terminal_write(TerminalWrite { stream_id, text }).await?;
    read_until(&mut chunks, "42\r\n").await?;
    while let Some(chunk) = timeout(PATIENCE, chunks.recv()).await? {
        if chunk.source == "end" {
            return Ok(());
        }
    }
    bail!("the shell ended without an end")
}

async fn the_published_port_answers(app: &App) -> Result<()> {
    let containers = app.container_list(()).await?;
    let port = containers.first().and_then(|container| container.ports.first());
    let port = port.context("no published port")?.host_port;
    let mut client = TcpStream::connect(("127.0.0.1", port)).await?;
    client.write_all(b"GET / HTTP/1.0\r\n\r\n").await?;
    let mut answer = String::new();
    timeout(PATIENCE, client.read_to_string(&mut answer)).await??;
    assert!(answer.ends_with("served\n"), "{answer}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_machine_is_explained_and_can_be_started_again() -> Result<()> {
    let home = TempDir::new()?;
    let app = running_app(home.path()).await?;
    let mut events = app.subscribe();
    let killed =
        std::process::Command::new("kill").arg("-9").arg(qemu_of(home.path())?).status()?;
    ensure!(killed.success(), "QEMU not killed");
    let failed = timeout(PATIENCE, async {
        loop {
            match events.recv().await? {
                AppEvent::Machine { status } if status.state == MachineState::Failed => {
                    return anyhow::Ok(status);
                }
                _ => {}
            }
        }
    })
    .await??;
    let error = failed.error.context("a failure without a reason")?;
    assert!(error.message.contains("signal 9"), "{error}");
    assert!(!failed.console_tail.is_empty(), "nothing of the console");
    timeout(PATIENCE, app.machine_start(())).await??;
    assert!(app.container_list(()).await?.is_empty());
    app.shutdown().await;
    Ok(())
}

/// The process id of the QEMU whose arguments name `home`.
fn qemu_of(home: &Path) -> Result<String> {
    let home = home.to_str().context("a path in UTF-8")?;
    for entry in fs::read_dir("/proc")?.flatten() {
        let Ok(arguments) = fs::read(entry.path().join("cmdline")) else { continue };
        let arguments = String::from_utf8_lossy(&arguments).into_owned();
        if arguments.contains("qemu-system") && arguments.contains(home) {
            return Ok(entry.file_name().to_string_lossy().into_owned());
        }
    }
    bail!("no QEMU for {home}")
}
