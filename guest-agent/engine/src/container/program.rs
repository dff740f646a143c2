//! The program that shims are.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use nix::mount::{MntFlags, MsFlags, mount, umount2};

use crate::error::{EngineError, Result};

/// The agent's own program, mounted read-only: a container whose entry point is
/// `/proc/self/exe` would otherwise get hold of the file that runs as root outside
/// (CVE-2019-5736).
#[derive(Clone, Debug)]
pub(crate) struct AgentProgram(PathBuf);

impl AgentProgram {
    /// Mounts the running program read-only at `run_dir/agent`.
    pub(crate) fn prepare(run_dir: &Path) -> Result<Self> {
        let target = run_dir.join("agent");
        let failed = |operation| EngineError::io(operation, &target);
        // What an engine that was killed has left there.
        while umount2(&target, MntFlags::MNT_DETACH).is_ok() {}
        File::create(&target).map_err(failed("creating"))?;
        let none: Option<&str> = None;
        mount(Some("/proc/self/exe"), &target, none, MsFlags::MS_BIND, none)
            .map_err(io::Error::from)
            .map_err(failed("binding the agent's program to"))?;
        let flags = MsFlags::MS_BIND | MsFlags::MS_REMOUNT | MsFlags::MS_RDONLY;
        mount(none, &target, none, flags, none)
            .map_err(io::Error::from)
            .map_err(failed("making read-only"))?;
        Ok(Self(target))
    }

    /// What to run.
    pub(super) fn path(&self) -> &Path {
        &self.0
    }

    /// Takes the mount away again.
    pub(crate) fn release(&self) {
        if let Err(error) = umount2(&self.0, MntFlags::MNT_DETACH) {
            tracing::warn!(path = %self.0.display(), %error, "the agent's program stays mounted");
        }
    }
}
