//! The machine with a QEMU that is a shell script.
#![cfg(unix)]

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use naru_error::ErrorKind;
use naru_machine::{
    Accelerator, AcceleratorSetting, Answer, Arch, Carrier, Hint, Machine, MachineError,
    MachineEvent, MachineImage, MachineState, Plan, QemuSearch, StepProgress, find_qemu,
};
use tempfile::TempDir;
use tokio::time::timeout;

/// Only there so that a hang fails the test.
const HUNG: Duration = Duration::from_mins(1);

/// A folder with a QEMU of that behaviour and an image.
struct Setup {
    folder: TempDir,
}

impl Setup {
    /// `run` is what the script does when it is started as a machine.
    fn new(version: &str, run: &str) -> Result<Self> {
        let setup = Self { folder: tempfile::tempdir()? };
        for file in ["vmlinux", "initramfs.cpio", "template.img"] {
            fs::write(setup.path(file), file)?;
        }
        let script = format!(
            "#!/bin/sh\ncase \"$1\" in\n--version) echo 'QEMU emulator version {version}';;\n\
             -accel) printf 'Accelerators supported in QEMU binary:\\ntcg\\n';;\n*) {run};;\nesac\n"
        );
        fs::write(setup.path("qemu"), script)?;
        fs::set_permissions(setup.path("qemu"), Permissions::from_mode(0o755))?;
        Ok(setup)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn plan(&self) -> Plan {
        Plan {
            qemu: QemuSearch { setting: Some(self.path("qemu")), ..QemuSearch::default() },
            accelerator: AcceleratorSetting::Fixed(Accelerator::Tcg),
            arch: Arch::X86_64,
            cpus: 1,
            memory_mib: 256,
            disk_gib: 1,
            image: MachineImage {
                kernel: self.path("vmlinux"),
                initramfs: self.path("initramfs.cpio"),
                disk_template: self.path("template.img"),
            },
            data_dir: self.path("data"),
            runtime_dir: self.path("run"),
            log_dir: self.path("log"),
            data_disk_serial: "naru-data".into(),
            carrier: Carrier::VirtioSerial { port_name: "naru.mux".into() },
            extra_kernel_args: Vec::new(),
        }
    }
}

async fn start(machine: &Machine, plan: Plan) -> Result<Arc<MachineError>> {
    ensure!(machine.start(plan).await == Answer::Accepted, "the start was not accepted");
    timeout(HUNG, machine.running()).await.context("hung")?.err().context("it runs")
}

#[tokio::test]
async fn a_missing_qemu_says_where_it_was_looked_for_and_how_to_get_it() -> Result<()> {
    let nowhere = tempfile::tempdir()?;
    let setting = nowhere.path().join("no-qemu");
    let search = QemuSearch { setting: Some(setting.clone()), ..QemuSearch::default() };
    let error = find_qemu(&search, Arch::X86_64).await.err().context("found")?;
    ensure!(error.kind() == ErrorKind::Precondition);
    ensure!(error.to_string().contains(setting.to_str().context("utf-8")?), "{error}");
    ensure!(error.hints().contains(&Hint::SetQemuPath), "{:?}", error.hints());
    Ok(())
}

#[tokio::test]
async fn a_bundled_qemu_comes_before_the_one_in_the_path() -> Result<()> {
    let (bundled, path) = (Setup::new("9.0.1", "exit 1")?, Setup::new("8.0.0", "exit 1")?);
    for setup in [&bundled, &path] {
        fs::rename(setup.path("qemu"), setup.path("qemu-system-x86_64"))?;
    }
    let path_only = QemuSearch { path: Some(path.folder.path().into()), ..QemuSearch::default() };
    ensure!(find_qemu(&path_only, Arch::X86_64).await?.version.major == 8);
    let both = QemuSearch { bundled_dir: Some(bundled.folder.path().to_path_buf()), ..path_only };
    ensure!(find_qemu(&both, Arch::X86_64).await?.version.major == 9);
    Ok(())
}

#[tokio::test]
async fn a_qemu_that_is_too_old_is_refused_with_both_versions() -> Result<()> {
    let setup = Setup::new("6.1.0", "exit 1")?;
    let machine = Machine::new();
    let error = start(&machine, setup.plan()).await?;
    ensure!(matches!(*error, MachineError::QemuTooOld { .. }), "{error}");
    let message = error.to_string();
    ensure!(message.contains("6.1.0") && message.contains("7.2.0"), "{message}");
    Ok(())
}

#[tokio::test]
async fn a_qemu_that_dies_is_explained_and_can_be_started_again() -> Result<()> {
    let setup = Setup::new("7.2.0", "echo 'qemu: no such machine' >&2; exit 3")?;
    let machine = Machine::new();
    let mut events = machine.events();
    for _ in 0..2 {
        let error = start(&machine, setup.plan()).await?;
        let MachineError::Died { report } = &*error else { anyhow::bail!("{error}") };
        ensure!(report.code == Some(3), "{report:?}");
        ensure!(report.stderr_tail == "qemu: no such machine", "{report:?}");
        ensure!(error.to_string().ends_with("status 3: qemu: no such machine"), "{error}");
    }
    let mut failed = Vec::new();
    while let Ok(event) = events.try_recv() {
        if let MachineEvent::Step(event) = event
            && matches!(event.progress, StepProgress::Failed { .. })
        {
            failed.push(event.step.name);
        }
    }
    ensure!(failed == ["boot", "boot"], "{failed:?}");
    Ok(())
}

#[tokio::test]
async fn stopping_during_the_start_leaves_nothing_running() -> Result<()> {
    // It never opens a monitor.
    let setup = Setup::new("7.2.0", "echo $$ > \"$(dirname \"$0\")/pid\"; exec sleep 1000")?;
    let machine = Machine::new();
    machine.start(setup.plan()).await;
    let pid_file = setup.path("pid");
    timeout(HUNG, wait_for(&pid_file)).await.context("QEMU was not started")?;
    ensure!(machine.start(setup.plan()).await == Answer::Already);
    ensure!(machine.stop(None).await == Answer::Accepted);
    timeout(HUNG, machine.stopped()).await.context("hung")?;
    ensure!(matches!(*machine.state().borrow(), MachineState::Stopped));
    ensure!(machine.stop(None).await == Answer::Already);
    let pid = fs::read_to_string(pid_file)?;
    ensure!(!Path::new("/proc").join(pid.trim()).exists(), "QEMU {pid} still runs");
    Ok(())
}

async fn wait_for(path: &Path) {
    while !fs::read_to_string(path).is_ok_and(|text| text.ends_with('\n')) {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn two_machines_never_share_a_disk() -> Result<()> {
    let setup = Setup::new("7.2.0", "echo $$ > \"$(dirname \"$0\")/pid\"; exec sleep 1000")?;
    let (first, second) = (Machine::new(), Machine::new());
    first.start(setup.plan()).await;
    timeout(HUNG, wait_for(&setup.path("pid"))).await.context("QEMU was not started")?;
    let error = start(&second, setup.plan()).await?;
    let MachineError::AlreadyRunning { pid } = *error else { anyhow::bail!("{error}") };
    ensure!(pid == Some(std::process::id()), "{pid:?}");
    ensure!(error.hints() == [Hint::QuitOtherInstance]);
    first.shutdown(None).await;
    Ok(())
}

#[tokio::test]
async fn a_missing_kernel_and_bad_sizes_are_named_before_anything_is_made() -> Result<()> {
    let setup = Setup::new("7.2.0", "exit 1")?;
    let machine = Machine::new();
    let mut plan = setup.plan();
    plan.image.kernel = setup.path("gone");
    let error = start(&machine, plan).await?;
    ensure!(matches!(&*error, MachineError::ImageMissing { what: "kernel", .. }), "{error}");
    ensure!(!setup.path("data").exists(), "the data folder was made");

    let error = start(&machine, Plan { cpus: 0, ..setup.plan() }).await?;
    ensure!(error.kind() == ErrorKind::InvalidArgument, "{error}");
    Ok(())
}

#[tokio::test]
async fn the_machines_files_are_the_users_alone() -> Result<()> {
    let setup = Setup::new("7.2.0", "exit 1")?;
    start(&Machine::new(), setup.plan()).await?;
    for (name, expected) in
        [("data", 0o700), ("run", 0o700), ("log", 0o700), ("data/data.img", 0o600)]
    {
        let mode = fs::metadata(setup.path(name))?.permissions().mode() & 0o777;
        ensure!(mode == expected, "{name}: {mode:o}");
    }
    Ok(())
}
