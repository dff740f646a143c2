//! What the machine uses, read where its kernel counts it; see `naru_protocol::usage`.

use std::io;
use std::path::Path;

use naru_protocol::usage::{Cpu, Disk, Memory, Usage};
use nix::time::{ClockId, clock_gettime};
use rustix::fs::statvfs;

use crate::error::{EngineError, Result};
use crate::processes::TICKS;

const PROCESSORS: &str = "/proc/stat";
const MEMORY: &str = "/proc/meminfo";

/// What is used now, the disk being that on which `root` is. Blocking.
pub(crate) fn read(root: &Path) -> Result<Usage> {
    let text = |path: &str| std::fs::read_to_string(path).map_err(EngineError::io("reading", path));
    let strange = |path| EngineError::io("reading", path)(io::ErrorKind::InvalidData.into());
    Ok(Usage {
        time_ms: now_ms()?,
        cpu: parse_cpu(&text(PROCESSORS)?).ok_or_else(|| strange(PROCESSORS))?,
        memory: parse_memory(&text(MEMORY)?).ok_or_else(|| strange(MEMORY))?,
        disk: disk_of(root).map_err(EngineError::io("measuring", root))?,
    })
}

fn now_ms() -> Result<u64> {
    let now = clock_gettime(ClockId::CLOCK_MONOTONIC).map_err(io::Error::from);
    let now = now.map_err(EngineError::io("reading", "the monotonic clock"))?;
    let whole = u64::try_from(now.tv_sec()).unwrap_or_default() * 1000;
    Ok(whole + u64::try_from(now.tv_nsec()).unwrap_or_default() / 1_000_000)
}

/// None when its first line is not that of all processors.
fn parse_cpu(text: &str) -> Option<Cpu> {
    const MS_PER_TICK: u64 = 1000 / TICKS;
    let all = text.lines().next()?.strip_prefix("cpu ")?;
    let ticks: Option<Vec<u64>> = all.split_whitespace().map(|ticks| ticks.parse().ok()).collect();
    let [user, nice, system, idle, iowait, irq, softirq, steal] =
        ticks?.first_chunk()?.map(|ticks| ticks.saturating_mul(MS_PER_TICK));
    let is_processor = |line: &&str| {
        let number = line.strip_prefix("cpu");
        number.is_some_and(|number| number.starts_with(|first: char| first.is_ascii_digit()))
    };
    Some(Cpu {
        processors: u32::try_from(text.lines().filter(is_processor).count()).unwrap_or(u32::MAX),
        user_ms: user,
        nice_ms: nice,
        system_ms: system,
        idle_ms: idle,
        iowait_ms: iowait,
        irq_ms: irq,
        softirq_ms: softirq,
        steal_ms: steal,
    })
}

/// None when it lacks one of the lines.
fn parse_memory(text: &str) -> Option<Memory> {
    let bytes = |name: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
        let kib: u64 = line.trim().strip_suffix(" kB")?.parse().ok()?;
        kib.checked_mul(1024)
    };
    Some(Memory { total_bytes: bytes("MemTotal")?, available_bytes: bytes("MemAvailable")? })
}

fn disk_of(root: &Path) -> io::Result<Disk> {
    let found = statvfs(root)?;
    let bytes = |blocks: u64| blocks.saturating_mul(found.f_frsize);
    Ok(Disk {
        total_bytes: bytes(found.f_blocks),
        used_bytes: bytes(found.f_blocks.saturating_sub(found.f_bfree)),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn processor_times_become_milliseconds_by_mode() {
        let text = "cpu  1 2 3 4 5 6 7 8 9 10\ncpu0 1 0 0 0\ncpu1 0 2 3 4\nintr 0\ncpufreq 1\n";
        let expected = Cpu {
            processors: 2,
            user_ms: 10,
            nice_ms: 20,
            system_ms: 30,
            idle_ms: 40,
            iowait_ms: 50,
            irq_ms: 60,
            softirq_ms: 70,
            steal_ms: 80,
        };
        assert_eq!(parse_cpu(text), Some(expected));
        for odd in ["", "intr 0\n", "cpu  1 2 3\n", "cpu  1 2 3 4 5 6 7 x\n"] {
            assert_eq!(parse_cpu(odd), None, "{odd:?}");
        }
    }

    #[test]
    fn memory_is_told_in_bytes() {
        let text = "MemTotal:        2031616 kB\nMemFree:  1 kB\nMemAvailable:    1024 kB\n";
        let memory = Memory { total_bytes: 2_080_374_784, available_bytes: 1_048_576 };
        assert_eq!(parse_memory(text), Some(memory));
        assert_eq!(parse_memory("MemTotal: 1 kB\n"), None);
    }

    #[test]
    fn a_look_at_this_machine_is_plausible_and_time_goes_on() {
        let (first, second) = (read(Path::new("/")).unwrap(), read(Path::new("/")).unwrap());
        assert!(first.cpu.processors > 0 && first.time_ms > 0);
        assert!(first.memory.available_bytes <= first.memory.total_bytes);
        assert!(first.disk.used_bytes <= first.disk.total_bytes && first.disk.total_bytes > 0);
        assert!(second.time_ms >= first.time_ms && second.cpu.user_ms >= first.cpu.user_ms);
    }

    #[test]
    fn a_root_that_is_not_there_is_named() {
        let error = read(Path::new("/no/such/root")).unwrap_err();
        assert!(error.to_string().contains("/no/such/root"), "{error}");
    }
}
