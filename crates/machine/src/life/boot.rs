//! A plan becomes a running QEMU, step by step.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures::TryFutureExt;
use tokio::sync::broadcast;
use tokio::task::spawn_blocking;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::driver::{Guest, Hypervisor};
use super::machine::MachineEvent;
use super::plan::Plan;
use super::report::ExitReport;
use crate::MachineError;
use crate::disk::{prepare_data_disk, private_folder};
use crate::lock::DiskLock;
use crate::qemu::accelerator::{AcceleratorChoice, AcceleratorSetting, Failures, probe};
use crate::qemu::locate::{Qemu, find_qemu};
use crate::qemu::monitor::Monitor;
use crate::qemu::process::Process;
use crate::spec::{Accelerator, MachineSpec};
use crate::steps::{Step, StepRecorder};
use crate::tsc;

const QEMU: Step = Step {
    name: "qemu",
    description: "find QEMU and an accelerator",
    hint: "run the QEMU named in the settings with --version",
};
const IMAGE: Step = Step {
    name: "image",
    description: "check the machine's image",
    hint: "the kernel and initramfs come with the app",
};
const DISK: Step = Step {
    name: "disk",
    description: "prepare the data disk",
    hint: "see whether the disk is full or another instance runs",
};
const BOOT: Step =
    Step { name: "boot", description: "start the machine", hint: "see the serial log" };

/// The pause before the guest's processors are looked at again.
const RUNNING_RETRY: Duration = Duration::from_millis(20);

/// The hypervisor that is QEMU.
#[derive(Debug)]
pub(super) struct QemuHypervisor {
    pub(super) steps: StepRecorder,
    pub(super) events: broadcast::Sender<MachineEvent>,
    pub(super) tasks: TaskTracker,
}

#[async_trait]
impl Hypervisor for QemuHypervisor {
    async fn boot(
        &self,
        plan: Arc<Plan>,
        cancel: CancellationToken,
    ) -> Result<Box<dyn Guest>, MachineError> {
        let given_up = || cancel.cancelled();
        let prepared = async {
            let finding = self.steps.run(QEMU, find(&plan));
            let (found, tsc_khz) = tokio::join!(finding, tsc::rate_khz());
            let (qemu, choice) = found?;
            self.steps.run(IMAGE, async { check_image(&plan) }).await?;
            let lock = self.steps.run(DISK, prepare_disk(Arc::clone(&plan))).await?;
            Ok::<_, MachineError>((qemu, choice, tsc_khz, lock))
        };
        let (qemu, choice, tsc_khz, lock) = tokio::select! {
            prepared = prepared => prepared?,
            () = given_up() => return Err(MachineError::Cancelled),
        };
        tracing::info!(accelerator = %choice.accelerator, reason = choice.reason, "accelerator");
        drop(self.events.send(MachineEvent::Accelerator(choice.clone())));
        let spec = plan.spec(&qemu, choice.accelerator, tsc_khz)?;
        self.steps.run(BOOT, self.start(&spec, qemu, lock, &cancel)).await
    }

    fn remember_failure(&self, plan: &Plan, guest: &dyn Guest) {
        let failures = Failures::new(&plan.data_dir);
        if let Err(error) = failures.record(guest.accelerator(), guest.qemu()) {
            tracing::warn!(%error, "the accelerator's failure cannot be written down");
        }
    }
}

impl QemuHypervisor {
    async fn start(
        &self,
        spec: &MachineSpec,
        qemu: Qemu,
        lock: DiskLock,
        cancel: &CancellationToken,
    ) -> Result<Box<dyn Guest>, MachineError> {
        let mut process = Process::start(spec, &lock).await?;
        let up = tokio::select! {
            up = wait_until_up(&mut process, spec, &self.tasks) => up,
            () = cancel.cancelled() => Err(MachineError::Cancelled),
        };
        let accelerator = spec.draft().accelerator;
        match up {
            Ok(monitor) => Ok(Box::new(QemuGuest {
                process,
                monitor: Some(monitor),
                accelerator,
                qemu,
                _lock: lock,
            })),
            // The accelerator is the driver's matter, like one that fails later.
            Err(MachineError::Died { report }) if report.accelerator_failed => {
                Ok(Box::new(QemuGuest { process, monitor: None, accelerator, qemu, _lock: lock }))
            }
            Err(error) => {
                process.kill();
                process.ended().await;
                Err(error)
            }
        }
    }
}

