//! A QEMU that does not do what it should.

use std::env::consts::ARCH;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::Context;
use tempfile::TempDir;
use tokio::time::{Instant, interval};

/// How long the first machine may take to be there.
const PATIENCE: Duration = Duration::from_mins(1);
const LOOK_AGAIN: Duration = Duration::from_millis(50);

/// The system's QEMU, but the first machine that it starts stands still before its first
/// instruction, until it is killed. Later ones are as they should be.
#[derive(Debug)]
pub struct StallingQemu {
    program: PathBuf,
    /// Holds the process id of the machine that stands still.
    pid: PathBuf,
    _folder: TempDir,
}

impl StallingQemu {
    /// Makes the program.
    pub fn new() -> anyhow::Result<Self> {
        let folder = TempDir::new()?;
        let (program, pid) = (folder.path().join("qemu"), folder.path().join("pid"));
        // What only asks names no monitor. `exec` keeps the process id, and `mv` makes the
        // file appear with all of its content.
        let script = format!(
            "#!/bin/sh\n\
             case \"$*\" in *-qmp*|*-mon*) ;; *) exec qemu-system-{ARCH} \"$@\" ;; esac\n\
             if [ -e {pid} ]; then exec qemu-system-{ARCH} \"$@\"; fi\n\
             echo $$ > {pid}.new && mv {pid}.new {pid}\n\
             exec qemu-system-{ARCH} -S \"$@\"\n",
            pid = pid.display(),
        );
        fs::write(&program, script)?;
        fs::set_permissions(&program, Permissions::from_mode(0o755))?;
        Ok(Self { program, pid, _folder: folder })
    }

    /// What the settings are to name.
    pub fn program(&self) -> &Path {
        &self.program
    }

    /// Waits until the machine that stands still is there.
    pub async fn started(&self) -> anyhow::Result<()> {
        let deadline = Instant::now() + PATIENCE;
        let mut again = interval(LOOK_AGAIN);
        while !self.pid.exists() {
            anyhow::ensure!(Instant::now() < deadline, "QEMU was not started");
            again.tick().await;
        }
        Ok(())
    }

    /// Kills the machine that stands still.
    pub fn kill(&self) -> anyhow::Result<()> {
        let pid = fs::read_to_string(&self.pid).context("no machine was started")?;
        let killed = Command::new("kill").args(["-KILL", pid.trim()]).status()?;
        anyhow::ensure!(killed.success(), "no process {pid}");
        Ok(())
    }
}
