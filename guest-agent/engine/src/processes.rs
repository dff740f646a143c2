//! The processes of a container, as `docker top` shows them.
//!
//! Read from the kernel's own files, without a `ps` of the host or of the image.

use std::path::{Path, PathBuf};

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

use crate::error::{EngineError, Result};

/// Ticks a second in `/proc/*/stat`; the kernel's fixed number for user space.
const TICKS: u64 = 100;

/// A table of processes.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Table {
    pub(crate) titles: Vec<&'static str>,
    pub(crate) rows: Vec<Vec<String>>,
}

/// One process, as far as a table shows it.
#[derive(Debug, Default)]
struct Process {
    pid: i32,
    parent: i32,
    uid: u32,
    terminal: String,
    started: Option<Timestamp>,
    cpu_seconds: u64,
    command: String,
}

/// The processes in the control group `cgroup`, as `ps -ef` or (with `aux` in `args`)
/// `ps aux` heads them.
pub(crate) fn list(cgroup: &Path, args: &str) -> Result<Table> {
    let mut pids = Vec::new();
    collect(&cgroup_root().join(cgroup.strip_prefix("/").unwrap_or(cgroup)), &mut pids)?;
    pids.sort_unstable();
    let booted = boot_time();
    let processes = pids.into_iter().filter_map(|pid| read(pid, booted));
    Ok(match args.trim() {
        "" | "-ef" | "ef" => full(processes),
        "aux" | "-aux" => user(processes),
        other => {
            return Err(EngineError::Unsupported(format!(
                "ps arguments other than -ef and aux are not supported yet: {other}"
            )));
        }
    })
}

/// Where the version 2 hierarchy is: alone, or beside version 1 on a hybrid host.
fn cgroup_root() -> &'static Path {
    let alone = Path::new("/sys/fs/cgroup");
    if alone.join("cgroup.controllers").exists() {
        alone
    } else {
        Path::new("/sys/fs/cgroup/unified")
    }
}

/// The controllers of the version 2 hierarchy.
pub(crate) fn cgroup_controllers() -> Result<Vec<String>> {
    let path = cgroup_root().join("cgroup.controllers");
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

fn boot_time() -> Option<Timestamp> {
    let text = std::fs::read_to_string("/proc/stat").ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("btime "))?;
    Timestamp::from_second(line.parse().ok()?).ok()
}

/// None for a process that has ended meanwhile.
fn read(pid: i32, booted: Option<Timestamp>) -> Option<Process> {
    let directory = PathBuf::from(format!("/proc/{pid}"));
    let stat = std::fs::read_to_string(directory.join("stat")).ok()?;
    let mut process = parse_stat(&stat, booted)?;
    process.pid = pid;
    let status = std::fs::read_to_string(directory.join("status")).ok()?;
    let uids = status.lines().find_map(|line| line.strip_prefix("Uid:"))?;
    process.uid = uids.split_whitespace().nth(1)?.parse().ok()?;
    let command = std::fs::read(directory.join("cmdline")).ok()?;
    let words: Vec<_> = command
        .split(|byte| *byte == 0)
        .filter(|word| !word.is_empty())
        .map(String::from_utf8_lossy)
        .collect();
    if !words.is_empty() {
        process.command = words.join(" ");
    }
    Some(process)
}

/// The fields of proc(5)'s `stat`; the name in parentheses may hold anything.
fn parse_stat(stat: &str, booted: Option<Timestamp>) -> Option<Process> {
    let (head, tail) = stat.rsplit_once(')')?;
    let name = head.split_once('(')?.1;
    let fields: Vec<&str> = tail.split_whitespace().collect();
    let number = |index: usize| fields.get(index)?.parse::<u64>().ok();
    let terminal = number(4)?;
    let started = booted.and_then(|booted| {
        booted.checked_add(SignedDuration::from_secs((number(19)? / TICKS).cast_signed())).ok()
    });
    Some(Process {
        parent: fields.get(1)?.parse().ok()?,
        terminal: match (terminal >> 8, terminal & 0xff) {
            (136, minor) => format!("pts/{minor}"),
            _ => "?".to_owned(),
        },
        started,
        cpu_seconds: (number(11)? + number(12)?) / TICKS,
        command: format!("[{name}]"),
        ..Process::default()
    })
}

fn clock(seconds: u64) -> String {
    format!("{:02}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60)
}

fn started(process: &Process) -> String {
    let at = process.started.map(|at| at.to_zoned(TimeZone::UTC));
    at.map_or_else(|| "?".to_owned(), |at| at.strftime("%H:%M").to_string())
}

fn user_name(uid: u32) -> String {
    if uid == 0 { "root".to_owned() } else { uid.to_string() }
}

fn full(processes: impl Iterator<Item = Process>) -> Table {
    let titles = vec!["UID", "PID", "PPID", "C", "STIME", "TTY", "TIME", "CMD"];
    let rows = processes
        .map(|process| {
            vec![
                user_name(process.uid),
                process.pid.to_string(),
                process.parent.to_string(),
                "0".to_owned(),
                started(&process),
                process.terminal.clone(),
                clock(process.cpu_seconds),
                process.command,
            ]
        })
        .collect();
    Table { titles, rows }
}

fn user(processes: impl Iterator<Item = Process>) -> Table {
    let titles = vec!["USER", "PID", "TTY", "START", "TIME", "COMMAND"];
    let rows = processes
        .map(|process| {
            vec![
                user_name(process.uid),
                process.pid.to_string(),
                process.terminal.clone(),
                started(&process),
                clock(process.cpu_seconds),
                process.command,
            ]
        })
        .collect();
    Table { titles, rows }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_parentheses_does_not_confuse() {
        let stat = "42 (a) b (c)) S 1 42 42 34816 42 4194560 1 0 0 0 150 50 0 0 20 0 1 0 1000 0 0";
        let process = parse_stat(stat, Timestamp::from_second(100).ok()).unwrap();
        assert_eq!((process.parent, process.cpu_seconds), (1, 2));
        assert_eq!(process.terminal, "pts/0");
        assert_eq!(process.command, "[a) b (c)]");
        assert_eq!(process.started.unwrap().as_second(), 110);
    }
}
