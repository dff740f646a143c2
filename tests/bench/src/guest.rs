//! Machines that are started for the bench, without the app.

use std::env::consts::ARCH;
use std::env::var_os;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use naru_machine::{
    Accelerator, AcceleratorSetting, Answer, Arch, Carrier, Machine, MachineImage, Plan, QemuSearch,
};
use naru_protocol::DATA_DISK_SERIAL;
use naru_transport::{BoxedStream, Dialer, Endpoint, Port, connect};
use tokio::time::{sleep, timeout};

use crate::engine::HUNG;

/// The pause before something that cannot announce itself is looked for again.
pub(crate) const RETRY: Duration = Duration::from_millis(5);

/// A machine of `carrier` whose disk and sockets are beneath `home`, which is new.
///
/// It is emulated, with or without hardware that could do better: that runs everywhere.
pub(crate) fn plan(home: &Path, carrier: Carrier) -> Result<Plan> {
    let images = images()?;
    let kernel = match Arch::host() {
        Arch::X86_64 => "vmlinux",
        Arch::Aarch64 => "Image",
    };
    Ok(Plan {
        qemu: QemuSearch { path: var_os("PATH"), ..QemuSearch::default() },
        accelerator: AcceleratorSetting::Fixed(Accelerator::Tcg),
        arch: Arch::host(),
        cpus: 2,
        memory_mib: 1024,
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

/// `NARU_VM_IMAGES`, as `cargo xtask bench` sets it, or where `cargo xtask image` puts them.
fn images() -> Result<PathBuf> {
    let images = var_os("NARU_VM_IMAGES").map(PathBuf::from);
    let images = images.unwrap_or_else(|| crate::workspace().join("target/vm-images").join(ARCH));
    images.canonicalize().context("no VM image: run `cargo xtask image`")
}

/// Switches a machine on; QEMU runs when this returns.
pub(crate) async fn power_on(plan: Plan) -> Result<Machine> {
    let machine = Machine::new();
    ensure!(machine.start(plan).await == Answer::Accepted, "the start was refused");
    timeout(HUNG, machine.running()).await.context("QEMU hangs")??;
    Ok(machine)
}

/// Opens a stream to a service of a machine that may still be booting.
pub(crate) async fn reach(
    endpoint: &Endpoint,
    port: Port,
    log: &Path,
) -> Result<(Arc<dyn Dialer>, BoxedStream)> {
    let reached = async {
        loop {
            if let Ok(dialer) = connect(endpoint).await
                && let Ok(stream) = dialer.dial(port).await
            {
                return (dialer, stream);
            }
            sleep(RETRY).await;
        }
    };
    timeout(HUNG, reached).await.with_context(|| {
        let log = fs::read(log).unwrap_or_default();
        format!("the guest does not answer:\n{}", String::from_utf8_lossy(&log))
    })
}
