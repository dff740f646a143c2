//! The processes of a container, as `docker top` shows them.
//!
//! Read from the kernel's own files, without a `ps` of the host or of the image.

mod columns;
mod process;

use std::path::{Path, PathBuf};

use crate::error::{EngineError, Result};
use columns::Column;
use process::{Machine, Process};

pub(crate) use process::TICKS;

/// A table of processes.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Table {
    pub(crate) titles: Vec<&'static str>,
    pub(crate) rows: Vec<Vec<String>>,
}

/// The processes in the control group `cgroup`, as `ps` with `args` shows them.
pub(crate) fn list(cgroup: &Path, args: &str) -> Result<Table> {
    let columns = columns::of_arguments(args)?;
    let mut pids = Vec::new();
    collect(&group_directory(cgroup), &mut pids)?;
    pids.sort_unstable();
    let machine = Machine::read();
    let processes = pids.into_iter().filter_map(Process::read);
    Ok(Table {
        titles: columns.iter().map(|column| column.title).collect(),
        rows: processes.map(|process| row(&columns, &process, &machine)).collect(),
    })
}

fn row(columns: &[&Column], process: &Process, machine: &Machine) -> Vec<String> {
    columns.iter().map(|column| (column.value)(process, machine)).collect()
}

/// Where a control group is in the file system: in the version 2 hierarchy, which is alone, or
/// beside version 1 on a hybrid host.
pub(crate) fn group_directory(cgroup: &Path) -> PathBuf {
    let alone = Path::new("/sys/fs/cgroup");
    let root = if alone.join("cgroup.controllers").exists() {
        alone
    } else {
        Path::new("/sys/fs/cgroup/unified")
    };
    root.join(cgroup.strip_prefix("/").unwrap_or(cgroup))
}

/// The controllers of the version 2 hierarchy.
pub(crate) fn cgroup_controllers() -> Result<Vec<String>> {
    let path = group_directory(Path::new("/")).join("cgroup.controllers");
    let text = std::fs::read_to_string(&path).map_err(EngineError::io("reading", path))?;
    Ok(text.split_whitespace().map(str::to_owned).collect())
}

/// The processes of a group and of those below it, which a container may have made.
fn collect(group: &Path, pids: &mut Vec<i32>) -> Result<()> {
    let path = group.join("cgroup.procs");
    let text = std::fs::read_to_string(&path).map_err(EngineError::io("reading", path))?;
    pids.extend(text.lines().filter_map(|line| line.parse::<i32>().ok()));
    for entry in std::fs::read_dir(group).into_iter().flatten().flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            collect(&entry.path(), pids)?;
        }
    }
    Ok(())
}
