//! The host's cgroup v2 tree: where it is, and what its controllers are.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::write_value;
use crate::error::{Context, Result, RuntimeError};

/// The controllers whose numbers are shown to people.
const COUNTED: [&str; 4] = ["cpu", "io", "memory", "pids"];

/// Where cgroup v2 is mounted: `/sys/fs/cgroup`, or `…/unified` on hybrid hosts.
pub(super) fn mount_point() -> Result<PathBuf> {
    let text =
        fs::read_to_string("/proc/self/mountinfo").context("read", "/proc/self/mountinfo")?;
    find_mount(&text).ok_or_else(|| RuntimeError::unsupported("a host without cgroup v2"))
}

/// The first mount of type `cgroup2` in a `mountinfo` file (`proc_pid_mountinfo(5)`).
fn find_mount(mountinfo: &str) -> Option<PathBuf> {
    mountinfo.lines().find_map(|line| {
        let (mount, filesystem) = line.split_once(" - ")?;
        let is_cgroup2 = filesystem.split(' ').next() == Some("cgroup2");
        is_cgroup2.then(|| mount.split(' ').nth(4).map(PathBuf::from))?
    })
}

/// The controllers that the tree offers.
pub(super) fn controllers(root: &Path) -> Result<Vec<String>> {
    let path = root.join("cgroup.controllers");
    let text = fs::read_to_string(&path).context("read", path.display())?;
    Ok(text.split_whitespace().map(str::to_owned).collect())
}

/// Makes `group` and its parents below `root`, with the controllers handed down to it.
pub(super) fn create(root: &Path, group: &Path, needed: &[&str]) -> Result<()> {
    let mut directory = root.to_owned();
    let relative = group.strip_prefix(root).unwrap_or(group);
    for part in relative.components() {
        hand_down(&directory, needed)?;
        directory.push(part);
        match fs::create_dir(&directory) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            result => result.context("create cgroup", directory.display())?,
        }
    }
    Ok(())
}

/// Has the host count what `group` uses, as far as it can: without a limit nobody else asks for
/// these controllers. What is not counted is not shown, and harms no container.
pub(super) fn count(root: &Path, group: &Path, available: &[String]) {
    let counted: Vec<&str> =
        available.iter().map(String::as_str).filter(|name| COUNTED.contains(name)).collect();
    let mut directory = root.to_owned();
    for part in group.strip_prefix(root).unwrap_or(group).components() {
        if hand_down(&directory, &counted).is_err() {
            return;
        }
        directory.push(part);
    }
}

/// Lets children of `directory` use the controllers, those that are not yet handed down.
fn hand_down(directory: &Path, needed: &[&str]) -> Result<()> {
    if needed.is_empty() {
        return Ok(());
    }
    let path = directory.join("cgroup.subtree_control");
    let enabled = fs::read_to_string(&path).context("read", path.display())?;
    let enabled: Vec<&str> = enabled.split_whitespace().collect();
    let missing: Vec<String> = needed
        .iter()
        .filter(|controller| !enabled.contains(controller))
        .map(|controller| format!("+{controller}"))
        .collect();
    if missing.is_empty() { Ok(()) } else { write_value(&path, &missing.join(" ")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_can_be_counted_is_asked_for_above_the_group() -> io::Result<()> {
        let root = tempfile::tempdir()?;
        let (above, group) = (root.path().join("naru"), root.path().join("naru/1"));
        fs::create_dir_all(&group)?;
        for directory in [root.path(), &above, &group] {
            fs::write(directory.join("cgroup.subtree_control"), "pids\n")?;
        }
        let available = ["cpuset", "memory", "pids"].map(str::to_owned);
        count(root.path(), &group, &available);
        let written =
            |directory: &Path| fs::read_to_string(directory.join("cgroup.subtree_control"));
        assert_eq!(written(root.path())?, "+memory");
        assert_eq!(written(&above)?, "+memory");
        assert_eq!(written(&group)?, "pids\n");
        Ok(())
    }

    #[test]
    fn cgroup_v2_is_found_on_pure_and_hybrid_hosts() {
        let pure = "30 23 0:27 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw,nsdelegate\n";
        assert_eq!(find_mount(pure), Some(PathBuf::from("/sys/fs/cgroup")));

        let hybrid = "31 23 0:28 / /sys/fs/cgroup rw - tmpfs tmpfs rw,mode=755\n\
                      32 31 0:29 / /sys/fs/cgroup/cpu rw shared:4 - cgroup cgroup rw,cpu\n\
                      41 31 0:38 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n";
        assert_eq!(find_mount(hybrid), Some(PathBuf::from("/sys/fs/cgroup/unified")));

        assert_eq!(find_mount("31 23 0:28 / /sys/fs/cgroup rw - tmpfs tmpfs rw\n"), None);
    }
}
