//! What a container uses, read where the kernel counts it: the numbers that `docker stats`
//! computes from.
//!
//! A number whose controller the host's cgroup v2 tree lacks is left out, as Docker does.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;

use jiff::Timestamp;
use nix::sys::sysinfo::sysinfo;

use crate::processes::{TICKS, group_directory};

/// The kernel's word for no limit.
const MAX: &str = "max";

/// The fields of `memory.stat` that Docker shows.
const MEMORY_FIELDS: [&str; 31] = [
    "active_anon",
    "active_file",
    "anon",
    "anon_thp",
    "file",
    "file_dirty",
    "file_mapped",
    "file_writeback",
    "inactive_anon",
    "inactive_file",
    "kernel_stack",
    "pgactivate",
    "pgdeactivate",
    "pgfault",
    "pglazyfree",
    "pglazyfreed",
    "pgmajfault",
    "pgrefill",
    "pgscan",
    "pgsteal",
    "shmem",
    "slab",
    "slab_reclaimable",
    "slab_unreclaimable",
    "sock",
    "thp_collapse_alloc",
    "thp_fault_alloc",
    "unevictable",
    "workingset_activate",
    "workingset_nodereclaim",
    "workingset_refault",
];

/// All of it, at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Sample {
    pub(crate) at: Timestamp,
    pub(crate) cpu: Cpu,
    pub(crate) memory: Option<Memory>,
    pub(crate) pids: Option<Pids>,
    pub(crate) io: Option<Vec<DeviceIo>>,
    /// By interface; none without a network of the container's own.
    pub(crate) networks: BTreeMap<String, Interface>,
}

/// Times in nanoseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Cpu {
    pub(crate) total: u64,
    pub(crate) user: u64,
    pub(crate) kernel: u64,
    /// What all processors of the machine have done together.
    pub(crate) of_system: u64,
    pub(crate) online: u32,
    pub(crate) periods: u64,
    pub(crate) throttled_periods: u64,
    pub(crate) throttled: u64,
}

/// Sizes in bytes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Memory {
    pub(crate) usage: u64,
    /// That of the machine where there is no other.
    pub(crate) limit: u64,
    /// How often the limit was hit.
    pub(crate) failures: u64,
    pub(crate) fields: BTreeMap<&'static str, u64>,
}

/// How many processes and threads.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Pids {
    pub(crate) current: u64,
    pub(crate) limit: u64,
}

/// What was read from and written to a block device, in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct DeviceIo {
    pub(crate) major: u64,
    pub(crate) minor: u64,
    pub(crate) read: u64,
    pub(crate) written: u64,
}

/// One direction of an interface.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Traffic {
    pub(crate) bytes: u64,
    pub(crate) packets: u64,
    pub(crate) errors: u64,
    pub(crate) dropped: u64,
}

/// An interface of the container.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Interface {
    pub(crate) received: Traffic,
    pub(crate) sent: Traffic,
}

/// Reads what the group of a container counts and, if its network is its own, what the
/// interfaces do that its process `pid` sees. An error means that it has ended.
pub(crate) fn sample(cgroup: &Path, pid: Option<i32>) -> io::Result<Sample> {
    let group = group_directory(cgroup);
    // There for every group, whatever the controllers; all else may not be.
    let cpu = std::fs::read_to_string(group.join("cpu.stat"))?;
    let read = |file: &str| std::fs::read_to_string(group.join(file)).ok();
    let number = |file: &str| read(file)?.trim().parse::<u64>().ok();
    let limit = |file: &str| read(file).filter(|text| text.trim() != MAX)?.trim().parse().ok();
    let memory = number("memory.current").map(|usage| {
        let machine = machine_memory();
        Memory {
            usage,
            limit: limit("memory.max").map_or(machine, |limit: u64| limit.min(machine)),
            failures: flat(&read("memory.events").unwrap_or_default(), "oom"),
            fields: memory_fields(&read("memory.stat").unwrap_or_default()),
        }
    });
    let pids = number("pids.current")
        .map(|current| Pids { current, limit: limit("pids.max").unwrap_or(u64::MAX) });
    let networks = pid.and_then(|pid| interfaces_of(pid, cgroup)).unwrap_or_default();
    Ok(Sample {
        at: Timestamp::now(),
        cpu: parse_cpu(&cpu, &std::fs::read_to_string("/proc/stat")?),
        memory,
        pids,
        io: read("io.stat").map(|text| parse_io(&text)),
        networks,
    })
}

/// The value of a key in a file of `key value` lines; 0 where it is not.
fn flat(text: &str, key: &str) -> u64 {
    let value =
        |line: &str| line.split_once(' ').filter(|(found, _)| *found == key)?.1.parse().ok();
    text.lines().find_map(value).unwrap_or(0)
}

fn memory_fields(text: &str) -> BTreeMap<&'static str, u64> {
    let field = |line: &str| {
        let (name, value) = line.split_once(' ')?;
        let name = MEMORY_FIELDS.iter().find(|known| **known == name)?;
        Some((*name, value.parse().ok()?))
    };
    text.lines().filter_map(field).collect()
}

fn machine_memory() -> u64 {
    sysinfo().map_or(0, |info| info.ram_total())
}

