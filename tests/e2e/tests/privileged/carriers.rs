//! Both carriers between a host and an engine in a running machine.

use std::env::var_os;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use naru_machine::{
    Accelerator, AcceleratorSetting, Answer, Arch, Carrier, Machine, MachineImage, Plan, QemuSearch,
};
use naru_protocol::{DATA_DISK_SERIAL, MUX_PORT_NAME};
use naru_transport::{Dialer, Endpoint, Port, connect, suite};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::process::{Child, Command};
use tokio::time::{sleep, timeout};

/// Only there so that a hang fails the test.
const HUNG: Duration = Duration::from_mins(4);
/// The pause before the guest is tried again, which cannot say that it is ready.
const RETRY: Duration = Duration::from_millis(50);
/// The user-space vsock device (`cargo install vhost-device-vsock`): unlike the kernel's,
/// it is there on every host that can run this test.
const DEVICE: &str = "vhost-device-vsock";

#[tokio::test(flavor = "multi_thread")]
async fn streams_over_virtio_serial_pass_the_suite_in_a_machine() -> Result<()> {
    let home = TempDir::new()?;
    let carrier = Carrier::VirtioSerial { port_name: MUX_PORT_NAME.to_owned() };
    let plan = plan(home.path(), Arch::host(), carrier)?;
    let endpoint = Endpoint::MuxUnix { path: plan.channel_socket() };
    suite_passes(plan, &endpoint).await
}

#[tokio::test(flavor = "multi_thread")]
async fn streams_over_vsock_pass_the_suite_in_a_machine() -> Result<()> {
    let home = TempDir::new()?;
    let [socket, path] = ["device.sock", "vsock.sock"].map(|name| home.path().join(name));
    let _device = vsock_device(&socket, &path).await?;
    let plan = plan(home.path(), Arch::host(), Carrier::VhostUserVsock { socket })?;
    suite_passes(plan, &Endpoint::VsockUnix { path }).await
}

/// The image for the other architecture boots, emulated, up to an engine that serves.
#[tokio::test(flavor = "multi_thread")]
async fn an_aarch64_machine_boots_and_serves() -> Result<()> {
    let home = TempDir::new()?;
    let carrier = Carrier::VirtioSerial { port_name: MUX_PORT_NAME.to_owned() };
    let plan = plan(home.path(), Arch::Aarch64, carrier)?;
    let endpoint = Endpoint::MuxUnix { path: plan.channel_socket() };
    let machine = Machine::new();
    let dialer = boot(&machine, plan, &endpoint).await?;
    drop(dialer);
    machine.shutdown(None).await;
    Ok(())
}

/// The device, which ends with QEMU or with this handle.
async fn vsock_device(socket: &Path, path: &Path) -> Result<Child> {
    let program = var_os("NARU_VHOST_DEVICE_VSOCK").unwrap_or_else(|| DEVICE.into());
    let mut device = Command::new(program)
        .args(["--guest-cid", "4", "--tx-buffer-size", "28672", "--socket"])
        .arg(socket)
        .arg("--uds-path")
        .arg(path)
        .kill_on_drop(true)
        .spawn()
        .with_context(|| {
            format!("{DEVICE} is needed: cargo install {DEVICE}, or set NARU_VHOST_DEVICE_VSOCK")
        })?;
    while !socket.exists() {
        ensure!(device.try_wait()?.is_none(), "{DEVICE} ended");
        sleep(RETRY).await;
    }
    Ok(device)
}

fn plan(home: &Path, arch: Arch, carrier: Carrier) -> Result<Plan> {
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let (folder, kernel) = match arch {
        Arch::X86_64 => ("x86_64", "vmlinux"),
        Arch::Aarch64 => ("aarch64", "Image"),
    };
    let images = workspace.join("target/vm-images").join(folder);
    let images = images.canonicalize().context("no VM image: run `cargo xtask image`")?;
    Ok(Plan {
        qemu: QemuSearch { path: var_os("PATH"), ..QemuSearch::default() },
        accelerator: AcceleratorSetting::Fixed(Accelerator::Tcg),
        arch,
        cpus: 2,
        memory_mib: 768,
        disk_gib: 1,
        image: MachineImage {
            kernel: images.join(kernel),
            initramfs: images.join("initramfs.cpio"),
            disk_template: images.join("data.img"),
        },
        data_dir: home.join("data"),
        runtime_dir: home.join("run"),
        log_dir: home.join("data"),
        data_disk_serial: DATA_DISK_SERIAL.to_owned(),
        carrier,
        extra_kernel_args: Vec::new(),
    })
}

async fn suite_passes(plan: Plan, endpoint: &Endpoint) -> Result<()> {
    let machine = Machine::new();
    let dialer = boot(&machine, plan, endpoint).await?;
    let passed = suite::run(&*dialer).await;
    drop(dialer);
    machine.shutdown(None).await;
    passed
}

/// Boots until the guest's streams work.
async fn boot(machine: &Machine, plan: Plan, endpoint: &Endpoint) -> Result<Arc<dyn Dialer>> {
    let log: PathBuf = plan.serial_log();
    ensure!(machine.start(plan).await == Answer::Accepted, "the start was refused");
    timeout(HUNG, machine.running()).await.context("QEMU hangs")??;
    timeout(HUNG, reach(endpoint)).await.with_context(|| {
        let log = fs::read(log).unwrap_or_default();
        format!("the guest does not answer:\n{}", String::from_utf8_lossy(&log))
    })
}

/// Tries until a stream's bytes come back.
async fn reach(endpoint: &Endpoint) -> Arc<dyn Dialer> {
    loop {
        if let Ok(dialer) = connect(endpoint).await
            && let Ok(mut stream) = dialer.dial(Port::ECHO).await
            && stream.write_all(b"?").await.is_ok()
            && stream.flush().await.is_ok()
            && stream.read_u8().await.is_ok()
        {
            return dialer;
        }
        sleep(RETRY).await;
    }
}
