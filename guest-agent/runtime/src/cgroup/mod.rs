//! Control groups, version 2.
//!
//! A container has one group, at `linux.cgroupsPath` below the host's cgroup v2 tree. On a
//! hybrid host, where that tree has no controllers, it still holds the processes together
//! (`cgroup.procs`, `cgroup.freeze`, `cgroup.kill`); only limits are then refused.

mod devices;
mod resources;
mod tree;

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, Write};
use std::os::fd::OwnedFd;
use std::path::{Component, Path, PathBuf};
use std::time::{Duration, Instant};

use oci_spec::runtime::LinuxResources;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::retry_on_intr;
use rustix::process::Pid;

use crate::error::{Context, Result, RuntimeError};
use devices::DeviceProgram;
use resources::Limits;

/// How long processes may take to stand still. One that waits inside the kernel, for a disk
/// or a server that does not answer, cannot be stopped.
const FREEZE_LIMIT: Duration = Duration::from_secs(5);

/// A control group of the host's cgroup v2 tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cgroup {
    directory: PathBuf,
}

impl Cgroup {
    /// The group at `path` (absolute or not) below the root of the cgroup v2 tree; it need not
    /// exist.
    pub fn at(path: &Path) -> Result<Self> {
        let relative = path.strip_prefix("/").unwrap_or(path);
        let plain = relative.components().all(|part| matches!(part, Component::Normal(_)));
        if !plain || relative.as_os_str().is_empty() {
            return Err(RuntimeError::invalid(format!(
                "cgroup path {} is not a plain path",
                path.display()
            )));
        }
        Ok(Self { directory: tree::mount_point()?.join(relative) })
    }

    /// The group that a process is in.
    pub fn of(pid: Pid) -> Result<Self> {
        let file = format!("/proc/{}/cgroup", pid.as_raw_pid());
        let text = fs::read_to_string(&file).context("read", &file)?;
        let path = text.lines().find_map(|line| line.strip_prefix("0::")).ok_or_else(|| {
            RuntimeError::unsupported("a process without a place in the cgroup v2 tree")
        })?;
        Ok(Self { directory: tree::mount_point()?.join(path.trim_start_matches('/')) })
    }

    /// Makes the group, with its parents, and sets the limits.
    ///
    /// Limits whose controller the host lacks are refused before anything is made.
    #[tracing::instrument(name = "create_cgroup", level = "debug", skip_all)]
    pub(crate) fn create(path: &Path, resources: Option<&LinuxResources>) -> Result<Self> {
        let limits = resources.map_or_else(|| Ok(Limits::default()), Limits::from_spec)?;
        let devices = resources.and_then(|resources| resources.devices().as_deref());
        let devices = DeviceProgram::from_spec(devices.unwrap_or_default())?;
        let group = Self::at(path)?;
        let root = tree::mount_point()?;
        let available = tree::controllers(&root)?;
        let limits = limits.within(&available)?;
        tree::create(&root, &group.directory, &limits.controllers())?;
        tree::count(&root, &group.directory, &available);
        let restricted = limits.apply(&group.directory);
        let restricted = restricted.and_then(|()| devices.attach(&group.open()?));
        if let Err(error) = restricted {
            // The group is empty, so that there is no reason to keep it; the limit's error
            // says more than a failure to remove would.
            drop(fs::remove_dir(&group.directory));
            return Err(error);
        }
        Ok(group)
    }

    /// Changes the limits of a running container; those not named stay. If one cannot be
    /// set, all are as before.
    pub fn update(&self, resources: &LinuxResources) -> Result<()> {
        let root = tree::mount_point()?;
        let limits = Limits::from_spec(resources)?.within(&tree::controllers(&root)?)?;
        // The controllers of limits that it did not have when it was made.
        tree::create(&root, &self.directory, &limits.controllers())?;
        let before = limits.read_back(&self.directory)?;
        let changed = limits.apply(&self.directory);
        if changed.is_err() {
            // The kernel has taken these values before; the first error is the one to tell.
            drop(before.apply(&self.directory));
        }
        changed
    }

    /// The group's directory, where its statistics are.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// Opens the directory, as `clone3(2)` wants it.
    pub(crate) fn open(&self) -> Result<OwnedFd> {
        Ok(File::open(&self.directory).context("open", self.directory.display())?.into())
    }