fn parse_cpu(group: &str, system: &str) -> Cpu {
    const NANOS_PER_MICRO: u64 = 1_000;
    const NANOS_PER_TICK: u64 = 1_000_000_000 / TICKS;
    let nanos = |key: &str| flat(group, key) * NANOS_PER_MICRO;
    // The first line is that of all processors; guests are counted in it as users already.
    let all = system.lines().find_map(|line| line.strip_prefix("cpu "));
    let ticks = all.iter().flat_map(|line| line.split_whitespace().take(7));
    let of_system = ticks.filter_map(|ticks| ticks.parse::<u64>().ok()).sum::<u64>();
    let is_processor = |line: &&str| {
        let number = line.strip_prefix("cpu");
        number.is_some_and(|number| number.starts_with(|first: char| first.is_ascii_digit()))
    };
    Cpu {
        total: nanos("usage_usec"),
        user: nanos("user_usec"),
        kernel: nanos("system_usec"),
        of_system: of_system * NANOS_PER_TICK,
        online: u32::try_from(system.lines().filter(is_processor).count()).unwrap_or(u32::MAX),
        periods: flat(group, "nr_periods"),
        throttled_periods: flat(group, "nr_throttled"),
        throttled: nanos("throttled_usec"),
    }
}

/// `8:0 rbytes=1 wbytes=2 rios=…` for each device.
fn parse_io(text: &str) -> Vec<DeviceIo> {
    let device = |line: &str| {
        let mut words = line.split_whitespace();
        let (major, minor) = words.next()?.split_once(':')?;
        let mut device = DeviceIo {
            major: major.parse().ok()?,
            minor: minor.parse().ok()?,
            ..DeviceIo::default()
        };
        for (key, value) in words.filter_map(|word| word.split_once('=')) {
            match key {
                "rbytes" => device.read = value.parse().ok()?,
                "wbytes" => device.written = value.parse().ok()?,
                _ => {}
            }
        }
        Some(device)
    };
    text.lines().filter_map(device).collect()
}

/// The interfaces in the network namespace of a process, if it is of that group still: its
/// number may be another's by now.
fn interfaces_of(pid: i32, cgroup: &Path) -> Option<BTreeMap<String, Interface>> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/net/dev")).ok()?;
    let groups = std::fs::read_to_string(format!("/proc/{pid}/cgroup")).ok()?;
    let group = groups.lines().find_map(|line| line.strip_prefix("0::"))?;
    // It may have made groups below its own.
    let is_of_group = Path::new(group).iter().any(|part| Some(part) == cgroup.file_name());
    is_of_group.then(|| parse_interfaces(&text))
}

fn parse_interfaces(text: &str) -> BTreeMap<String, Interface> {
    let interface = |line: &str| {
        let (name, numbers) = line.split_once(':')?;
        let numbers: Vec<u64> =
            numbers.split_whitespace().map(str::parse).collect::<Result<_, _>>().ok()?;
        let traffic = |first: usize| {
            let [bytes, packets, errors, dropped] = *numbers.get(first..first + 4)? else {
                return None;
            };
            Some(Traffic { bytes, packets, errors, dropped })
        };
        let interface = Interface { received: traffic(0)?, sent: traffic(8)? };
        Some((name.trim().to_owned(), interface))
    };
    text.lines().filter_map(interface).filter(|(name, _)| name != "lo").collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn processor_times_become_nanoseconds() {
        let group = "usage_usec 30\nuser_usec 20\nsystem_usec 10\nnr_periods 4\nnr_throttled 3\n\
                     throttled_usec 2\n";
        let system = "cpu  1 2 3 4 5 6 7 8 9 10\ncpu0 1 0 0 0\ncpu1 0 2 3 4\nintr 0\nctxt 9\n";
        let expected = Cpu {
            total: 30_000,
            user: 20_000,
            kernel: 10_000,
            of_system: 280_000_000,
            online: 2,
            periods: 4,
            throttled_periods: 3,
            throttled: 2_000,
        };
        assert_eq!(parse_cpu(group, system), expected);
    }

    #[test]
    fn devices_are_read_whatever_else_is_told_of_them() {
        let text = "254:0 rbytes=10 wbytes=20 rios=1 wios=2 dbytes=0 dios=0\n7:1\nbad rbytes=1\n";
        let device = |major, minor, read, written| DeviceIo { major, minor, read, written };
        assert_eq!(parse_io(text), [device(254, 0, 10, 20), device(7, 1, 0, 0)]);
    }

    #[test]
    fn interfaces_are_read_without_loopback() {
        let text = "Inter-|   Receive  |  Transmit\n face |bytes    packets errs|bytes\n    \
                    lo: 1 1 0 0 0 0 0 0 1 1 0 0 0 0 0 0\n  \
                    eth0: 10 2 3 4 0 0 0 0 50 6 7 8 0 0 0 0\n";
        let interfaces = parse_interfaces(text);
        assert_eq!(interfaces.keys().collect::<Vec<_>>(), ["eth0"]);
        let expected = Interface {
            received: Traffic { bytes: 10, packets: 2, errors: 3, dropped: 4 },
            sent: Traffic { bytes: 50, packets: 6, errors: 7, dropped: 8 },
        };
        assert_eq!(interfaces["eth0"], expected);
    }

    #[test]
    fn only_dockers_fields_of_the_memory_are_taken() {
        let fields = memory_fields("anon 1\nnosuch 2\ninactive_file 3\n");
        assert_eq!(fields, BTreeMap::from([("anon", 1), ("inactive_file", 3)]));
        assert_eq!(flat("low 0\noom 3\noom_kill 9\n", "oom"), 3);
        assert!(MEMORY_FIELDS.is_sorted());
    }
}