async fn find(plan: &Plan) -> Result<(Qemu, AcceleratorChoice), MachineError> {
    let qemu = find_qemu(&plan.qemu, plan.arch).await?;
    let choice = probe(plan.accelerator, &qemu, &Failures::new(&plan.data_dir)).await;
    Ok((qemu, choice))
}

fn check_image(plan: &Plan) -> Result<(), MachineError> {
    let files = [("kernel", &plan.image.kernel), ("initramfs", &plan.image.initramfs)];
    for (what, path) in files {
        if !path.is_file() {
            return Err(MachineError::ImageMissing { what, path: path.clone() });
        }
    }
    Ok(())
}

/// Takes the lock before it touches the disk.
async fn prepare_disk(plan: Arc<Plan>) -> Result<DiskLock, MachineError> {
    let path = plan.data_disk();
    let prepared = spawn_blocking(move || {
        for folder in [&plan.data_dir, &plan.runtime_dir, &plan.log_dir] {
            private_folder(folder)?;
        }
        let lock = DiskLock::acquire(&plan.data_dir)?;
        prepare_data_disk(&plan.image.disk_template, &plan.data_disk(), plan.disk_gib)?;
        remove_sockets(&plan)?;
        Ok(lock)
    });
    prepared
        .unwrap_or_else(|panicked| Err(MachineError::file("prepare", &path, panicked.into())))
        .await
}

/// Sockets of an earlier QEMU, which we know is gone as the lock is ours.
fn remove_sockets(plan: &Plan) -> Result<(), MachineError> {
    let sockets: [PathBuf; 2] = [plan.runtime_dir.join("qmp.sock"), plan.channel_socket()];
    for socket in &sockets {
        remove_if_there(socket)?;
    }
    Ok(())
}

fn remove_if_there(path: &Path) -> Result<(), MachineError> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(MachineError::file("remove", path, error))
        }
        _ => Ok(()),
    }
}

/// QEMU answers on its monitor and the guest's processors have begun.
async fn wait_until_up(
    process: &mut Process,
    spec: &MachineSpec,
    tasks: &TaskTracker,
) -> Result<Monitor, MachineError> {
    let monitor = process.monitor(spec, tasks).await?;
    loop {
        let failed = process.accelerator_failure();
        tokio::select! {
            running = monitor.is_running() => {
                match running {
                    Ok(true) => return Ok(monitor),
                    Ok(false) => sleep(RUNNING_RETRY).await,
                    Err(_) => {
                        process.kill();
                        return Err(MachineError::Died { report: process.ended().await });
                    }
                }
            }
            () = failed => {
                process.kill();
                return Err(MachineError::Died { report: process.ended().await });
            }
        }
    }
}

/// A QEMU, and the lock of its disk.
struct QemuGuest {
    process: Process,
    /// None for one whose accelerator failed before there was a monitor.
    monitor: Option<Monitor>,
    accelerator: Accelerator,
    qemu: Qemu,
    /// Dropped after the process, whose end is what it guards.
    _lock: DiskLock,
}

#[async_trait]
impl Guest for QemuGuest {
    fn pid(&self) -> Option<u32> {
        self.process.pid()
    }

    fn accelerator(&self) -> Accelerator {
        self.accelerator
    }

    fn qemu(&self) -> &Qemu {
        &self.qemu
    }

    async fn ended(&mut self) -> ExitReport {
        self.process.ended().await
    }

    async fn ended_or_accelerator_failed(&mut self) -> Option<ExitReport> {
        let failed = self.process.accelerator_failure();
        tokio::select! {
            report = self.process.ended() => Some(report),
            () = failed => None,
        }
    }

    async fn power_button(&mut self) {
        if let Some(monitor) = &self.monitor
            && let Err(error) = monitor.power_button().await
        {
            tracing::warn!(%error, "the power button cannot be pressed");
        }
    }

    async fn quit(&mut self) {
        if let Some(monitor) = &self.monitor {
            // QEMU may end before it answers.
            drop(monitor.quit().await);
        }
    }

    fn kill(&mut self) {
        self.process.kill();
    }
}

/// Whether another accelerator may be tried when this one failed.
pub(super) fn may_fall_back(plan: &Plan, accelerator: Accelerator) -> bool {
    plan.accelerator == AcceleratorSetting::Auto && accelerator.is_hardware()
}
