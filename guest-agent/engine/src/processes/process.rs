//! One process, as the kernel's files tell of it.

use std::path::PathBuf;

use jiff::Timestamp;
use nix::sys::sysinfo::sysinfo;
use nix::unistd::{SysconfVar, sysconf};

/// Ticks a second in `/proc/*/stat`; the kernel's fixed number for user space.
pub(crate) const TICKS: u64 = 100;

const KIB: u64 = 1024;

/// One process, as far as a table shows it. Sizes are in KiB, times in ticks.
#[derive(Debug, Default)]
pub(super) struct Process {
    pub(super) pid: i32,
    pub(super) parent: i32,
    pub(super) group: i32,
    pub(super) session: i32,
    /// Its letter.
    pub(super) state: char,
    /// The process group that has the terminal.
    pub(super) foreground: i32,
    pub(super) terminal: String,
    pub(super) priority: i64,
    pub(super) nice: i64,
    pub(super) threads: u64,
    /// After the boot.
    pub(super) started: u64,
    pub(super) cpu: u64,
    pub(super) virtual_size: u64,
    pub(super) resident: u64,
    pub(super) uid: u32,
    pub(super) real_uid: u32,
    pub(super) gid: u32,
    pub(super) name: String,
    /// With its arguments; the name in brackets where there are none.
    pub(super) command: String,
}

/// What the numbers of all processes are compared with.
#[derive(Debug)]
pub(super) struct Machine {
    pub(super) now: Timestamp,
    pub(super) booted: Timestamp,
    /// In KiB.
    pub(super) memory: u64,
}

impl Machine {
    pub(super) fn read() -> Self {
        let now = Timestamp::now();
        let memory = sysinfo().map_or(0, |info| info.ram_total() / KIB);
        Self { now, booted: boot_time().unwrap_or(now), memory }
    }
}

fn page_size() -> u64 {
    let size = sysconf(SysconfVar::PAGE_SIZE).ok().flatten();
    size.and_then(|size| size.try_into().ok()).unwrap_or(4 * KIB)
}

fn boot_time() -> Option<Timestamp> {
    let text = std::fs::read_to_string("/proc/stat").ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("btime "))?;
    Timestamp::from_second(line.parse().ok()?).ok()
}

impl Process {
    /// None for a process that has ended meanwhile.
    pub(super) fn read(pid: i32) -> Option<Self> {
        let directory = PathBuf::from(format!("/proc/{pid}"));
        let mut process = Self::parse_stat(&std::fs::read_to_string(directory.join("stat")).ok()?)?;
        process.pid = pid;
        let status = std::fs::read_to_string(directory.join("status")).ok()?;
        let ids = |key: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(key))?;
            let mut ids = line.split_whitespace().map(str::parse::<u32>);
            Some((ids.next()?.ok()?, ids.next()?.ok()?))
        };
        (process.real_uid, process.uid) = ids("Uid:")?;
        process.gid = ids("Gid:")?.1;
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
    pub(super) fn parse_stat(stat: &str) -> Option<Self> {
        let (head, tail) = stat.rsplit_once(')')?;
        let name = head.split_once('(')?.1;
        let fields: Vec<&str> = tail.split_whitespace().collect();
        let number = |index: usize| fields.get(index)?.parse::<i64>().ok();
        let unsigned = |index: usize| fields.get(index)?.parse::<u64>().ok();
        let id = |index: usize| i32::try_from(number(index)?).ok();
        let terminal = unsigned(4)?;
        Some(Self {
            state: fields.first()?.chars().next()?,
            parent: id(1)?,
            group: id(2)?,
            session: id(3)?,
            terminal: match (terminal >> 8, terminal & 0xff) {
                (136, minor) => format!("pts/{minor}"),
                _ => "?".to_owned(),
            },
            foreground: id(5)?,
            cpu: unsigned(11)? + unsigned(12)?,
            priority: number(15)?,
            nice: number(16)?,
            threads: unsigned(17)?,
            started: unsigned(19)?,
            virtual_size: unsigned(20)? / KIB,
            resident: unsigned(21)? * page_size() / KIB,
            name: name.to_owned(),
            command: format!("[{name}]"),
            ..Self::default()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_parentheses_does_not_confuse() {
        let stat = "42 (a) b (c)) S 1 40 41 34816 43 4194560 1 0 0 0 150 50 0 0 20 5 3 0 1000 \
                    2048 7 0";
        let process = Process::parse_stat(stat).unwrap();
        assert_eq!((process.parent, process.group, process.session), (1, 40, 41));
        assert_eq!((process.terminal.as_str(), process.foreground), ("pts/0", 43));
        assert_eq!((process.cpu, process.started, process.threads), (200, 1000, 3));
        assert_eq!((process.priority, process.nice), (20, 5));
        assert_eq!((process.virtual_size, process.resident), (2, 7 * page_size() / KIB));
        assert_eq!((process.state, process.command.as_str()), ('S', "[a) b (c)]"));
    }
}