    /// The processes in the group, as the caller's PID namespace numbers them.
    pub fn processes(&self) -> Result<Vec<i32>> {
        let text = self.read("cgroup.procs")?;
        Ok(text.lines().filter_map(|line| line.parse().ok()).collect())
    }

    /// How many processes of the group the OOM killer has killed; 0 without the memory
    /// controller.
    pub fn oom_kills(&self) -> u64 {
        let text = self.read("memory.events").unwrap_or_default();
        let count = text.lines().find_map(|line| line.strip_prefix("oom_kill "));
        count.and_then(|count| count.parse().ok()).unwrap_or(0)
    }

    /// Stops all processes of the group; returns when the last one stands. If one does not
    /// stop, all go on.
    pub fn freeze(&self) -> Result<()> {
        self.write("cgroup.freeze", "1")?;
        match self.await_event("frozen 1", Some(FREEZE_LIMIT)) {
            Ok(true) => Ok(()),
            Ok(false) => {
                self.thaw()?;
                Err(RuntimeError::StillMoving)
            }
            Err(error) => Err(error),
        }
    }

    /// Lets the processes of the group go on.
    pub fn thaw(&self) -> Result<()> {
        self.write("cgroup.freeze", "0")?;
        self.await_event("frozen 0", Some(FREEZE_LIMIT)).map(drop)
    }

    /// Whether the group is stopped.
    pub fn is_frozen(&self) -> Result<bool> {
        Ok(self.read("cgroup.events")?.lines().any(|line| line == "frozen 1"))
    }

    /// Kills every process in the group and below.
    pub fn kill_all(&self) -> Result<()> {
        self.write("cgroup.kill", "1")
    }

    /// Kills what is left in the group, waits for it to be gone, and removes the group. A group
    /// that is not there is fine.
    #[tracing::instrument(name = "remove_cgroup", level = "debug", skip_all)]
    pub fn remove(&self) -> Result<()> {
        if !self.directory.exists() {
            return Ok(());
        }
        self.kill_all()?;
        self.await_event("populated 0", None)?;
        remove_below(&self.directory).context("remove cgroup", self.directory.display())
    }

    /// Waits until `line` stands in `cgroup.events`; the kernel signals changes as `POLLPRI`.
    /// False if the time was up before.
    fn await_event(&self, line: &str, limit: Option<Duration>) -> Result<bool> {
        let end = limit.map(|limit| Instant::now() + limit);
        let path = self.directory.join("cgroup.events");
        let mut file = File::open(&path).context("open", path.display())?;
        loop {
            let mut text = String::new();
            file.rewind().context("read", path.display())?;
            file.read_to_string(&mut text).context("read", path.display())?;
            if text.lines().any(|candidate| candidate == line) {
                return Ok(true);
            }
            let left = end.map(|end| end.saturating_duration_since(Instant::now()));
            if left.is_some_and(|left| left.is_zero()) {
                return Ok(false);
            }
            let left = left.and_then(|left| Timespec::try_from(left).ok());
            let mut events = [PollFd::new(&file, PollFlags::PRI)];
            retry_on_intr(|| poll(&mut events, left.as_ref()))
                .context("wait for", path.display())?;
        }
    }

    fn read(&self, file: &str) -> Result<String> {
        let path = self.directory.join(file);
        fs::read_to_string(&path).context("read", path.display())
    }

    fn write(&self, file: &str, value: &str) -> Result<()> {
        write_value(&self.directory.join(file), value)
    }
}

/// Writes a control file in one go; unlike `fs::write` it never creates one.
fn write_value(path: &Path, value: &str) -> Result<()> {
    OpenOptions::new()
        .write(true)
        .open(path)
        .and_then(|mut file| file.write_all(value.as_bytes()))
        .context("write", format_args!("{value:?} to {}", path.display()))
}

/// Removes a group and the groups that its processes made in it.
fn remove_below(directory: &Path) -> io::Result<()> {
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            remove_below(&entry.path())?;
        }
    }
    fs::remove_dir(directory)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cgroup_path_cannot_lead_out_of_the_tree() {
        for path in ["../x", "/a/../../x", "/", ""] {
            assert!(Cgroup::at(Path::new(path)).is_err(), "{path:?} must be refused");
        }
    }
}
